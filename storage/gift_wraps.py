"""Kind 1059 events kept for their recipients.

Ids and times of wraps are in clear: they are chosen by the sender for a one-time key and order the answers. Whom a wrap
is for is a blind index, and the event, whose `p` tag says it, is encrypted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from contextlib import aclosing

from nips.event import VerifiedEvent, parse_event
from nips.filter import Filter
from nips.kinds import GIFT_WRAP
from storage.database import Database
from storage.encryption import Vault, place
from storage.interface import Added, StoredEvent

_ORDER = "ORDER BY created_at DESC, id"


class SqliteGiftWraps:
    """Wraps and whom they are for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, wrap: VerifiedEvent, *, recipient: str, expires_at: int, quota: int) -> Added:
        """Keep a wrap for its recipient: ADDED, DUPLICATE, or FULL when the recipient has `quota` wraps already."""
        vault = self._database.vault
        return await self._database.writer.run(
            lambda connection: _add(connection, vault, wrap, recipient, expires_at, quota)
        )

    async def query(
        self, wanted: Filter, *, recipients: Collection[str], now: int, limit: int
    ) -> Sequence[StoredEvent]:
        """Return unexpired wraps of these recipients that match, newest first, ties by lowest id."""
        limit = limit if wanted.limit is None else min(limit, wanted.limit)
        asked = set(recipients) & wanted.tags.get("p", frozenset(recipients))
        if limit <= 0 or not asked or (wanted.kinds is not None and GIFT_WRAP not in wanted.kinds):
            return ()
        condition, parameters = _condition(self._database.vault, wanted, asked, now)
        if wanted.authors is None and not wanted.tags.keys() - {"p"}:
            return await self._page(condition, parameters, limit)
        return await self._matching(wanted, condition, parameters, limit)

    async def _page(self, condition: str, parameters: Sequence[object], limit: int) -> Sequence[StoredEvent]:
        # The inner query reads the index only, so no more rows are read than are returned.
        rows = await self._database.readers.rows(
            "SELECT id, created_at, event FROM gift_wraps WHERE number IN"
            f" (SELECT number FROM gift_wraps WHERE {condition} {_ORDER} LIMIT ?) {_ORDER}",
            (*parameters, limit),
        )
        return [
            StoredEvent(wrap_id.hex(), created_at, self._json(wrap_id, stored)) for wrap_id, created_at, stored in rows
        ]

    async def _matching(
        self, wanted: Filter, condition: str, parameters: Sequence[object], limit: int
    ) -> Sequence[StoredEvent]:
        found: list[StoredEvent] = []
        sql = f"SELECT id, created_at, event FROM gift_wraps WHERE {condition} {_ORDER}"
        async with aclosing(self._database.readers.stream(sql, parameters)) as rows:
            async for wrap_id, created_at, stored in rows:
                text = self._json(wrap_id, stored)
                if wanted.matches(parse_event(json.loads(text))):
                    found.append(StoredEvent(wrap_id.hex(), created_at, text))
                    if len(found) == limit:
                        break
        return found

    def _json(self, wrap_id: bytes, stored: bytes) -> str:
        return self._database.vault.ring.decrypt(place("gift_wraps", "event", wrap_id), stored).decode()


def insert_wrap(
    connection: sqlite3.Connection, vault: Vault, wrap: VerifiedEvent, *, recipient: str, expires_at: int
) -> None:
    """Keep a wrap, beyond any quota; one that is there already stays as it is."""
    wrap_id = bytes.fromhex(wrap.id)
    connection.execute(
        "INSERT INTO gift_wraps (id, recipient, created_at, expires_at, event) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO NOTHING",
        (
            wrap_id,
            _recipient_index(vault, recipient),
            wrap.created_at,
            expires_at,
            vault.ring.encrypt(place("gift_wraps", "event", wrap_id), wrap.to_json().encode()),
        ),
    )


def purge_wraps(connection: sqlite3.Connection, now: int, chunk: int) -> int:
    """Delete wraps whose time is over, at most `chunk`; return how many."""
    return connection.execute(
        "DELETE FROM gift_wraps WHERE number IN (SELECT number FROM gift_wraps WHERE expires_at <= ? LIMIT ?)",
        (now, chunk),
    ).rowcount


def _add(
    connection: sqlite3.Connection, vault: Vault, wrap: VerifiedEvent, recipient: str, expires_at: int, quota: int
) -> Added:
    is_known, kept = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM gift_wraps WHERE id = ?),"
        " (SELECT count(*) FROM (SELECT 1 FROM gift_wraps WHERE recipient = ? LIMIT ?))",
        (bytes.fromhex(wrap.id), _recipient_index(vault, recipient), quota),
    ).fetchone()
    if is_known:
        return Added.DUPLICATE
    if kept >= quota:
        return Added.FULL
    insert_wrap(connection, vault, wrap, recipient=recipient, expires_at=expires_at)
    return Added.ADDED


def _condition(vault: Vault, wanted: Filter, recipients: Iterable[str], now: int) -> tuple[str, list[object]]:
    """Return what SQL can decide about a filter: all but authors and tags, which are encrypted."""
    indexes = [_recipient_index(vault, recipient) for recipient in recipients]
    clauses = [f"recipient IN ({_marks(indexes)})", "expires_at > ?"]
    parameters: list[object] = [*indexes, now]
    if wanted.ids is not None:
        clauses.append(f"id IN ({_marks(wanted.ids)})")
        parameters += map(bytes.fromhex, wanted.ids)
    if wanted.since is not None:
        clauses.append("created_at >= ?")
        parameters.append(wanted.since)
    if wanted.until is not None:
        clauses.append("created_at <= ?")
        parameters.append(wanted.until)
    return " AND ".join(clauses), parameters


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))


def _recipient_index(vault: Vault, recipient: str) -> bytes:
    return vault.index.of("gift_wraps.recipient", recipient)
