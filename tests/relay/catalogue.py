"""Every check there is, in the order of the NIPs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import ModuleType

from tests.relay import (
    nip01_events,
    nip01_filters,
    nip01_frames,
    nip01_json,
    nip01_kinds,
    nip01_subscriptions,
    nip09,
    nip11,
    nip13,
    nip40,
    nip42,
    nip45,
    nip59,
    nip62,
    nip65,
    nip67,
    nip70,
)
from tests.relay.checks import Check

MODULES = (
    nip01_frames,
    nip01_events,
    nip01_json,
    nip01_filters,
    nip01_kinds,
    nip01_subscriptions,
    nip09,
    nip11,
    nip13,
    nip40,
    nip42,
    nip45,
    nip59,
    nip62,
    nip65,
    nip67,
    nip70,
)


def checks_of(module: ModuleType) -> list[Check]:
    """Return the checks of a module, also those that it made in a list, in the order of the text."""
    found: list[Check] = []
    for value in vars(module).values():
        found += [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, Check)]
    return found


# Some modules check a neighbour of their NIP as well.
CHECKS: Sequence[Check] = tuple(
    sorted((check for module in MODULES for check in checks_of(module)), key=lambda check: check.nip)
)


def matching(pattern: str) -> list[Check]:
    """Return the checks whose name contains a pattern, in which `*` stands for anything."""
    wanted = re.compile(".*".join(map(re.escape, pattern.split("*"))))
    return [check for check in CHECKS if wanted.search(check.name)]
