"""Wraps addressed to the bridge, from acceptance until they are answered or dropped."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from storage.database import Database
from storage.encryption import Vault, place
from storage.hours import hour_after, hour_of
from storage.interface import Added, InboxEntry


class SqliteInbox:
    """The inbox, and the ids of wraps that were ever in it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entry: InboxEntry, *, seen_until: int, max_waiting: int) -> Added:
        """Keep a wrap and remember its id until `seen_until`: ADDED, DUPLICATE, or FULL past `max_waiting` entries."""
        vault = self._database.vault
        return await self._database.writer.run(
            lambda connection: _add(connection, vault, entry, seen_until, max_waiting)
        )

    async def waiting(self, *, after: int = 0, limit: int = 500) -> Sequence[tuple[int, InboxEntry]]:
        """Return entries in order of arrival as (number, entry), those numbered above `after`."""
        rows = await self._database.readers.rows(
            "SELECT number, wrap_id, entry FROM inbox WHERE number > ? ORDER BY number LIMIT ?", (after, limit)
        )
        return [(number, _entry(self._database.vault, wrap_id, stored)) for number, wrap_id, stored in rows]

    async def drop(self, wrap_ids: Sequence[str]) -> None:
        """Let wraps go that get no answer; their ids stay remembered."""
        await self._database.writer.run(lambda connection: remove_wraps(connection, wrap_ids))


def remove_wraps(connection: sqlite3.Connection, wrap_ids: Sequence[str]) -> None:
    """Take wraps out of the inbox."""
    connection.executemany("DELETE FROM inbox WHERE wrap_id = ?", [(bytes.fromhex(wrap_id),) for wrap_id in wrap_ids])


def purge_seen(connection: sqlite3.Connection, now: int, chunk: int) -> int:
    """Forget ids of wraps whose time is over, at most `chunk`; return how many."""
    return connection.execute(
        "DELETE FROM seen WHERE wrap_id IN (SELECT wrap_id FROM seen WHERE until_hour <= ? LIMIT ?)",
        (hour_of(now), chunk),
    ).rowcount


def _add(connection: sqlite3.Connection, vault: Vault, entry: InboxEntry, seen_until: int, max_waiting: int) -> Added:
    wrap_id = bytes.fromhex(entry.wrap_id)
    # A wrap may wait for longer than its id is remembered, hence both tables.
    is_known, waiting = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM seen WHERE wrap_id = ?1) OR EXISTS (SELECT 1 FROM inbox WHERE wrap_id = ?1),"
        " (SELECT amount FROM counts WHERE name = 'inbox')",
        (wrap_id,),
    ).fetchone()
    if is_known:
        return Added.DUPLICATE
    if waiting >= max_waiting:
        return Added.FULL
    stored = vault.encrypt_json(place("inbox", "entry", wrap_id), [entry.link, entry.received_at, entry.wrap_json])
    connection.execute("INSERT INTO seen (wrap_id, until_hour) VALUES (?, ?)", (wrap_id, hour_after(seen_until)))
    connection.execute("INSERT INTO inbox (wrap_id, entry) VALUES (?, ?)", (wrap_id, stored))
    return Added.ADDED


def _entry(vault: Vault, wrap_id: bytes, stored: bytes) -> InboxEntry:
    link, received_at, wrap_json = vault.decrypt_json(place("inbox", "entry", wrap_id), stored)
    return InboxEntry(wrap_id.hex(), link, received_at, wrap_json)
