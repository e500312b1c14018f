"""The thread that gathers: what waits is done in one trip, bounded, and to the end."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from threading import Event

import pytest

from storage.errors import StorageBusy, StorageFailed
from storage.gathering import GatheringThread, Job

PATIENCE = 30


class Counting(GatheringThread):
    """Performs works as they are, and notes how many came together."""

    def __init__(self, *, max_queue: int = 100, max_batch: int = 5) -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        super().__init__(connection, does="count", max_queue=max_queue, max_batch=max_batch)
        self.batches: list[int] = []
        self.entered = Event()
        self.gate = Event()

    def _perform_all(self, batch: Sequence[Job]) -> None:
        self.entered.set()
        assert self.gate.wait(PATIENCE)
        self.batches.append(len(batch))
        for job in batch:
            try:
                job.outcome = job.work(self._connection)
            except LookupError as error:
                job.error = error


@pytest.fixture
async def thread() -> AsyncIterator[Counting]:
    counting = Counting()
    yield counting
    counting.gate.set()
    await counting.close()


async def until_queued(thread: Counting, amount: int) -> None:
    """Let the tasks that were started queue their works."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert thread.waiting == amount


def seven(_connection: sqlite3.Connection) -> int:
    return 7


async def test_what_waits_is_done_together_up_to_the_bound(thread: Counting) -> None:
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        first = group.create_task(thread.run(seven))
        assert await asyncio.to_thread(thread.entered.wait, PATIENCE)
        others = [group.create_task(thread.run(seven)) for _ in range(8)]
        await until_queued(thread, 9)
        thread.gate.set()
    assert [task.result() for task in (first, *others)] == [7] * 9
    assert thread.batches == [1, 5, 3]


async def test_no_more_waits_than_allowed() -> None:
    thread = Counting(max_queue=2)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(thread.run(seven))
        await until_queued(thread, 2)
        with pytest.raises(StorageBusy, match="2 counts are waiting already"):
            await thread.run(seven)
        thread.gate.set()
    await thread.close()


async def test_fault_of_one_work_is_raised_where_it_is_awaited(thread: Counting) -> None:
    def fault(_connection: sqlite3.Connection) -> None:
        raise LookupError("mine")

    thread.gate.set()
    outcomes = await asyncio.gather(thread.run(seven), thread.run(fault), thread.run(seven), return_exceptions=True)
    assert [outcomes[0], outcomes[2]] == [7, 7]
    assert isinstance(outcomes[1], LookupError)


async def test_closing_does_what_is_queued_and_refuses_what_comes(thread: Counting) -> None:
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        waiting = [group.create_task(thread.run(seven)) for _ in range(12)]
        await until_queued(thread, 12)
        closing = group.create_task(thread.close())
        thread.gate.set()
        await closing
        with pytest.raises(StorageFailed, match="closed"):
            await thread.run(seven)
    assert [task.result() for task in waiting] == [7] * 12


async def test_works_that_the_loop_brings_turn_by_turn_are_gathered_first(
    thread: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.gathering.LONGEST_GATHERING_SECONDS", PATIENCE)
    thread.gate.set()

    async def after(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await thread.run(seven)

    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*(after(turns) for turns in range(5))) == [7] * 5
    assert thread.batches == [5]


async def test_a_loop_that_never_rests_hands_over_all_the_same(
    thread: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.gathering.LONGEST_GATHERING_SECONDS", 0)
    thread.gate.set()

    async def after(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return await thread.run(seven)

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(after(turns) for turns in range(5)))
    assert thread.batches[0] == 1
