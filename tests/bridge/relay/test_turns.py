"""Turns: how many at once, and whose is next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.relay.turns import Share, Turns
from tests.support.clock import FixedClock
from tests.support.deadline import within


class Room:
    """Readers who take as long as they are told, one after another, and who had which turn."""

    def __init__(self, *, at_once: int = 1, at_once_each: int = 1) -> None:
        self.clock = FixedClock()
        self.turns = Turns(at_once=at_once, at_once_each=at_once_each, monotonic=self.clock.monotonic)
        self.shares: dict[str, Share] = {}
        self.served: list[str] = []
        self.inside: list[str] = []
        self.most_inside = 0
        self.turn_came = asyncio.Condition()

    async def read(self, who: str, *, seconds: float = 1, times: int = 1) -> None:
        share = self.shares.setdefault(who, Share())
        for _ in range(times):
            async with self.turns.turn(share):
                self.served.append(who)
                async with self.turn_came:
                    self.turn_came.notify_all()
                self.inside.append(who)
                assert self.inside.count(who) <= self.turns._each
                self.most_inside = max(self.most_inside, len(self.inside))
                await asyncio.sleep(0)
                self.clock.advance(seconds)
                self.inside.remove(who)

    async def serves(self, count: int) -> None:
        """Return once so many turns were given."""
        async with self.turn_came:
            await self.turn_came.wait_for(lambda: len(self.served) >= count)

    def ended(self) -> bool:
        return not self.turns._queue and not any(share.waiting or share.reading for share in self.shares.values())


async def wait_of_bystander(room: Room, hostile: Sequence[str], *, after: int) -> int:
    """Return how many turns others get between the request of somebody new and its service."""
    async with within(), asyncio.TaskGroup() as tasks:
        reading = [
            # No two reads take exactly as long.
            tasks.create_task(room.read(who, seconds=1 + number / 1000, times=100))
            for number, who in enumerate(hostile)
        ]
        await room.serves(after)
        asked = len(room.served)
        await room.read("bystander", seconds=0.01)
        wait = room.served.index("bystander") - asked
        for task in reading:
            task.cancel()
    assert room.ended()
    return wait


@pytest.mark.parametrize("connections", [6, 60])
@pytest.mark.parametrize("after", [1, 7, 61, 150])
async def test_many_connections_of_one_address_hold_nobody_up(connections: int, after: int) -> None:
    room = Room(at_once=2)
    assert await wait_of_bystander(room, ["hostile"] * connections, after=after) == 0


@pytest.mark.parametrize("addresses", [6, 60])
@pytest.mark.parametrize("after", [1, 7, 61, 150])
async def test_many_addresses_hold_somebody_up_for_the_reads_in_progress_only(addresses: int, after: int) -> None:
    room = Room(at_once=2)
    hostile = [f"hostile {number}" for number in range(addresses)]
    # In their first round all are new, and who came first is first.
    most = 3 if after > addresses else addresses + 2
    assert await wait_of_bystander(room, hostile, after=after) <= most


async def test_who_takes_long_has_fewer_turns() -> None:
    room = Room()
    async with within(), asyncio.TaskGroup() as tasks:
        # Two connections each: of somebody with one the next request comes when the turn has been given away already.
        each = [("quick", 1), ("long", 10)] * 2
        reading = [tasks.create_task(room.read(who, seconds=seconds, times=1000)) for who, seconds in each]
        await room.serves(220)
        for task in reading:
            task.cancel()
    assert 15 <= room.served[:220].count("long") <= 25


async def test_time_left_unused_is_not_saved_up() -> None:
    room = Room()
    await room.read("idle")
    for _ in range(50):
        await room.read("busy")
    async with within(), asyncio.TaskGroup() as tasks:
        for _ in range(5):
            tasks.create_task(room.read("busy"))
            tasks.create_task(room.read("idle"))
    assert room.served[-10:].count("idle") == 5
    assert "idle idle idle" not in " ".join(room.served[-10:])


@pytest.mark.parametrize(("at_once", "each", "most"), [(1, 1, 1), (2, 1, 2), (3, 2, 3), (9, 2, 6)])
async def test_no_more_at_once_than_allowed(at_once: int, each: int, most: int) -> None:
    room = Room(at_once=at_once, at_once_each=each)
    async with within(), asyncio.TaskGroup() as tasks:
        for number in range(30):
            tasks.create_task(room.read(f"{number % 3}", times=3))
    assert room.most_inside == most
    assert len(room.served) == 90
    assert room.ended()


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=20),
    st.integers(1, 3),
    st.integers(1, 3),
)
async def test_turns_of_those_who_give_up_are_not_lost(
    requests: list[tuple[int, int]], at_once: int, each: int
) -> None:
    room = Room(at_once=at_once, at_once_each=each)

    async def give_up_after(who: str, steps: int) -> None:
        reading = asyncio.create_task(room.read(who, times=2))
        for _ in range(steps):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])

    async with within(), asyncio.TaskGroup() as tasks:
        for who, steps in requests:
            tasks.create_task(give_up_after(str(who), steps))
        tasks.create_task(room.read("patient", times=3))
    assert room.ended()
    assert room.served.count("patient") == 3


async def test_read_that_fails_gives_its_turn_back() -> None:
    room = Room()
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            async with room.turns.turn(Share()):
                raise ValueError("no")
    await room.read("next")
    assert room.ended()
