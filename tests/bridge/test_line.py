"""Who is next, when many wait and a few of them make most of the noise."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from bridge.line import MOST_VAIN, QUIET_SECONDS, TURNS_OF_ACCOUNTS, VAIN, Line
from tests.support.clock import FixedClock
from tests.support.deadline import within


@dataclass(eq=False)
class Item:
    source: str
    is_known: bool = False


def a_line(strangers_at_once: int, clock: FixedClock | None = None) -> Line[Item]:
    return Line(strangers_at_once=strangers_at_once, monotonic=(clock or FixedClock()).monotonic)


def known(source: str = "account") -> Item:
    return Item(source, is_known=True)


async def taken(line: Line[Item], amount: int) -> list[Item]:
    """Take so many, all at once."""
    async with within(5):
        return [await line.get() for _ in range(amount)]


async def one_after_the_other(line: Line[Item], amount: int) -> list[Item]:
    """Take so many, and be done with each before the next."""
    order = []
    for _ in range(amount):
        (item,) = await taken(line, 1)
        order.append(item)
        line.done(item)
    return order


@contextmanager
def waiting_for(line: Line[Item]) -> Iterator[asyncio.Task[Item]]:
    """Have a worker wait for the next."""
    worker = asyncio.get_running_loop().create_task(line.get())
    try:
        yield worker
    finally:
        worker.cancel()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_sources_take_turns_however_much_each_sends() -> None:
    line = a_line(8)
    for source, amount in (("loud", 100), ("quiet", 2), ("late", 1)):
        for _ in range(amount):
            line.put(Item(source))
    order = [item.source for item in await one_after_the_other(line, 6)]
    assert order == ["loud", "quiet", "late", "loud", "quiet", "loud"]


async def test_things_of_one_source_come_in_their_order() -> None:
    line, items = a_line(8), [Item("one") for _ in range(5)]
    for item in items:
        line.put(item)
    assert await one_after_the_other(line, 5) == items


async def test_accounts_come_before_all_others() -> None:
    line = a_line(8)
    for _ in range(50):
        line.put(Item("flood"))
    account = known()
    line.put(account)
    assert await one_after_the_other(line, 1) == [account]


async def test_others_have_a_turn_in_so_many_however_much_accounts_ask() -> None:
    line = a_line(8)
    for _ in range(100):
        line.put(known())
    newcomer = Item("newcomer")
    line.put(newcomer)
    assert newcomer in await one_after_the_other(line, TURNS_OF_ACCOUNTS + 1)


async def test_no_more_strangers_at_once_than_may_be() -> None:
    line = a_line(4)
    for number in range(6):
        line.put(Item(f"source {number}"))
    first, *_ = await taken(line, 4)
    with waiting_for(line) as worker:
        await turn()
        assert not worker.done()
        line.done(first)
        await turn()
        assert worker.done()


async def in_vain(line: Line[Item], amount: int) -> None:
    """Have so many strangers come to nothing."""
    for _ in range(amount):
        line.put(Item("flood"))
    await one_after_the_other(line, amount)


async def test_while_accounts_ask_strangers_who_come_to_nothing_are_worked_on_one_by_one(clock: FixedClock) -> None:
    line = a_line(8, clock)
    await in_vain(line, VAIN)
    for _ in range(8):
        line.put(Item("flood"))
    account = known()
    line.put(account)
    _, stranger = await taken(line, 2)
    with waiting_for(line) as worker:
        line.done(account)
        await turn()
        clock.advance(QUIET_SECONDS - 0.1)
        assert not worker.done()
        clock.advance(0.1)
        line.done(stranger)
        await turn()
        assert worker.done()
    assert len(await taken(line, 6)) == 6


async def test_strangers_who_turn_out_to_be_accounts_are_worked_on_together(clock: FixedClock) -> None:
    line = a_line(8, clock)
    await in_vain(line, MOST_VAIN)
    for _ in range(2):
        newcomer = Item("newcomer")
        line.put(newcomer)
        await taken(line, 1)
        line.promote(newcomer)
        line.done(newcomer)
    for _ in range(8):
        line.put(Item("newcomers"))
    assert len(await taken(line, 8)) == 8


async def test_an_account_found_in_a_wrap_counts_as_one_from_then_on() -> None:
    line = a_line(1)
    slow, other = Item("address"), Item("address")
    line.put(slow)
    line.put(other)
    await taken(line, 1)
    with waiting_for(line) as worker:
        await turn()
        assert not worker.done()
        line.promote(slow)
        await turn()
        assert worker.result() is other
    line.promote(slow)
    line.done(slow)
    line.done(other)
    await line.finished()


async def test_what_is_put_back_waits_at_the_end_of_its_source_and_is_not_finished() -> None:
    line, first, second = a_line(1), Item("one"), Item("one")
    line.put(first)
    line.put(second)
    assert await taken(line, 1) == [first]
    line.leave(first)
    line.again(first)
    assert line.waiting_of(first) == line.waiting_like(first) == line.waiting == 2
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await line.finished()
    assert await one_after_the_other(line, 2) == [second, first]
    await line.finished()


async def test_all_workers_are_woken_when_there_is_work_for_all() -> None:
    line = a_line(8)
    with waiting_for(line) as one, waiting_for(line) as two, waiting_for(line) as three:
        await turn()
        for _ in range(4):
            line.put(Item("flood"))
        await turn()
        assert all(worker.done() for worker in (one, two, three))


async def test_a_worker_that_goes_away_leaves_its_turn_to_another() -> None:
    line = a_line(8)
    with waiting_for(line) as gone, waiting_for(line) as other:
        await turn()
        item = Item("one")
        line.put(item)
        gone.cancel()
        await turn()
        assert other.result() is item


async def test_nothing_is_remembered_of_sources_that_are_done() -> None:
    line = a_line(8)
    for number in range(100):
        line.put(Item(f"source {number}", is_known=bool(number % 2)))
    await one_after_the_other(line, 100)
    assert not line._accounts.queues
    assert not line._strangers.queues
    assert line.waiting == 0
