"""Values that must not show: planted on purpose, and looked for wherever a running bridge leaves traces."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from nips.keys import PublicKey
from nips.nip19 import encode_npub

FEWEST_BYTES = 12
"""What is shorter turns up by chance."""


@dataclass(frozen=True, slots=True)
class Plant:
    """One value in all forms in which it could show."""

    name: str
    forms: frozenset[bytes] = field(repr=False)


def planted_text(name: str, value: str) -> Plant:
    """Plant a text, such as a password."""
    forms = {quote(value, safe="").encode(), json.dumps(value)[1:-1].encode()}
    return Plant(name, frozenset(forms | set(_forms_of(value.encode()))))


def planted_bytes(name: str, value: bytes) -> Plant:
    """Plant bytes, such as a key."""
    return Plant(name, frozenset(_forms_of(value)))


def planted_key(name: str, value: PublicKey) -> Plant:
    """Plant a public key, which people also write as an npub."""
    return Plant(name, frozenset({encode_npub(value).encode(), *_forms_of(bytes.fromhex(value))}))


def found(plants: Sequence[Plant], places: Mapping[str, bytes]) -> list[str]:
    """Return which plants show where."""
    return [
        f"{plant.name} in {place}"
        for place, content in places.items()
        for plant in plants
        if any(form in content for form in plant.forms)
    ]


def files_below(folder: Path, *, without: Sequence[str] = ()) -> dict[str, bytes]:
    """Return what is in the files of a folder and those below, apart from some that are named."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and str(path.relative_to(folder)) not in without
    }


def processes(pids: Sequence[int]) -> dict[str, bytes]:
    """Return the command lines and environments of processes, as `ps` and its like show them."""
    return {
        f"{what} of {Path(f'/proc/{pid}/comm').read_text().strip()}": Path(f"/proc/{pid}/{what}").read_bytes()
        for pid in pids
        for what in ("cmdline", "environ")
    }


def _forms_of(value: bytes) -> Iterator[bytes]:
    if len(value) < FEWEST_BYTES:
        raise ValueError(f"plant {FEWEST_BYTES} bytes or more, or they turn up by chance")
    yield value
    yield value[::-1]
    yield value.hex().encode()
    yield value.hex().upper().encode()
    # Within a longer text, base64 shows the same bytes in three ways; the ends depend on what stands beside them.
    for shift in range(3):
        inner = base64.b64encode(bytes(shift) + value)[4 if shift else 0 : -4]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))
