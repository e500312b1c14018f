"""Events for everybody, stored in clear: the newest of each address (NIP-01), and requests to delete."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from nips.event import Event, VerifiedEvent, parse_event
from nips.filter import Filter
from nips.kinds import DELETION, VANISH
from nips.nip09 import address_of
from nips.nip40 import expiration
from storage.database import Database
from storage.encryption import Vault
from storage.relay_interface import Added, Position, Room, StoredEvent
from storage.space import Use
from storage.tombstones import IS_GONE, gone_parameters

_EVICTED_AT_ONCE = 100

_KEPT = "number, id, created_at FROM public_events"

# One statement for all that decides about an event which is here, outdated or deleted.
_LOOK_UP = f"""
SELECT {IS_GONE}, number, id, created_at
FROM (SELECT 1) LEFT JOIN public_events ON public_events.pubkey = ? AND kind = ? AND d = ?
"""


class Sort(IntEnum):
    """What has room of its own."""

    REPLACEABLE = 0
    DELETION = 1
    VANISH = 2


_SORTS = {DELETION: Sort.DELETION, VANISH: Sort.VANISH}
_COUNTS = {Sort.REPLACEABLE: "replaceables", Sort.DELETION: "requests", Sort.VANISH: "vanishes"}


class Kept(NamedTuple):
    """What is kept at an address."""

    number: int
    id: str
    created_at: int


class SqlitePublicEvents:
    """Newest events by (author, kind, `d` tag), and what was asked to be deleted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, event: VerifiedEvent, *, room: Room | None = None) -> Added:
        """Keep a replaceable or addressable event if it is the newest of its address and was not deleted.

        FULL when its author has no room left; when there is none in all, what came first goes.
        """
        if address_of(event) is None:
            raise ValueError(f"kind {event.kind} is neither replaceable nor addressable")
        vault = self._database.vault
        if room is None:
            return await self._database.writer.run(lambda connection: _put(connection, vault, event, room))
        return await self._database.keep(Use.OTHERS, lambda connection: _put(connection, vault, event, room))

    async def query(
        self, wanted: Filter, *, now: int, limit: int, after: Position | None = None
    ) -> Sequence[StoredEvent]:
        """Return unexpired events that match, newest first, ties by lowest id, those after a place."""
        limit = limit if wanted.limit is None else min(limit, wanted.limit)
        if limit <= 0:
            return ()
        condition, parameters = _condition(wanted, now, after)
        rows = await self._database.readers.for_clients.rows(
            f"SELECT id, created_at, event FROM public_events WHERE {condition} ORDER BY created_at DESC, id LIMIT ?",
            (*parameters, limit),
        )
        return [StoredEvent(event_id.hex(), created_at, text) for event_id, created_at, text in rows]

    async def count(self, filters: Sequence[Filter], *, now: int) -> int:
        """Count the unexpired events that match any of these filters; their limits do not count."""
        if not filters:
            return 0
        asked = [_condition(wanted, now, None) for wanted in filters]
        matching = " UNION ".join(f"SELECT number FROM public_events WHERE {condition}" for condition, _ in asked)
        parameters = [value for _, values in asked for value in values]
        rows = await self._database.readers.for_clients.rows(f"SELECT count(*) FROM ({matching})", parameters)
        return int(rows[0][0])

    async def latest(self, pubkey: str, kind: int) -> Event | None:
        """Return an author's newest event of a kind, which may have expired."""
        return await self._database.readers.run(lambda connection: read_latest(connection, pubkey, kind))


def read_latest(connection: sqlite3.Connection, pubkey: str, kind: int) -> Event | None:
    """Return an author's newest event of a kind, which may have expired."""
    row = connection.execute(
        "SELECT event FROM public_events WHERE pubkey = ? AND kind = ? ORDER BY created_at DESC, id LIMIT 1",
        (bytes.fromhex(pubkey), kind),
    ).fetchone()
    return parse_event(json.loads(row[0])) if row else None


def purge_public_events(connection: sqlite3.Connection, now: int, chunk: int) -> int:
    """Delete events whose NIP-40 time is over, at most `chunk`; return how many."""
    return connection.execute(
        "DELETE FROM public_events WHERE number IN (SELECT number FROM public_events WHERE expires_at <= ? LIMIT ?)",
        (now, chunk),
    ).rowcount


def delete_public_events_of(connection: sqlite3.Connection, pubkey: str) -> None:
    """Delete all of an author but requests to vanish, which say of themselves that everything else is gone."""
    connection.execute("DELETE FROM public_events WHERE pubkey = ? AND sort <> ?", (bytes.fromhex(pubkey), Sort.VANISH))


