"""Stored events in pages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.relay.limits import QueryLimits
from bridge.relay.stored import StoredEvents
from bridge.relay.turns import Share
from bridge.relay.visibility import ReadProtection
from bridge.settings.endpoint import RelaySettings
from bridge.settings.keys import key_of
from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.keys import SecretKey
from storage.relay_interface import Position, StoredEvent
from storage.sqlite import SqliteStorage
from tests.bridge.relay.builders import ALICE, BOB, BRIDGE, DOORS, NOW, STORED, a_filter, a_wrap, an_event, doors_to
from tests.support.clock import FixedClock
from tests.support.deadline import within

RULE = ReadProtection(BRIDGE.public_key)


async def keep(storage: SqliteStorage, *events: VerifiedEvent) -> None:
    for event in events:
        if event.kind == STORED:
            recipient = event.tag_values("p")[0]
            await storage.gift_wraps.add(event, recipient=recipient, expires_at=NOW + 1000, quota=1000)
        else:
            await storage.public_events.put(event)


async def pages(
    storage: SqliteStorage, clock: FixedClock, wanted: Filter, limits: QueryLimits, *, who: str = ALICE.public_key
) -> list[list[str]]:
    reader = StoredEvents(
        gift_wraps=storage.gift_wraps, public_events=storage.public_events, clock=clock, limits=limits
    )
    (view,) = RULE.views([wanted], [who])  # type: ignore[list-item]
    async with aclosing(reader.read(view, Share()).pages()) as found:
        return [[event.id for event in page] async for page in found]


def in_order(*events: VerifiedEvent) -> list[str]:
    return [event.id for event in sorted(events, key=lambda event: (-event.created_at, event.id))]


async def test_wraps_and_public_events_come_newest_first_and_once(storage: SqliteStorage, clock: FixedClock) -> None:
    # Many in the same second, so that pages end in the middle of it.
    wraps = [a_wrap(created_at=NOW - number // 5, content=str(number)) for number in range(23)]
    public = [an_event(BOB, kind=kind, created_at=NOW - kind % 3) for kind in (0, 3, 10002, 10050)]
    await keep(storage, *wraps, *public)
    for size in (1, 2, 3, 7, 50):
        found = await pages(storage, clock, a_filter(), QueryLimits(page=size))
        assert [one for page in found for one in page] == in_order(*wraps, *public)
        assert all(0 < len(page) <= size for page in found)


@pytest.mark.parametrize(("limit", "count"), [(None, 4), (0, 0), (1, 1), (6, 6), (7, 6), (1000, 6)])
async def test_limit_is_the_filters_or_ours(
    storage: SqliteStorage, clock: FixedClock, limit: int | None, count: int
) -> None:
    await keep(storage, *(a_wrap(content=str(number)) for number in range(10)))
    wanted = a_filter() if limit is None else a_filter(limit=limit)
    found = await pages(storage, clock, wanted, QueryLimits(max_limit=6, default_limit=4, page=4))
    assert sum(map(len, found)) == count


async def test_only_what_the_view_shows_is_read(storage: SqliteStorage, clock: FixedClock) -> None:
    mine, other, public = a_wrap(ALICE), a_wrap(BOB), an_event()
    await keep(storage, mine, other, public)
    limits = QueryLimits()
    assert await pages(storage, clock, a_filter(), limits) == [in_order(mine, public)]
    assert await pages(storage, clock, a_filter(kinds=[STORED]), limits) == [[mine.id]]
    assert await pages(storage, clock, a_filter(kinds=[0]), limits) == [[public.id]]
    assert await pages(storage, clock, a_filter(ids=[other.id]), limits) == []
    assert await pages(storage, clock, a_filter(p=[BOB.public_key]), limits) == []
    assert await pages(storage, clock, a_filter(kinds=[]), limits) == []


async def test_times_of_the_filter_hold_on_every_page(storage: SqliteStorage, clock: FixedClock) -> None:
    wraps = [a_wrap(created_at=NOW - number) for number in range(10)]
    await keep(storage, *wraps)
    found = await pages(storage, clock, a_filter(since=NOW - 7, until=NOW - 2), QueryLimits(page=2))
    assert [one for page in found for one in page] == in_order(*wraps[2:8])


class Memory:
    """Wraps in memory, some of which expire between one page and the next."""

    def __init__(self, events: list[StoredEvent]) -> None:
        self.events = events
        self.given: list[str] = []

    async def query(
        self, wanted: Filter, *, now: int, limit: int, after: Position | None = None, recipients: object = ()
    ) -> list[StoredEvent]:
        assert wanted.limit is None
        later = [event for event in self.events if after is None or order(event.position) > order(after)]
        self.given += [event.id for event in later[:limit]]
        return later[:limit]


def order(position: Position) -> tuple[int, str]:
    return -position.created_at, position.id


@given(
    times=st.lists(st.integers(0, 6), max_size=40),
    size=st.integers(1, 10),
    limit=st.integers(0, 50),
    vanish=st.sets(st.integers(0, 39)),
    public=st.sets(st.integers(0, 39)),
)
async def test_no_event_is_left_out_or_repeated_or_read_twice(
    times: list[int], size: int, limit: int, vanish: set[int], public: set[int]
) -> None:
    events = [StoredEvent(f"{number:02}", time, "") for number, time in enumerate(times)]
    events.sort(key=lambda event: order(event.position))
    wraps = Memory([event for event in events if int(event.id) not in public])
    others = Memory([event for event in events if int(event.id) in public])
    reader = StoredEvents(
        gift_wraps=wraps,  # type: ignore[arg-type]
        public_events=others,  # type: ignore[arg-type]
        clock=FixedClock(NOW),
        limits=QueryLimits(max_limit=limit, default_limit=limit, page=size),
    )
    (view,) = RULE.views([a_filter(p=[ALICE.public_key])], [ALICE.public_key])
    reading = reader.read(view, Share())
    found: list[str] = []
    async for page in reading.pages():
        assert 0 < len(page) <= size
        found += [event.id for event in page]
        for memory in (wraps, others):
            memory.events = [event for event in memory.events if int(event.id) not in vanish]
            assert len(memory.given) == len(set(memory.given)) <= len(found) + size + 1
    assert len(found) == len(set(found)) <= limit
    if not vanish and limit:
        assert found == [event.id for event in events[:limit]]
        assert reading.is_finished is (len(events) <= limit)
        assert (reading.left_out and reading.left_out.id) == (events[limit].id if len(events) > limit else None)
    elif vanish:
        staying = [event.id for event in events if int(event.id) not in vanish]
        assert [one for one in found if one in staying] == staying[: sum(one in staying for one in found)]


async def test_nothing_is_read_where_nothing_is_asked_for() -> None:
    memory = Memory([])
    reader = StoredEvents(
        gift_wraps=memory,  # type: ignore[arg-type]
        public_events=memory,  # type: ignore[arg-type]
        clock=FixedClock(NOW),
        limits=QueryLimits(),
    )
    (view,) = RULE.views([a_filter(limit=0)], [ALICE.public_key])
    reading = reader.read(view, Share())
    assert [page async for page in reading.pages()] == []
    assert not reading.is_finished
    assert reading.left_out is None


# --- counting


async def count(storage: SqliteStorage, clock: FixedClock, *filters: Filter, who: Sequence[SecretKey] = ()) -> int:
    reader = StoredEvents(
        gift_wraps=storage.gift_wraps, public_events=storage.public_events, clock=clock, limits=QueryLimits()
    )
    return await reader.count(RULE.views(filters, [key.public_key for key in who]), Share())


@pytest.mark.parametrize("door", DOORS)
async def test_wrap_is_counted_for_its_recipient_alone_however_it_is_asked_for(
    storage: SqliteStorage, clock: FixedClock, door: str
) -> None:
    wrap = a_wrap(ALICE)
    await keep(storage, wrap)
    wanted = doors_to(wrap)[door]
    assert await count(storage, clock, wanted) == 0
    assert await count(storage, clock, wanted, who=[BOB]) == 0
    assert await count(storage, clock, wanted, who=[BOB, ALICE]) == 1


async def test_event_that_several_filters_match_counts_once(storage: SqliteStorage, clock: FixedClock) -> None:
    wraps = [a_wrap(content=str(number)) for number in range(3)]
    public = [an_event(BOB, kind=kind) for kind in (0, 3)]
    await keep(storage, *wraps, *public)
    everything, some = a_filter(), a_filter(ids=[wraps[0].id, public[0].id], limit=1)
    assert await count(storage, clock, everything, some, everything, who=[ALICE]) == 5
    assert await count(storage, clock, some, a_filter(kinds=[3]), who=[ALICE]) == 3


async def test_as_many_filters_as_the_settings_allow_are_counted_at_once(
    storage: SqliteStorage, clock: FixedClock
) -> None:
    await keep(storage, a_wrap(ALICE), an_event())
    declared = {one.name: one for one in fields(RelaySettings)}["max_filters"]
    most = int(key_of(declared).most or 0)
    assert await count(storage, clock, *[a_filter()] * most, who=[ALICE]) == 2


# --- turns


class Recorded:
    """The real storage, and who read from it in which order; each read takes its time."""

    def __init__(self, storage: SqliteStorage, clock: FixedClock) -> None:
        self.storage = storage
        self.clock = clock
        self.order: list[str] = []

    async def query(
        self, wanted: Filter, *, now: int, limit: int, after: Position | None = None
    ) -> Sequence[StoredEvent]:
        (author,) = wanted.authors or ("everybody",)
        self.order.append(author)
        found = await self.storage.public_events.query(wanted, now=now, limit=limit, after=after)
        self.clock.advance(0.1 + 0.0001 * len(self.order))
        return found


@pytest.mark.parametrize("addresses", [1, 60])
async def test_bystander_waits_for_the_reads_in_progress_only(
    storage: SqliteStorage, clock: FixedClock, addresses: int
) -> None:
    hostile = [an_event(BOB, kind=10000 + number) for number in range(30)]
    await keep(storage, *hostile, an_event(ALICE))
    record = Recorded(storage, clock)
    reader = StoredEvents(
        gift_wraps=storage.gift_wraps,
        public_events=record,  # type: ignore[arg-type]
        clock=clock,
        limits=QueryLimits(page=5),
    )

    async def read(author: str, share: Share) -> int:
        (view,) = RULE.views([a_filter(authors=[author])], [])
        return sum([len(page) async for page in reader.read(view, share).pages()])

    shares = [Share() for _ in range(addresses)]
    async with within(), asyncio.TaskGroup() as tasks:
        reading = [tasks.create_task(read(BOB.public_key, shares[number % addresses])) for number in range(60)]
        await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
        asked = len(record.order)
        assert await read(ALICE.public_key, Share()) == 1
        assert not all(task.done() for task in reading)
    assert record.order.index(ALICE.public_key) - asked <= 3
    assert record.order.count(BOB.public_key) == 60 * 6
