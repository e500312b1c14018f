"""Which keys count as soon as the file is read again, and which differ between two readings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from bridge.settings.keys import key_of, table_of
from bridge.settings.tree import Settings
from bridge.settings.values import write_key


@dataclass(frozen=True, slots=True)
class Difference:
    """A key that has another value than before."""

    key: str
    """Full name as TOML writes it, such as `permits.turn.burst`."""
    is_live: bool
    """The new value counts as soon as it is read; else from the next start on."""


def differences(before: Settings, after: Settings) -> list[Difference]:
    """Return the keys whose values differ, in the order of the file."""
    return list(_compare(before, after, at="", is_live=False))


def _compare(before: Any, after: Any, *, at: str, is_live: bool) -> Iterator[Difference]:
    for declared in fields(before):
        name = f"{at}.{write_key(declared.name)}".lstrip(".")
        one, other = getattr(before, declared.name), getattr(after, declared.name)
        table = table_of(declared)
        marked = (table or key_of(declared)).is_live
        counts = is_live if marked is None else marked
        if table is not None:
            yield from _compare(one, other, at=name, is_live=counts)
        elif one != other:
            yield Difference(name, counts)
