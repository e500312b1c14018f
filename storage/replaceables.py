"""Public replaceable and addressable events: the newest of each address (NIP-01). They are stored in clear."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from nips.event import Event, VerifiedEvent, parse_event
from nips.filter import Filter
from nips.kinds import is_addressable, is_replaceable
from nips.nip40 import expiration
from storage.database import Database
from storage.interface import Added, StoredEvent


class SqliteReplaceables:
    """Newest events by (author, kind, `d` tag)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, event: VerifiedEvent, *, max_events: int) -> Added:
        """Keep an event if it is the newest of its address; FULL past `max_events` addresses."""
        if not (is_replaceable(event.kind) or is_addressable(event.kind)):
            raise ValueError(f"kind {event.kind} is neither replaceable nor addressable")
        return await self._database.writer.run(lambda connection: _put(connection, event, max_events))

    async def query(self, wanted: Filter, *, now: int, limit: int) -> Sequence[StoredEvent]:
        """Return unexpired events that match, newest first, ties by lowest id."""
        limit = limit if wanted.limit is None else min(limit, wanted.limit)
        if limit <= 0:
            return ()
        condition, parameters = _condition(wanted, now)
        rows = await self._database.readers.for_clients.rows(
            f"SELECT id, created_at, event FROM replaceables WHERE {condition} ORDER BY created_at DESC, id LIMIT ?",
            (*parameters, limit),
        )
        return [StoredEvent(event_id.hex(), created_at, text) for event_id, created_at, text in rows]

    async def latest(self, pubkey: str, kind: int) -> Event | None:
        """Return an author's newest event of a kind, which may have expired."""
        row = await self._database.readers.row(
            "SELECT event FROM replaceables WHERE pubkey = ? AND kind = ? ORDER BY created_at DESC, id LIMIT 1",
            (bytes.fromhex(pubkey), kind),
        )
        return parse_event(json.loads(row[0])) if row else None


def purge_replaceables(connection: sqlite3.Connection, now: int, chunk: int) -> int:
    """Delete events whose NIP-40 time is over, at most `chunk`; return how many."""
    return connection.execute(
        "DELETE FROM replaceables WHERE number IN (SELECT number FROM replaceables WHERE expires_at <= ? LIMIT ?)",
        (now, chunk),
    ).rowcount


def _put(connection: sqlite3.Connection, event: VerifiedEvent, max_events: int) -> Added:
    # Only an addressable event's `d` tag is part of its address (NIP-01).
    d = (event.first_tag("d") or "") if is_addressable(event.kind) else ""
    address = (bytes.fromhex(event.pubkey), event.kind, d)
    row = connection.execute(
        "SELECT number, id, created_at FROM replaceables WHERE pubkey = ? AND kind = ? AND d = ?", address
    ).fetchone()
    if row is None:
        (amount,) = connection.execute("SELECT amount FROM counts WHERE name = 'replaceables'").fetchone()
        if amount >= max_events:
            return Added.FULL
    else:
        number, kept, created_at = row
        if kept.hex() == event.id:
            return Added.DUPLICATE
        # Of two events of the same second the one with the lowest id stays (NIP-01).
        if (created_at, event.id) > (event.created_at, kept.hex()):
            return Added.STALE
        connection.execute("DELETE FROM replaceables WHERE number = ?", (number,))
    _insert(connection, event, address)
    return Added.ADDED


def _insert(connection: sqlite3.Connection, event: VerifiedEvent, address: tuple[bytes, int, str]) -> None:
    number = connection.execute(
        "INSERT INTO replaceables (pubkey, kind, d, id, created_at, expires_at, event) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*address, bytes.fromhex(event.id), event.created_at, expiration(event), event.to_json()),
    ).lastrowid
    # Single-letter tags are what filters can name (NIP-01).
    tags = {(tag[0], tag[1]) for tag in event.tags if len(tag) > 1 and len(tag[0]) == 1}
    connection.executemany(
        "INSERT INTO replaceable_tags (letter, value, event) VALUES (?, ?, ?)",
        [(letter, value, number) for letter, value in tags],
    )


def _condition(wanted: Filter, now: int) -> tuple[str, list[object]]:
    """Return what a filter asks as SQL: all of it, since these events are in clear."""
    clauses = ["(expires_at IS NULL OR expires_at > ?)"]
    parameters: list[object] = [now]

    def require(clause: str, *values: object, first: tuple[object, ...] = ()) -> None:
        clauses.append(clause.format(", ".join("?" * len(values))))
        parameters.extend((*first, *values))

    if wanted.ids is not None:
        require("id IN ({})", *map(bytes.fromhex, wanted.ids))
    if wanted.authors is not None:
        require("pubkey IN ({})", *map(bytes.fromhex, wanted.authors))
    if wanted.kinds is not None:
        require("kind IN ({})", *wanted.kinds)
    for letter, values in wanted.tags.items():
        tagged = "number IN (SELECT event FROM replaceable_tags WHERE letter = ? AND value IN ({}))"
        require(tagged, *values, first=(letter,))
    if wanted.since is not None:
        require("created_at >= {}", wanted.since)
    if wanted.until is not None:
        require("created_at <= {}", wanted.until)
    return " AND ".join(clauses), parameters
