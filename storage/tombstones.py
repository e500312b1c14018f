"""What may not come back: the one look-up that every event goes through before it is kept.

A row says that a key wants an event gone, by the event's id or by its address up to a time: that counts for what that
key wrote and, where it is meant for wraps, for what it was sent. Or it says that all that is theirs up to a time shall
go. The first lies with its request, and goes with it; who vanished is remembered for longer than the request is served,
and whose account was deleted, by a keyed hash (`key_numbers.py`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from nips.event import Event
from nips.nip09 import Address, address_of
from storage.encryption import Vault
from storage.key_numbers import number_of

FOR_EVER: Final = 2**63 - 1

# As joins with rows of their own, because SQLite takes longer to make sets of what stands after IN.
IS_GONE: Final = """(EXISTS (
    SELECT 1 FROM (VALUES (?, ?), (?, ?)) AS wish
    CROSS JOIN deletions ON pubkey = wish.column1 AND target = wish.column2
    WHERE until >= ? AND (of_wraps OR pubkey = ?)
) OR EXISTS (
    SELECT 1 FROM (VALUES (?), (?)) AS who CROSS JOIN vanished ON pubkey = who.column1 WHERE until >= ?
) OR EXISTS (
    SELECT 1 FROM (VALUES (?), (?)) AS who CROSS JOIN erased_keys ON key = who.column1 WHERE until >= ?
))"""
"""Condition with the parameters that `gone_parameters` returns."""


TAKEN_OVER: Final = 500
"""Ids that a request to vanish takes over, so that no key takes more room by vanishing than by asking for more."""

_FORGOTTEN_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class Tombstone:
    """One thing that a request names."""

    target: bytes
    until: int
    """Versions up to this time are meant."""
    of_wraps: bool


def gone_parameters(vault: Vault, event: Event, *, recipient: str | None = None) -> tuple[bytes | int, ...]:
    """Return what `IS_GONE` needs to know about an event, and about whom it is for if it is a wrap."""
    author, identity = bytes.fromhex(event.pubkey), bytes.fromhex(event.id)
    if recipient is not None:
        other, named = bytes.fromhex(recipient), identity
    else:
        address = address_of(event)
        other, named = author, identity if address is None else target_of(address)
    time = event.created_at
    keys = number_of(vault, event.pubkey), number_of(vault, recipient or event.pubkey)
    return author, identity, other, named, time, author, author, other, time, *keys, time


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


def ids_of(connection: sqlite3.Connection, pubkey: str) -> Sequence[Tombstone]:
    """Return what a key named by id, so that a request to vanish can take it over; the newest, if that is too much."""
    rows = connection.execute(
        "SELECT target, max(of_wraps) FROM deletions WHERE pubkey = ? AND until = ?"
        " GROUP BY target ORDER BY max(request) DESC LIMIT ?",
        (bytes.fromhex(pubkey), FOR_EVER, TAKEN_OVER),
    )
    return [Tombstone(target, FOR_EVER, bool(of_wraps)) for target, of_wraps in rows]


def has_vanished(connection: sqlite3.Connection, vault: Vault, pubkey: str, created_at: int) -> bool:
    """Tell whether all of a key's is gone up to a time."""
    row = connection.execute(
        "SELECT 1 FROM vanished WHERE pubkey = ? AND until >= ? UNION ALL"
        " SELECT 1 FROM erased_keys WHERE key = ? AND until >= ?",
        (bytes.fromhex(pubkey), created_at, number_of(vault, pubkey), created_at),
    ).fetchone()
    return row is not None


def remember_vanished(
    connection: sqlite3.Connection, pubkey: str, until: int, *, found_nothing: bool, most: int
) -> bool:
    """Remember a key that vanished, as the youngest; of more than `most` those go first that had nothing here.

    Return whether it had nothing here each time that it asked.
    """
    key = bytes.fromhex(pubkey)
    before = connection.execute(
        "DELETE FROM vanished WHERE pubkey = ? RETURNING until, found_nothing", (key,)
    ).fetchone() or (until, True)
    (amount,) = connection.execute("SELECT amount FROM counts WHERE name = 'vanished'").fetchone()
    if amount >= most:
        connection.execute(
            "DELETE FROM vanished WHERE number IN"
            " (SELECT number FROM vanished ORDER BY found_nothing DESC, number LIMIT ?)",
            (min(amount - most + 1, _FORGOTTEN_AT_ONCE),),
        )
    connection.execute(
        "INSERT INTO vanished (pubkey, until, found_nothing) VALUES (?, ?, ?)",
        (key, max(until, before[0]), found_nothing and before[1]),
    )
    return found_nothing and bool(before[1])
