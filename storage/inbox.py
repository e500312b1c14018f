"""Wraps addressed to the bridge, from acceptance until they are answered or dropped.

A wrap counts once for each link that brings it. Anybody can copy a wrap from the relay on which it was published to
another; if the copy made the original a duplicate, the asker would wait where nobody answers.

That a wrap got no answer is remembered in memory alone, and of so many: anybody can send any number that do not open,
and one that comes again gets none either.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Sequence

from storage.database import Database
from storage.encryption import Vault, place
from storage.errors import DamagedValue, StorageKeyMissing
from storage.hours import hour_after, hour_of
from storage.interface import Added, InboxEntry, InboxId, Unreadable
from storage.space import Use


class SqliteInbox:
    """The inbox, and which wraps were ever in it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dropped: OrderedDict[InboxId, None] = OrderedDict()

    async def add(self, entry: InboxEntry, *, seen_until: int, max_waiting: int) -> Added:
        """Keep a wrap and remember until `seen_until` that it came by its link.

        ADDED, DUPLICATE if it came by the same link before, or FULL past `max_waiting` entries.
        """
        if entry.id in self._dropped:
            return Added.DUPLICATE
        vault = self._database.vault
        return await self._database.keep(
            Use.REQUEST, lambda connection: _add(connection, vault, entry, seen_until, max_waiting)
        )

    async def waiting(self, *, after: int = 0, limit: int = 500) -> Sequence[tuple[int, InboxEntry | Unreadable]]:
        """Return entries in order of arrival as (number, entry), those numbered above `after`."""
        rows = await self._database.readers.rows(
            "SELECT number, arrival, entry FROM inbox WHERE number > ? ORDER BY number LIMIT ?", (after, limit)
        )
        return [(number, _entry(self._database.vault, arrival, stored)) for number, arrival, stored in rows]

    async def drop(self, ids: Sequence[InboxId]) -> bool:
        """Let wraps go that get no answer, remembering that they came; False if all of them came before."""
        vault, new = self._database.vault, [identity for identity in ids if identity not in self._dropped]
        if not new:
            return False
        dropped = await self._database.writer.run(lambda connection: _drop(connection, vault, new))
        self._dropped |= dict.fromkeys(new)
        while len(self._dropped) > self._database.limits.max_dropped:
            self._dropped.popitem(last=False)
        return dropped > 0

    async def settle(self, ids: Sequence[InboxId], *, seen_until: int) -> None:
        """Remember until a time that wraps came and are done with, now that their answers were delivered."""
        vault = self._database.vault
        await self._database.writer.run(lambda connection: take_wraps(connection, vault, ids, seen_until, _has_room))

    async def discard(self, number: int) -> None:
        """Let an entry go that cannot be read."""
        await self._database.writer.run(
            lambda connection: connection.execute("DELETE FROM inbox WHERE number = ?", (number,))
        )


def is_done_with(connection: sqlite3.Connection, vault: Vault, identity: InboxId) -> bool:
    """Tell whether a wrap came before and does not wait any more."""
    arrival = _arrival(vault, identity)
    (done,) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM seen WHERE arrival = ?) AND NOT EXISTS (SELECT 1 FROM inbox WHERE arrival = ?)",
        (arrival, arrival),
    ).fetchone()
    return bool(done)


def take_wraps(
    connection: sqlite3.Connection,
    vault: Vault,
    ids: Sequence[InboxId],
    seen_until: int,
    require_room: Callable[[], None],
) -> int:
    """Take wraps out of the inbox, or remember that they came where they never were in it.

    Return how many there were to take; the others came before and were done with. `require_room` is called if none
    was in the inbox, where there had to be room for it.
    """
    waited = taken = 0
    for identity in ids:
        arrival = _arrival(vault, identity)
        if connection.execute("DELETE FROM inbox WHERE arrival = ?", (arrival,)).rowcount:
            waited += 1
        else:
            taken += connection.execute(
                "INSERT INTO seen (arrival, until_hour) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (arrival, hour_after(seen_until)),
            ).rowcount
    if taken and not waited:
        require_room()
    return waited + taken


def _has_room() -> None:
    """Ask for none: that was done when the answer was recorded."""


def purge_seen(connection: sqlite3.Connection, now: int, chunk: int) -> int:
    """Forget wraps whose time is over, at most `chunk`; return how many."""
    return connection.execute(
        "DELETE FROM seen WHERE arrival IN (SELECT arrival FROM seen WHERE until_hour <= ? LIMIT ?)",
        (hour_of(now), chunk),
    ).rowcount


def _add(connection: sqlite3.Connection, vault: Vault, entry: InboxEntry, seen_until: int, max_waiting: int) -> Added:
    arrival = _arrival(vault, entry.id)
    # A wrap may wait for longer than it is remembered, hence both tables.
    is_known, waiting = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM seen WHERE arrival = ?) OR EXISTS (SELECT 1 FROM inbox WHERE arrival = ?),"
        " (SELECT amount FROM counts WHERE name = 'inbox')",
        (arrival, arrival),
    ).fetchone()
    if is_known:
        return Added.DUPLICATE
    if waiting >= max_waiting:
        return Added.FULL
    content = [entry.wrap_id, entry.link, entry.received_at, entry.wrap_json]
    stored = vault.encrypt_json(place("inbox", "entry", arrival), content)
    connection.execute("INSERT INTO seen (arrival, until_hour) VALUES (?, ?)", (arrival, hour_after(seen_until)))
    connection.execute("INSERT INTO inbox (arrival, entry) VALUES (?, ?)", (arrival, stored))
    return Added.ADDED


def _drop(connection: sqlite3.Connection, vault: Vault, ids: Sequence[InboxId]) -> int:
    dropped = 0
    for identity in ids:
        arrival = (_arrival(vault, identity),)
        waited = connection.execute("DELETE FROM inbox WHERE arrival = ?", arrival).rowcount
        seen = connection.execute("SELECT 1 FROM seen WHERE arrival = ?", arrival).fetchone() is not None
        if waited:
            connection.execute("DELETE FROM seen WHERE arrival = ?", arrival)
        dropped += bool(waited) or not seen
    return dropped


def _entry(vault: Vault, arrival: bytes, stored: bytes) -> InboxEntry | Unreadable:
    try:
        wrap_id, link, received_at, wrap_json = vault.decrypt_json(place("inbox", "entry", arrival), stored)
    except (DamagedValue, StorageKeyMissing) as reason:
        return Unreadable(reason)
    return InboxEntry(wrap_id, link, received_at, wrap_json)


def _arrival(vault: Vault, identity: InboxId) -> bytes:
    # Of both together: alone, the few links there are would show which wraps came by the same one.
    return vault.index.of("inbox.arrival", identity.wrap_id, identity.link)
