"""Replies on their way to other relays or to live subscribers."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from storage.database import Database
from storage.encryption import Vault, place
from storage.interface import OutboxRow, QueuedReply

_DESTINATION = "outbox.destination"


class SqliteOutbox:
    """What still has to go out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting(self, *, destination: str, now: int, limit: int = 500) -> Sequence[OutboxRow]:
        """Return rows for a destination that have not expired, those due first."""
        vault = self._database.vault
        rows = await self._database.readers.rows(
            "SELECT number, expires_at, attempts, next_attempt_at, content FROM outbox"
            " WHERE destination = ? AND expires_at > ? ORDER BY next_attempt_at, number LIMIT ?",
            (vault.index.of(_DESTINATION, destination), now, limit),
        )
        return [_row(vault, *columns) for columns in rows]

    async def delivered(self, numbers: Sequence[int]) -> None:
        """Remove rows that reached their destination, or that it refused for good."""
        await self._database.writer.run(lambda connection: _remove(connection, numbers))

    async def postpone(self, number: int, *, next_attempt_at: int) -> None:
        """Count a failed attempt and set the time of the next."""
        await self._database.writer.run(lambda connection: _postpone(connection, number, next_attempt_at))


def enqueue(connection: sqlite3.Connection, vault: Vault, reply: QueuedReply) -> int:
    """Put a reply into the outbox and return its number."""
    # The number has to be known before its row is encrypted, so it is drawn here as AUTOINCREMENT would draw it.
    (number,) = connection.execute(
        "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0) + 1"
    ).fetchone()
    content = [reply.destination, reply.recipient, reply.wrap_kind, reply.payload_json]
    connection.execute(
        "INSERT INTO outbox (number, destination, next_attempt_at, expires_at, content) VALUES (?, ?, ?, ?, ?)",
        (
            number,
            vault.index.of(_DESTINATION, reply.destination),
            reply.next_attempt_at,
            reply.expires_at,
            vault.encrypt_json(place("outbox", "content", number), content),
        ),
    )
    return int(number)


def purge_outbox(connection: sqlite3.Connection, now: int, chunk: int) -> int:
    """Delete rows whose time is over, at most `chunk`; return how many."""
    return connection.execute(
        "DELETE FROM outbox WHERE number IN (SELECT number FROM outbox WHERE expires_at <= ? LIMIT ?)", (now, chunk)
    ).rowcount


def _remove(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    connection.executemany("DELETE FROM outbox WHERE number = ?", [(number,) for number in numbers])


def _postpone(connection: sqlite3.Connection, number: int, next_attempt_at: int) -> None:
    connection.execute(
        "UPDATE outbox SET attempts = attempts + 1, next_attempt_at = ? WHERE number = ?", (next_attempt_at, number)
    )


def _row(vault: Vault, number: int, expires_at: int, attempts: int, next_attempt_at: int, stored: bytes) -> OutboxRow:
    destination, recipient, wrap_kind, payload = vault.decrypt_json(place("outbox", "content", number), stored)
    return OutboxRow(number, destination, recipient, wrap_kind, payload, expires_at, attempts, next_attempt_at)