def kept_at(connection: sqlite3.Connection, event: Event) -> Kept | None:
    """Return what is kept at an event's address."""
    row = connection.execute(f"SELECT {_KEPT} WHERE pubkey = ? AND kind = ? AND d = ?", _address(event)).fetchone()
    return _kept(row) if row else None


def is_newer(event: Event, kept: Kept) -> bool:
    """Tell which of two versions stays; of the same second it is the one with the lowest id (NIP-01)."""
    return (-event.created_at, event.id) < (-kept.created_at, kept.id)


def make_room(connection: sqlite3.Connection, room: Room, sort: Sort) -> bool:
    """Delete what came first, if there is no room for one more of its sort; tell whether there is now.

    Requests that found nothing to erase go before those that did.
    """
    (amount,) = connection.execute("SELECT amount FROM counts WHERE name = ?", (_COUNTS[sort],)).fetchone()
    if amount < room.in_all:
        return True
    removed = connection.execute(
        "DELETE FROM public_events WHERE number IN (SELECT number FROM public_events"
        " WHERE sort = ? AND pubkey != ? ORDER BY found_nothing DESC, number LIMIT ?)",
        (sort, bytes.fromhex(room.spared), min(amount - room.in_all + 1, _EVICTED_AT_ONCE)),
    ).rowcount
    return room.in_all > 0 and removed > 0


def insert_public_event(connection: sqlite3.Connection, event: VerifiedEvent, *, found_nothing: bool = False) -> int:
    """Keep an event at an address that is free, and return its number; tell of a request if it erased nothing."""
    number = connection.execute(
        "INSERT INTO public_events (pubkey, kind, d, id, created_at, expires_at, sort, found_nothing, event)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
        (
            *_address(event),
            bytes.fromhex(event.id),
            event.created_at,
            expiration(event),
            _SORTS.get(event.kind, Sort.REPLACEABLE),
            found_nothing,
            event.to_json(),
        ),
    ).fetchone()[0]
    # Single-letter tags are what filters can name (NIP-01).
    tags = {(tag[0], tag[1]) for tag in event.tags if len(tag) > 1 and len(tag[0]) == 1}
    connection.executemany(
        "INSERT INTO public_tags (letter, value, event) VALUES (?, ?, ?)",
        [(letter, value, number) for letter, value in tags],
    )
    return int(number)


def _put(connection: sqlite3.Connection, vault: Vault, event: VerifiedEvent, room: Room | None) -> Added:
    is_gone, *found = connection.execute(_LOOK_UP, (*gone_parameters(vault, event), *_address(event))).fetchone()
    if is_gone:
        return Added.DELETED
    if found[0] is not None:
        kept = _kept(found)
        if kept.id == event.id:
            return Added.DUPLICATE
        if not is_newer(event, kept):
            return Added.STALE
        connection.execute("DELETE FROM public_events WHERE number = ?", (kept.number,))
    elif room is not None and not (
        _has_room_of_its_own(connection, event, room.per_key) and make_room(connection, room, Sort.REPLACEABLE)
    ):
        return Added.FULL
    insert_public_event(connection, event)
    return Added.ADDED


def _kept(row: Sequence[Any]) -> Kept:
    number, event_id, created_at = row
    return Kept(number, event_id.hex(), created_at)


def _has_room_of_its_own(connection: sqlite3.Connection, event: Event, most: int) -> bool:
    (kept,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM public_events WHERE pubkey = ? AND sort = 0 LIMIT ?)",
        (bytes.fromhex(event.pubkey), most),
    ).fetchone()
    return bool(kept < most)


def _address(event: Event) -> tuple[bytes, int, str]:
    address = address_of(event)
    # Of an author's requests to vanish the newest counts; a deletion request is never replaced.
    d = address.d if address is not None else event.id if event.kind == DELETION else ""
    return bytes.fromhex(event.pubkey), event.kind, d


def _condition(wanted: Filter, now: int, after: Position | None) -> tuple[str, list[object]]:
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
        # Left to itself SQLite reads all events of a kind in the order of their times to find those of one author; the
        # sign keeps it from that.
        is_narrow = wanted.ids is not None or wanted.authors is not None or wanted.tags
        require("+kind IN ({})" if is_narrow else "kind IN ({})", *wanted.kinds)
    for letter, values in wanted.tags.items():
        tagged = "number IN (SELECT event FROM public_tags WHERE letter = ? AND value IN ({}))"
        require(tagged, *values, first=(letter,))
    if wanted.since is not None:
        require("created_at >= {}", wanted.since)
    if wanted.until is not None:
        require("created_at <= {}", wanted.until)
    if after is not None:
        clauses.append("created_at <= ? AND (created_at < ? OR id > ?)")
        parameters += [after.created_at, after.created_at, bytes.fromhex(after.id)]
    return " AND ".join(clauses), parameters
