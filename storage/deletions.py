"""Requests of keys to delete (NIP-09) and to vanish (NIP-62): what they remove, and what may not come back.

A request is a public event, kept and served as one. Its tombstones (`tombstones.py`) lie beside it, in clear like the
request, and go when it goes: by its expiration, or when there is no room. That a key vanished, and which ids it named
before, outlasts its older requests. Whoever names what is not theirs, or not here, changes nothing and hears the same
as everybody else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from nips.event import Event, VerifiedEvent
from nips.kinds import DELETION, VANISH
from nips.nip09 import Deletion
from storage.accounts import erase_account_of
from storage.database import Database
from storage.encryption import Vault
from storage.gift_wraps import delete_wraps, delete_wraps_until
from storage.public_events import Sort, insert_public_event, is_newer, kept_at, make_room
from storage.relay_interface import Added, Room, Vanishing, Withdrawal
from storage.space import Use
from storage.tombstones import (
    FOR_EVER,
    Tombstone,
    has_vanished,
    ids_of,
    put_tombstones,
    remember_vanished,
    target_of,
)


class SqliteDeletions:
    """Requests to delete, carried out in the transaction that keeps them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def delete(self, request: VerifiedEvent, named: Deletion, *, room: Room) -> Added:
        """Keep a deletion request, delete what it names, and let none of that come back.

        Only what its author wrote goes, and wraps for its author. Without room the oldest requests go, of the same
        author when that one has too many, else first those that found nothing here; what only they named may come back.
        """
        if request.kind != DELETION:
            raise ValueError(f"kind {request.kind} is no deletion request")
        vault = self._database.vault
        return await self._database.keep(
            Use.DELETION, lambda connection: _delete(connection, vault, request, named, room)
        )

    async def vanish(self, request: VerifiedEvent, *, room: Room, remembered: int) -> Vanishing:
        """Keep a request to vanish, and do the same to all that its author wrote and was sent until then.

        The account that its author was by then goes too, as if it had been deleted. Without room the oldest such
        requests go; of the keys that vanished, so many are remembered for longer.
        """
        if request.kind != VANISH:
            raise ValueError(f"kind {request.kind} is no request to vanish")
        vault, most = self._database.vault, self._database.limits.max_erased_keys
        return await self._database.keep(
            Use.DELETION, lambda connection: _vanish(connection, vault, request, room, remembered, most)
        )

    async def latest(self, *, limit: int) -> Sequence[Withdrawal]:
        """Return what was asked last, oldest first: so many ids, and so many keys that vanished."""
        return await self._database.readers.run(lambda connection: _latest(connection, limit))


def _delete(connection: sqlite3.Connection, vault: Vault, request: VerifiedEvent, named: Deletion, room: Room) -> Added:
    if kept_at(connection, request) is not None:
        return Added.DUPLICATE
    if has_vanished(connection, vault, request.pubkey, request.created_at):
        return Added.DELETED
    _forget_oldest(connection, request, room.per_key - 1)
    if not make_room(connection, room, Sort.DELETION):
        return Added.FULL
    ids = [bytes.fromhex(identity) for identity in named.ids]
    author, until = bytes.fromhex(request.pubkey), request.created_at
    # A request to delete a request has no effect (NIP-09, NIP-62).
    found = connection.executemany(
        "DELETE FROM public_events WHERE id = ? AND pubkey = ? AND sort = 0",
        [(identity, author) for identity in ids],
    ).rowcount
    found += connection.executemany(
        "DELETE FROM public_events WHERE pubkey = ? AND kind = ? AND d = ? AND created_at <= ?",
        [(author, address.kind, address.d, until) for address in named.addresses],
    ).rowcount
    found += delete_wraps(connection, vault, ids, key=request.pubkey, of_recipient=named.of_wraps)
    stones = [Tombstone(identity, FOR_EVER, named.of_wraps) for identity in ids]
    stones += [Tombstone(target_of(address), until, of_wraps=False) for address in named.addresses]
    put_tombstones(
        connection, request.pubkey, insert_public_event(connection, request, found_nothing=not found), stones
    )
    return Added.ADDED


def _vanish(
    connection: sqlite3.Connection,
    vault: Vault,
    request: VerifiedEvent,
    room: Room,
    remembered: int,
    remembered_keys: int,
) -> Vanishing:
    kept = kept_at(connection, request)
    if kept is not None and kept.id == request.id:
        return Vanishing(Added.DUPLICATE)
    if kept is not None and not is_newer(request, kept):
        return Vanishing(Added.STALE)
    if kept is None and not make_room(connection, room, Sort.VANISH):
        return Vanishing(Added.FULL)
    author, until = bytes.fromhex(request.pubkey), request.created_at
    # They go with the requests that are about to, and what they name may be stamped later than this one.
    ids = ids_of(connection, request.pubkey)
    gone = erase_account_of(connection, vault, request.pubkey, until=until, remembered=remembered_keys)
    found = connection.execute(
        "DELETE FROM public_events WHERE pubkey = ? AND created_at <= ? AND sort = 0", (author, until)
    ).rowcount
    found += delete_wraps_until(connection, vault, until, key=request.pubkey)
    connection.execute(
        "DELETE FROM public_events WHERE pubkey = ? AND (created_at <= ? OR kind = ?)", (author, until, VANISH)
    )
    found_nothing = remember_vanished(
        connection, request.pubkey, until, found_nothing=not (found or gone), most=remembered
    )
    put_tombstones(
        connection, request.pubkey, insert_public_event(connection, request, found_nothing=found_nothing), ids
    )
    return Vanishing(Added.ADDED, gone)


def _latest(connection: sqlite3.Connection, limit: int) -> Sequence[Withdrawal]:
    keys = connection.execute("SELECT pubkey, until FROM vanished ORDER BY number DESC LIMIT ?", (limit,)).fetchall()
    ids = connection.execute(
        "SELECT pubkey, target, of_wraps FROM deletions WHERE until = ? ORDER BY request DESC LIMIT ?",
        (FOR_EVER, limit),
    ).fetchall()
    return [
        *(Withdrawal(pubkey.hex(), "", until, of_wraps=True) for pubkey, until in reversed(keys)),
        *(
            Withdrawal(pubkey.hex(), target.hex(), FOR_EVER, bool(of_wraps))
            for pubkey, target, of_wraps in reversed(ids)
        ),
    ]


def _forget_oldest(connection: sqlite3.Connection, request: Event, keep: int) -> None:
    connection.execute(
        "DELETE FROM public_events WHERE number IN (SELECT number FROM public_events WHERE pubkey = ? AND kind = ?"
        " ORDER BY number DESC LIMIT -1 OFFSET ?)",
        (bytes.fromhex(request.pubkey), DELETION, keep),
    )
