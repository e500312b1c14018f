"""One request, however many wraps bring it at once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from bridge.arrivals import Arrival, Arrivals
from nips.nip59 import Rumor, make_rumor
from tests.support.wraps import AUTHOR, LIVE, NOW, STORED

OTHER = "wss://other.example"


def a_rumor(content: str = "one") -> Rumor:
    return make_rumor(AUTHOR.public_key, created_at=NOW, kind=24390, tags=[], content=content)


async def settled() -> None:
    """Let every task run until it waits for something."""
    for _ in range(10):
        await asyncio.sleep(0)


class Worker:
    """Brings one wrap, as a worker of the inbox does."""

    def __init__(
        self, arrivals: Arrivals, wrap_id: str, *, link: str = "here", rumor: Rumor | None = None, kind: int = STORED
    ) -> None:
        self.entered: list[Arrival | None] = []
        self.go = asyncio.Event()
        self.fails = False
        self.holds = True
        self._arrivals = arrivals
        self._wrap_id = wrap_id
        self._link = link
        self._rumor = rumor or a_rumor()
        self._kind = kind

    async def work(self) -> None:
        entering = self._arrivals.enter(
            self._rumor,
            wrap_kind=self._kind,
            received_at=NOW,
            wrap_id=self._wrap_id,
            link=self._link,
            hold=lambda: self.holds,
        )
        async with entering as arrival:
            self.entered.append(arrival)
            if arrival is not None:
                await self.go.wait()
                arrival.is_answered = not self.fails

    def has_joined(self) -> bool:
        return self.entered == [None]

    def arrival(self) -> Arrival:
        (arrival,) = self.entered
        assert arrival is not None
        return arrival

    def wraps(self) -> list[str]:
        """Return what brought the arrival: wraps and their links."""
        return [" ".join(identity) for identity in self.arrival().wrap_ids]


async def test_the_first_wrap_is_answered_and_others_join_it() -> None:
    arrivals = Arrivals()
    first, second = Worker(arrivals, "a"), Worker(arrivals, "b", link=OTHER)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first.work())
        await settled()
        tasks.create_task(second.work())
        await settled()
        assert (first.wraps(), first.arrival().links) == (["a here", f"b {OTHER}"], ["here", OTHER])
        assert not second.has_joined()
        first.go.set()
    assert second.has_joined()
    assert len(arrivals) == 0


async def test_a_link_that_brings_two_wraps_is_answered_once() -> None:
    arrivals = Arrivals()
    first, second = Worker(arrivals, "a"), Worker(arrivals, "b")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first.work())
        await settled()
        tasks.create_task(second.work())
        await settled()
        assert first.arrival().links == ["here"]
        first.go.set()


async def test_a_wrap_that_came_by_two_links_leaves_with_both() -> None:
    arrivals = Arrivals()
    first, copy = Worker(arrivals, "a"), Worker(arrivals, "a", link=OTHER)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first.work())
        await settled()
        tasks.create_task(copy.work())
        await settled()
        assert (first.wraps(), first.arrival().links) == (["a here", f"a {OTHER}"], ["here", OTHER])
        first.go.set()
    assert copy.has_joined()


async def test_a_wrap_of_the_other_kind_waits_and_is_on_its_own() -> None:
    arrivals = Arrivals()
    first, live, late = Worker(arrivals, "a"), Worker(arrivals, "b", kind=LIVE), Worker(arrivals, "c", kind=LIVE)
    async with asyncio.TaskGroup() as tasks:
        for worker in (first, live, late):
            tasks.create_task(worker.work())
            await settled()
        assert (first.wraps(), live.entered, late.entered) == (["a here"], [], [])
        first.go.set()
        await settled()
        assert (live.arrival().wrap_kind, live.wraps()) == (LIVE, ["b here", "c here"])
        live.go.set()
    assert late.has_joined()
    assert len(arrivals) == 0


async def test_other_rumors_do_not_join() -> None:
    arrivals = Arrivals()
    first, second = Worker(arrivals, "a"), Worker(arrivals, "b", rumor=a_rumor("two"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first.work())
        tasks.create_task(second.work())
        await settled()
        assert len(arrivals) == 2
        assert second.wraps() == ["b here"]
        first.go.set()
        second.go.set()


async def test_whoever_comes_after_the_answer_was_sealed_is_on_its_own() -> None:
    arrivals = Arrivals()
    first, late = Worker(arrivals, "a"), Worker(arrivals, "b")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first.work())
        await settled()
        first.arrival().seal()
        tasks.create_task(late.work())
        await settled()
        assert first.wraps() == ["a here"]
        assert late.entered == []
        first.go.set()
        await settled()
        assert late.wraps() == ["b here"]
        late.go.set()


async def test_when_answering_fails_each_that_joined_is_on_its_own_again() -> None:
    arrivals = Arrivals()
    first, second, third = (Worker(arrivals, name) for name in "abc")
    first.fails = True
    async with asyncio.TaskGroup() as tasks:
        for worker in (first, second, third):
            tasks.create_task(worker.work())
            await settled()
        first.go.set()
        await settled()
        assert second.wraps() == ["b here", "c here"]
        second.go.set()
    assert third.has_joined()


async def test_a_worker_that_is_cancelled_hands_over() -> None:
    arrivals = Arrivals()
    first, second = Worker(arrivals, "a"), Worker(arrivals, "b")
    async with asyncio.TaskGroup() as tasks:
        cancelled = tasks.create_task(first.work())
        await settled()
        tasks.create_task(second.work())
        await settled()
        cancelled.cancel()
        await settled()
        assert second.wraps() == ["b here"]
        second.go.set()
    assert len(arrivals) == 0


async def test_one_id_of_one_scope_is_answered_by_one_at_a_time() -> None:
    arrivals, order = Arrivals(), list[str]()
    go = asyncio.Event()

    async def answer(name: str) -> None:
        async with arrivals.alone("account", "id"):
            order.append(f"{name} starts")
            await go.wait()
            order.append(f"{name} ends")

    async with asyncio.TaskGroup() as tasks:
        for name in "ab":
            tasks.create_task(answer(name))
        await settled()
        assert order == ["a starts"]
        go.set()
    assert order == ["a starts", "a ends", "b starts", "b ends"]


async def test_other_ids_and_other_scopes_do_not_wait() -> None:
    arrivals = Arrivals()
    async with AsyncExitStack() as held, asyncio.timeout(5):
        for key in [("one", "a"), ("one", "b"), ("two", "a")]:
            await held.enter_async_context(arrivals.alone(*key))


async def test_nothing_is_left_behind() -> None:
    arrivals = Arrivals()

    async def answer() -> None:
        async with arrivals.alone("account", "id"):
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(answer()) for _ in range(5)]
        await asyncio.sleep(0)
        waiting[2].cancel()
    with pytest.raises(ZeroDivisionError):
        async with arrivals.alone("account", "id"):
            raise ZeroDivisionError
    assert not arrivals._locks


async def test_the_answer_waits_for_no_row_only_if_no_wrap_was_acknowledged() -> None:
    arrivals = Arrivals()
    first, second = Worker(arrivals, "a"), Worker(arrivals, "b", link=OTHER)
    second.holds = False
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(first.work())
        await settled()
        assert first.arrival().hold()
        tasks.create_task(second.work())
        await settled()
        assert not first.arrival().hold()
        first.go.set()
