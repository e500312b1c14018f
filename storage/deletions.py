"""Requests of keys to delete (NIP-09) and to vanish (NIP-62): what they remove, and what may not come back.

A request is a public event, kept and served as one. Its tombstones (`tombstones.py`) lie beside it, in clear like the
request, and go when it goes: by its expiration, by vanishing, or when there is no room. Whoever names what is not
theirs, or not here, changes nothing and hears the same as everybody else.
"""

from __future__ import annotations

import sqlite3

from nips.event import Event, VerifiedEvent
from nips.kinds import DELETION, VANISH
from nips.nip09 import Deletion
from storage.database import Database
from storage.encryption import Vault
from storage.gift_wraps import delete_wraps, delete_wraps_until
from storage.public_events import insert_public_event, is_newer, kept_at, make_room
from storage.relay_interface import Added, Room
from storage.space import Use
from storage.tombstones import EVERYTHING, FOR_EVER, Tombstone, put_tombstones, target_of


class SqliteDeletions:
    """Requests to delete, carried out in the transaction that keeps them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def delete(self, request: VerifiedEvent, named: Deletion, *, room: Room) -> Added:
        """Keep a deletion request, delete what it names, and let none of that come back.

        Only what its author wrote goes, and wraps for its author. Without room the oldest requests go, of the same
        author when that one has too many; what only they named may then come back.
        """
        if request.kind != DELETION:
            raise ValueError(f"kind {request.kind} is no deletion request")
        vault = self._database.vault
        return await self._database.keep(
            Use.DELETION, lambda connection: _delete(connection, vault, request, named, room)
        )

    async def vanish(self, request: VerifiedEvent, *, room: Room) -> Added:
        """Keep a request to vanish, and do the same to all that its author wrote and was sent until then."""
        if request.kind != VANISH:
            raise ValueError(f"kind {request.kind} is no request to vanish")
        vault = self._database.vault
        return await self._database.keep(Use.DELETION, lambda connection: _vanish(connection, vault, request, room))


def _delete(connection: sqlite3.Connection, vault: Vault, request: VerifiedEvent, named: Deletion, room: Room) -> Added:
    if kept_at(connection, request) is not None:
        return Added.DUPLICATE
    if _has_vanished(connection, request):
        return Added.DELETED
    _forget_oldest(connection, request, room.per_key - 1)
    if not make_room(connection, room, is_request=True):
        return Added.FULL
    ids = [bytes.fromhex(identity) for identity in named.ids]
    until = request.created_at
    stones = [Tombstone(identity, FOR_EVER, named.of_wraps) for identity in ids]
    stones += [Tombstone(target_of(address), until, of_wraps=False) for address in named.addresses]
    put_tombstones(connection, request.pubkey, insert_public_event(connection, request), stones)
    author = bytes.fromhex(request.pubkey)
    # A request to delete a request has no effect (NIP-09, NIP-62).
    connection.executemany(
        "DELETE FROM public_events WHERE id = ? AND pubkey = ? AND NOT is_request",
        [(identity, author) for identity in ids],
    )
    connection.executemany(
        "DELETE FROM public_events WHERE pubkey = ? AND kind = ? AND d = ? AND created_at <= ?",
        [(author, address.kind, address.d, until) for address in named.addresses],
    )
    delete_wraps(connection, vault, ids, key=request.pubkey, of_recipient=named.of_wraps)
    return Added.ADDED


def _vanish(connection: sqlite3.Connection, vault: Vault, request: VerifiedEvent, room: Room) -> Added:
    kept = kept_at(connection, request)
    if kept is not None and kept.id == request.id:
        return Added.DUPLICATE
    if kept is not None and not is_newer(request, kept):
        return Added.STALE
    if kept is None and not make_room(connection, room, is_request=True):
        return Added.FULL
    connection.execute(
        "DELETE FROM public_events WHERE pubkey = ? AND (created_at <= ? OR kind = ?)",
        (bytes.fromhex(request.pubkey), request.created_at, VANISH),
    )
    delete_wraps_until(connection, vault, request.created_at, key=request.pubkey)
    all_of_it = Tombstone(EVERYTHING, request.created_at, of_wraps=True)
    put_tombstones(connection, request.pubkey, insert_public_event(connection, request), [all_of_it])
    return Added.ADDED


def _has_vanished(connection: sqlite3.Connection, request: Event) -> bool:
    row = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM deletions WHERE pubkey = ? AND target = ? AND until >= ?)",
        (bytes.fromhex(request.pubkey), EVERYTHING, request.created_at),
    ).fetchone()
    return bool(row[0])


def _forget_oldest(connection: sqlite3.Connection, request: Event, keep: int) -> None:
    connection.execute(
        "DELETE FROM public_events WHERE number IN (SELECT number FROM public_events WHERE pubkey = ? AND kind = ?"
        " ORDER BY number DESC LIMIT -1 OFFSET ?)",
        (bytes.fromhex(request.pubkey), DELETION, keep),
    )
