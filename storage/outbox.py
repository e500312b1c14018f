"""Replies on their way to other relays or to live subscribers."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from typing import Any

from nips.event import VerifiedEvent
from storage.database import Database
from storage.encryption import Vault, place
from storage.errors import DamagedValue, StorageKeyMissing
from storage.gift_wraps import insert_wrap
from storage.interface import HERE, OutboxRow, QueuedReply

log = logging.getLogger(__name__)

_DESTINATION = "outbox.destination"
_COLUMNS = "number, expires_at, attempts, next_attempt_at, content"


class SqliteOutbox:
    """What still has to go out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, replies: Sequence[QueuedReply]) -> Sequence[int]:
        """Queue replies and return their numbers, in their order."""
        vault = self._database.vault
        return await self._database.writer.run(
            lambda connection: tuple(enqueue(connection, vault, reply) for reply in replies)
        )

    async def waiting(self, *, destination: str, now: int, limit: int = 500) -> Sequence[OutboxRow]:
        """Return rows for a destination that have not expired, those due first."""
        return await self._rows(
            f"SELECT {_COLUMNS} FROM outbox"
            " WHERE destination = ? AND expires_at > ? ORDER BY next_attempt_at, number LIMIT ?",
            (self._database.vault.index.of(_DESTINATION, destination), now, limit),
        )

    async def waiting_for(self, recipient: str, *, now: int, after: int = 0, limit: int = 500) -> Sequence[OutboxRow]:
        """Return a recipient's rows for `HERE` that have not expired, in order of number, those above `after`."""
        vault = self._database.vault
        return await self._rows(
            f"SELECT {_COLUMNS} FROM outbox WHERE recipient = ? AND destination = ? AND number > ? AND expires_at > ?"
            " ORDER BY number LIMIT ?",
            (_recipient_index(vault, recipient), vault.index.of(_DESTINATION, HERE), after, now, limit),
        )

    async def last_number(self) -> int:
        """Return the highest number that a row has had so far."""
        row = await self._database.readers.row("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'", ())
        return row[0] if row else 0

    async def delivered(self, numbers: Sequence[int]) -> None:
        """Remove rows that reached their destination, or that it refused for good."""
        await self._database.writer.run(lambda connection: _remove(connection, numbers))

    async def keep_here(self, row: OutboxRow, wrap: VerifiedEvent) -> bool:
        """Remove a row and keep its wrap on our own relay, for the recipient and as long as the row would have.

        False, and nothing is kept, if the row is gone.
        """
        vault = self._database.vault
        return await self._database.writer.run(lambda connection: _keep_here(connection, vault, row, wrap))

    async def postpone(self, number: int, *, next_attempt_at: int) -> None:
        """Count a failed attempt and set the time of the next."""
        await self._database.writer.run(lambda connection: _postpone(connection, number, next_attempt_at))

    async def _rows(self, sql: str, parameters: Sequence[object]) -> Sequence[OutboxRow]:
        while True:
            rows = await self._database.readers.rows(sql, parameters)
            found, unreadable = _read(self._database.vault, rows)
            if not unreadable:
                return found
            # Kept, they would be met first each time. Their askers still get these answers by asking again.
            log.error("damaged answers removed", extra={"facts": {"numbers": unreadable}})
            await self.delivered(unreadable)


def enqueue(connection: sqlite3.Connection, vault: Vault, reply: QueuedReply) -> int:
    """Put a reply into the outbox and return its number."""
    # The number has to be known before its row is encrypted, so it is drawn here as AUTOINCREMENT would draw it.
    (number,) = connection.execute(
        "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0) + 1"
    ).fetchone()
    content = [reply.destination, reply.recipient, reply.wrap_kind, reply.payload_json]
    connection.execute(
        "INSERT INTO outbox (number, destination, recipient, next_attempt_at, expires_at, content)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            number,
            vault.index.of(_DESTINATION, reply.destination),
            _recipient_index(vault, reply.recipient),
            reply.next_attempt_at,
            reply.expires_at,
            vault.encrypt_json(place("outbox", "content", number), content),
        ),
    )
    return int(number)


def remove_all_for(connection: sqlite3.Connection, vault: Vault, recipient: str) -> None:
    """Remove all that waits for a recipient, whatever its destination."""
    connection.execute("DELETE FROM outbox WHERE recipient = ?", (_recipient_index(vault, recipient),))


def purge_outbox(connection: sqlite3.Connection, now: int, chunk: int) -> int:
    """Delete rows whose time is over, at most `chunk`; return how many."""
    return connection.execute(
        "DELETE FROM outbox WHERE number IN (SELECT number FROM outbox WHERE expires_at <= ? LIMIT ?)", (now, chunk)
    ).rowcount


def _recipient_index(vault: Vault, recipient: str) -> bytes:
    return vault.index.of("outbox.recipient", recipient)


def _remove(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    connection.executemany("DELETE FROM outbox WHERE number = ?", [(number,) for number in numbers])


def _keep_here(connection: sqlite3.Connection, vault: Vault, row: OutboxRow, wrap: VerifiedEvent) -> bool:
    # A row that was erased meanwhile, with its recipient's rights, must not come back as a wrap.
    if not connection.execute("DELETE FROM outbox WHERE number = ?", (row.number,)).rowcount:
        return False
    insert_wrap(connection, vault, wrap, recipient=row.recipient, expires_at=row.expires_at)
    return True


def _postpone(connection: sqlite3.Connection, number: int, next_attempt_at: int) -> None:
    connection.execute(
        "UPDATE outbox SET attempts = attempts + 1, next_attempt_at = ? WHERE number = ?", (next_attempt_at, number)
    )


def _read(vault: Vault, rows: Sequence[Sequence[Any]]) -> tuple[list[OutboxRow], list[int]]:
    """Return what can be read, and the numbers of what cannot."""
    found, unreadable = [], []
    for number, *columns in rows:
        try:
            found.append(_row(vault, number, *columns))
        except (DamagedValue, StorageKeyMissing):
            unreadable.append(number)
    return found, unreadable


def _row(vault: Vault, number: int, expires_at: int, attempts: int, next_attempt_at: int, stored: bytes) -> OutboxRow:
    destination, recipient, wrap_kind, payload = vault.decrypt_json(place("outbox", "content", number), stored)
    return OutboxRow(number, destination, recipient, wrap_kind, payload, expires_at, attempts, next_attempt_at)
