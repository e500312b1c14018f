"""Public events: the newest of each address, and their bounds."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nips.event import VerifiedEvent, parse_event
from nips.filter import Filter
from nips.kinds import CONTACTS, HANDLER, INBOX_RELAYS, PROFILE
from nips.strict_json import parse
from storage.database import Database
from storage.encryption import KeyRing
from storage.errors import ReadTooLarge
from storage.public_events import SqlitePublicEvents
from storage.relay_interface import Added, Position, Room
from storage.sqlite import SqliteStorage, open_storage
from tests.storage.builders import NOW, a_hex, a_secret, an_event
from tests.storage.filters import expected, filters

EVENTS = [
    an_event(author=author, kind=kind, created_at=NOW + (author * kind) % 3, tags=tags)
    for author in range(3)
    for kind, tags in [
        (PROFILE, ()),
        (10002, [("r", "wss://one.example"), ("r", "wss://one.example"), ("r", "wss://two.example"), ("r",)]),
        (INBOX_RELAYS, [("relay", "wss://one.example")]),
        (HANDLER, [("d", "first"), ("k", "24390")]),
        (HANDLER, [("d", "second"), ("k", "24390"), ("k", "24391")]),
    ]
]


async def put(storage: SqliteStorage, event: VerifiedEvent, *, room: Room | None = None) -> Added:
    """Offer an event."""
    return await storage.public_events.put(event, room=room)


async def ids(storage: SqliteStorage, wanted: Filter, *, now: int = NOW, limit: int = 100) -> Sequence[str]:
    """Return the ids that a query answers with."""
    return [event.id for event in await storage.public_events.query(wanted, now=now, limit=limit)]


@pytest.fixture
async def full_storage(path: Path, key_ring: KeyRing) -> AsyncIterator[SqliteStorage]:
    """Open a storage that holds `EVENTS`."""
    storage = await open_storage(path, key_ring)
    for event in EVENTS:
        assert await put(storage, event) is Added.ADDED
    yield storage
    await storage.close()


@pytest.mark.parametrize("kind", [PROFILE, CONTACTS, 10000, INBOX_RELAYS, 19999])
async def test_newest_of_author_and_kind_stays(storage: SqliteStorage, kind: int) -> None:
    old, new = an_event(0, kind=kind), an_event(1, kind=kind, created_at=NOW + 1)
    assert await put(storage, old) is Added.ADDED
    assert await put(storage, old) is Added.DUPLICATE
    assert await put(storage, new) is Added.ADDED
    assert await put(storage, old) is Added.STALE
    assert await put(storage, new) is Added.DUPLICATE
    (found,) = await storage.public_events.query(Filter(), now=NOW, limit=10)
    assert parse_event(parse(found.json, max_bytes=10_000)).id == new.id == found.id


@pytest.mark.parametrize("kind", [1, 1059, 9999, 20000, 21059, 29999, 40000])
async def test_other_kinds_are_no_business_of_it(storage: SqliteStorage, kind: int) -> None:
    with pytest.raises(ValueError, match=f"kind {kind}"):
        await put(storage, an_event(kind=kind))


async def test_lowest_id_wins_in_the_same_second(storage: SqliteStorage) -> None:
    events = sorted((an_event(number, kind=PROFILE) for number in range(3)), key=lambda event: event.id)
    assert await put(storage, events[1]) is Added.ADDED
    assert await put(storage, events[2]) is Added.STALE
    assert await put(storage, events[0]) is Added.ADDED
    assert await ids(storage, Filter()) == [events[0].id]


@pytest.mark.parametrize("kind", [30000, HANDLER, 39999])
async def test_each_d_tag_is_an_address_of_its_own(storage: SqliteStorage, kind: int) -> None:
    for d, created_at in [("a", NOW), ("b", NOW - 1), ("", NOW - 2)]:
        assert await put(storage, an_event(kind=kind, tags=[("d", d)], created_at=created_at)) is Added.ADDED
    assert await put(storage, an_event(kind=kind, created_at=NOW - 3)) is Added.STALE
    assert await put(storage, an_event(kind=kind, tags=[("d",)], created_at=NOW - 3)) is Added.STALE
    assert await put(storage, an_event(kind=kind, tags=[("d", "a"), ("d", "b")], created_at=NOW + 1)) is Added.ADDED
    assert len(await ids(storage, Filter())) == 3


async def test_d_tag_of_a_replaceable_event_means_nothing(storage: SqliteStorage) -> None:
    await put(storage, an_event(0, kind=PROFILE, tags=[("d", "a")]))
    assert await put(storage, an_event(1, kind=PROFILE, tags=[("d", "b")], created_at=NOW + 1)) is Added.ADDED
    assert len(await ids(storage, Filter())) == 1


async def test_authors_do_not_replace_each_other(storage: SqliteStorage) -> None:
    for author in range(3):
        assert await put(storage, an_event(author=author, kind=PROFILE)) is Added.ADDED
    assert len(await ids(storage, Filter())) == 3


async def test_without_room_in_all_what_came_first_goes(storage: SqliteStorage) -> None:
    room = Room(in_all=3, per_key=10)
    first, second, third, fourth = (
        an_event(author=author, kind=PROFILE, created_at=NOW - author) for author in range(4)
    )
    for event in (first, second, third):
        assert await put(storage, event, room=room) is Added.ADDED
    newer = an_event(author=0, kind=PROFILE, created_at=NOW + 1)
    assert await put(storage, newer, room=room) is Added.ADDED
    assert set(await ids(storage, Filter())) == {newer.id, second.id, third.id}
    assert await put(storage, fourth, room=room) is Added.ADDED
    # The first author came again, so it is the second one's turn to go.
    assert set(await ids(storage, Filter())) == {newer.id, third.id, fourth.id}
    assert await put(storage, second, room=room) is Added.ADDED


async def test_smaller_room_is_reached_by_and_by(storage: SqliteStorage) -> None:
    for author in range(8):
        await put(storage, an_event(author=author, kind=PROFILE))
    assert await put(storage, an_event(author=9, kind=PROFILE), room=Room(in_all=2, per_key=10)) is Added.ADDED
    assert len(await ids(storage, Filter())) == 2


async def test_spared_author_makes_room_for_nobody(storage: SqliteStorage) -> None:
    ours = an_event(author=0, kind=PROFILE)
    await put(storage, ours)
    room = Room(in_all=2, per_key=10, spared=ours.pubkey)
    for author in range(1, 5):
        assert await put(storage, an_event(author=author, kind=PROFILE), room=room) is Added.ADDED
    assert set(await ids(storage, Filter())) == {ours.id, an_event(author=4, kind=PROFILE).id}
    only_ours = Room(in_all=1, per_key=10, spared=ours.pubkey)
    assert await put(storage, an_event(author=5, kind=PROFILE), room=only_ours) is Added.ADDED
    assert await put(storage, an_event(author=6, kind=PROFILE), room=replace(room, in_all=0)) is Added.FULL


async def test_key_has_no_more_than_its_room(storage: SqliteStorage) -> None:
    room = Room(in_all=100, per_key=2)
    for d in "ab":
        assert await put(storage, an_event(kind=HANDLER, tags=[("d", d)]), room=room) is Added.ADDED
    assert await put(storage, an_event(kind=HANDLER, tags=[("d", "c")]), room=room) is Added.FULL
    assert await put(storage, an_event(kind=PROFILE), room=room) is Added.FULL
    newer = an_event(kind=HANDLER, tags=[("d", "a")], created_at=NOW + 1)
    assert await put(storage, newer, room=room) is Added.ADDED
    assert await put(storage, an_event(author=1, kind=PROFILE), room=room) is Added.ADDED


async def test_event_is_gone_at_its_time_and_leaves_room(storage: SqliteStorage) -> None:
    room = Room(in_all=10, per_key=1)
    await put(storage, an_event(kind=PROFILE, tags=[("expiration", str(NOW + 10))]), room=room)
    assert len(await ids(storage, Filter(), now=NOW + 9)) == 1
    assert await ids(storage, Filter(), now=NOW + 10) == []
    await storage.purge(now=NOW + 10, buckets={})
    assert await put(storage, an_event(kind=CONTACTS), room=room) is Added.ADDED


async def test_replaced_event_is_not_found_by_its_tags(storage: SqliteStorage) -> None:
    await put(storage, an_event(kind=10002, tags=[("r", "wss://old.example")]))
    await put(storage, an_event(kind=10002, tags=[("r", "wss://new.example")], created_at=NOW + 1))
    assert await ids(storage, Filter(tags={"r": frozenset({"wss://old.example"})})) == []
    assert len(await ids(storage, Filter(tags={"r": frozenset({"wss://new.example"})}))) == 1


async def test_latest_is_the_newest_of_its_kind(storage: SqliteStorage) -> None:
    author = a_secret(0).public_key
    assert await storage.public_events.latest(author, HANDLER) is None
    for d, created_at in [("a", NOW), ("b", NOW + 5), ("c", NOW + 1)]:
        await put(storage, an_event(kind=HANDLER, tags=[("d", d)], created_at=created_at))
    await put(storage, an_event(author=1, kind=HANDLER, tags=[("d", "d")], created_at=NOW + 9))
    latest = await storage.public_events.latest(author, HANDLER)
    assert latest is not None
    assert latest.first_tag("d") == "b"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=filters(EVENTS, ["r", "k", "d"]), limit=st.integers(0, 20))
async def test_query_answers_what_the_filter_matches(full_storage: SqliteStorage, wanted: Filter, limit: int) -> None:
    assert await ids(full_storage, wanted, limit=limit) == expected(wanted, EVENTS, limit)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=filters(EVENTS, ["r", "k", "d"]), limit=st.integers(0, 20), index=st.integers(0, len(EVENTS) - 1))
async def test_query_goes_on_after_a_place(full_storage: SqliteStorage, wanted: Filter, limit: int, index: int) -> None:
    place = Position(EVENTS[index].created_at, EVENTS[index].id)
    later = [event for event in EVENTS if (-event.created_at, event.id) > (-place.created_at, place.id)]
    found = await full_storage.public_events.query(wanted, now=NOW, limit=limit, after=place)
    assert [event.id for event in found] == expected(wanted, later, limit)
    assert [event.position for event in found] == [Position(event.created_at, event.id) for event in found]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.lists(filters(EVENTS, ["r", "k", "d"]), max_size=4))
async def test_count_is_of_what_any_filter_matches(full_storage: SqliteStorage, wanted: list[Filter]) -> None:
    matching = {event.id for one in wanted for event in EVENTS if one.matches(event)}
    assert await full_storage.public_events.count(wanted, now=NOW) == len(matching)


async def test_expired_event_is_not_counted(storage: SqliteStorage) -> None:
    await put(storage, an_event(kind=PROFILE, tags=[("expiration", str(NOW + 10))]))
    assert await storage.public_events.count([Filter()], now=NOW + 9) == 1
    assert await storage.public_events.count([Filter()], now=NOW + 10) == 0


MANY = 3000
ROW = "INSERT INTO public_events (pubkey, kind, d, id, created_at, expires_at, event) VALUES (?, ?, '', ?, ?, NULL, '')"
TAG = "INSERT INTO public_tags (letter, value, event) VALUES ('p', ?, ?)"
SOMEBODY = frozenset({a_hex(MANY // 2)})


def fill(connection: sqlite3.Connection) -> None:
    """Keep a profile of each of many authors, oldest first."""
    for number in range(MANY):
        author = a_hex(number)
        row = connection.execute(ROW, (bytes.fromhex(author), PROFILE, number.to_bytes(32), NOW - MANY + number))
        connection.execute(TAG, (author, row.lastrowid))


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(authors=SOMEBODY),
        Filter(authors=SOMEBODY, kinds=frozenset({PROFILE})),
        Filter(authors=SOMEBODY, kinds=frozenset({PROFILE, CONTACTS, INBOX_RELAYS})),
        Filter(authors=SOMEBODY, until=NOW),
        Filter(tags={"p": SOMEBODY}),
        Filter(tags={"p": SOMEBODY}, kinds=frozenset({PROFILE})),
        Filter(tags={"p": SOMEBODY}, authors=SOMEBODY, kinds=frozenset({PROFILE})),
        Filter(ids=frozenset({f"{MANY // 2:064x}"})),
        Filter(ids=frozenset({f"{MANY // 2:064x}"}), kinds=frozenset({PROFILE})),
    ],
    ids=repr,
)
async def test_one_event_is_found_without_looking_at_the_others(database: Database, wanted: Filter) -> None:
    await database.writer.run(fill)
    await database.readers.for_clients.bound(MANY)
    found = await SqlitePublicEvents(database).query(wanted, now=NOW, limit=500)
    assert [event.id for event in found] == [f"{MANY // 2:064x}"]


@pytest.mark.parametrize("kinds", [None, frozenset({PROFILE}), frozenset({PROFILE, CONTACTS})])
async def test_newest_are_found_without_looking_at_the_others(database: Database, kinds: frozenset[int] | None) -> None:
    await database.writer.run(fill)
    await database.readers.for_clients.bound(MANY)
    found = await SqlitePublicEvents(database).query(Filter(kinds=kinds), now=NOW, limit=10)
    assert [int(event.id, 16) for event in found] == list(range(MANY - 1, MANY - 11, -1))


async def test_who_asks_for_too_much_is_refused(database: Database) -> None:
    await database.writer.run(fill)
    await database.readers.for_clients.bound(MANY)
    everybody = frozenset(a_hex(number) for number in range(MANY))
    with pytest.raises(ReadTooLarge):
        await SqlitePublicEvents(database).query(Filter(authors=everybody), now=NOW, limit=10)
