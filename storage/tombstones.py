"""What may not come back: the one look-up that every event goes through before it is kept.

A row says that a key wants an event gone, by the event's id, by its address up to a time, or because all that is theirs
up to a time shall go. It counts for what that key wrote and, where it is meant for wraps, for what it was sent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from nips.event import Event
from nips.nip09 import Address, address_of

EVERYTHING: Final = b""
"""Target of a row that stands for all that is a key's."""

FOR_EVER: Final = 2**63 - 1

# As a join with rows of its own, because SQLite takes longer to make sets of what stands after IN.
IS_GONE: Final = """EXISTS (
    SELECT 1 FROM (VALUES (?, ?), (?, ?), (?, ?), (?, ?)) AS wish
    CROSS JOIN deletions ON pubkey = wish.column1 AND target = wish.column2
    WHERE until >= ? AND (of_wraps OR pubkey = ?)
)"""
"""Condition with the parameters that `gone_parameters` returns."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """One thing that a request names."""

    target: bytes
    until: int
    """Versions up to this time are meant."""
    of_wraps: bool


def gone_parameters(event: Event, *, recipient: str | None = None) -> tuple[bytes | int, ...]:
    """Return what `IS_GONE` needs to know about an event, and about whom it is for if it is a wrap."""
    author, identity = bytes.fromhex(event.pubkey), bytes.fromhex(event.id)
    wishes = (author, identity, author, EVERYTHING)
    if recipient is not None:
        other = bytes.fromhex(recipient)
        return *wishes, other, identity, other, EVERYTHING, event.created_at, author
    address = address_of(event)
    versions = identity if address is None else target_of(address)
    return *wishes, author, versions, author, versions, event.created_at, author


def target_of(address: Address) -> bytes:
    """Return what stands for an address of the key beside it."""
    return sha256(f"{address.kind}:{address.d}".encode()).digest()


def put_tombstones(connection: sqlite3.Connection, pubkey: str, request: int, tombstones: Iterable[Tombstone]) -> None:
    """Keep what a request names for as long as the request."""
    key = bytes.fromhex(pubkey)
    connection.executemany(
        "INSERT OR IGNORE INTO deletions (pubkey, target, request, until, of_wraps) VALUES (?, ?, ?, ?, ?)",
        [(key, stone.target, request, stone.until, stone.of_wraps) for stone in tombstones],
    )
