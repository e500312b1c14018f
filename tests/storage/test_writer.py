"""The gathering writer."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import Event
from typing import NoReturn

import pytest

from storage.database_file import connect_writer
from storage.errors import StorageBusy, StorageFailed
from storage.writer import Writer

PATIENCE = 30
MAX_QUEUE = 50
MAX_BATCH = 20


def insert(value: int) -> Callable[[sqlite3.Connection], int]:
    """Return work that keeps a number."""

    def work(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO kept (value) VALUES (?)", (value,))
        return value

    return work


def fail_after_inserting(connection: sqlite3.Connection) -> NoReturn:
    """Write something, then raise."""
    insert(666)(connection)
    raise LookupError("a fault in the middle")


class Gate:
    """Holds the writer's thread inside a work, so that a test decides what gathers behind it."""

    def __init__(self) -> None:
        self._entered = Event()
        self._open = Event()

    def work(self, _connection: sqlite3.Connection) -> None:
        """Wait inside the transaction."""
        self._entered.set()
        assert self._open.wait(PATIENCE)

    async def hold(self, writer: Writer, group: asyncio.TaskGroup) -> None:
        """Start the work and return once the thread is in it."""
        group.create_task(writer.run(self.work))
        assert await asyncio.to_thread(self._entered.wait, PATIENCE)

    def open(self) -> None:
        """Let the thread go on."""
        self._open.set()


async def until_queued(writer: Writer, amount: int) -> None:
    """Let the tasks that were started queue their works; so many wait then, the one held by the gate included."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert writer.waiting == amount


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[Writer]:
    """Start a writer on a table of numbers."""
    connection = connect_writer(path, busy_timeout_ms=100)
    connection.execute("CREATE TABLE kept (value INTEGER UNIQUE)")
    connection.execute("CREATE TABLE child (value INTEGER REFERENCES kept (value) DEFERRABLE INITIALLY DEFERRED)")
    writer = Writer(connection, max_queue=MAX_QUEUE, max_batch=MAX_BATCH)
    yield writer
    await writer.close()


def kept(path: Path) -> list[int]:
    """Return the numbers that are in the file."""
    connection = sqlite3.connect(path)
    try:
        return [value for (value,) in connection.execute("SELECT value FROM kept ORDER BY value")]
    finally:
        connection.close()


async def test_result_comes_back_once_it_is_in_the_file(writer: Writer, path: Path) -> None:
    assert await writer.run(insert(7)) == 7
    assert kept(path) == [7]


async def test_what_waits_is_committed_together(writer: Writer, path: Path) -> None:
    commits: list[int] = []
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        await writer.run(lambda connection: connection.set_trace_callback(_count_commits(commits)))
        await gate.hold(writer, group)
        tasks = [group.create_task(writer.run(insert(value))) for value in range(MAX_BATCH)]
        await until_queued(writer, MAX_BATCH + 1)
        commits.clear()
        gate.open()
    assert [task.result() for task in tasks] == list(range(MAX_BATCH))
    assert kept(path) == list(range(MAX_BATCH))
    assert len(commits) == 2


async def test_batch_is_bounded(writer: Writer) -> None:
    commits: list[int] = []
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        await writer.run(lambda connection: connection.set_trace_callback(_count_commits(commits)))
        await gate.hold(writer, group)
        for value in range(2 * MAX_BATCH):
            group.create_task(writer.run(insert(value)))
        await until_queued(writer, 2 * MAX_BATCH + 1)
        commits.clear()
        gate.open()
    assert len(commits) == 3


def _count_commits(commits: list[int]) -> Callable[[str], None]:
    return lambda statement: commits.append(1) if statement == "COMMIT" else None


async def test_queue_is_bounded_and_opens_again(writer: Writer, path: Path) -> None:
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        await gate.hold(writer, group)
        for value in range(MAX_QUEUE - 1):
            group.create_task(writer.run(insert(value)))
        await until_queued(writer, MAX_QUEUE)
        with pytest.raises(StorageBusy, match=f"{MAX_QUEUE} writes"):
            await writer.run(insert(-1))
        gate.open()
    assert await writer.run(insert(MAX_QUEUE)) == MAX_QUEUE
    assert kept(path) == [*range(MAX_QUEUE - 1), MAX_QUEUE]


async def test_fault_of_one_work_undoes_that_work_alone(writer: Writer, path: Path) -> None:
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        await gate.hold(writer, group)
        works = [insert(1), fail_after_inserting, insert(2), insert(1), insert(3)]
        results = group.create_task(_outcomes(writer, works))
        await until_queued(writer, len(works) + 1)
        gate.open()
    first, fault, second, doubled, third = results.result()
    assert (first, second, third) == (1, 2, 3)
    assert isinstance(fault, LookupError)
    assert isinstance(doubled, StorageFailed)
    assert "UNIQUE" in str(doubled)
    assert isinstance(doubled.__cause__, sqlite3.IntegrityError)
    assert kept(path) == [1, 2, 3]


async def _outcomes(writer: Writer, works: list[Callable[[sqlite3.Connection], int]]) -> list[int | BaseException]:
    return await asyncio.gather(*(writer.run(work) for work in works), return_exceptions=True)


async def test_failed_commit_fails_everybody_in_it(writer: Writer, path: Path) -> None:
    def orphan(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO child (value) VALUES (12345)")
        return 0

    gate = Gate()
    async with asyncio.TaskGroup() as group:
        await gate.hold(writer, group)
        results = group.create_task(_outcomes(writer, [insert(1), orphan, fail_after_inserting, insert(2)]))
        await until_queued(writer, 5)
        gate.open()
    *failed, last = [*results.result()[:2], results.result()[3], results.result()[2]]
    assert all(isinstance(outcome, StorageFailed) and "FOREIGN KEY" in str(outcome) for outcome in failed)
    assert len({id(outcome) for outcome in failed}) == 3
    assert isinstance(last, LookupError)
    assert kept(path) == []
    assert await writer.run(insert(3)) == 3


async def test_cancelled_waiter_harms_nobody(writer: Writer, path: Path) -> None:
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        await gate.hold(writer, group)
        tasks = [group.create_task(writer.run(insert(value))) for value in range(5)]
        failing = group.create_task(_outcomes(writer, [fail_after_inserting]))
        await until_queued(writer, 7)
        tasks[2].cancel()
        failing.cancel()
        gate.open()
    assert [task.result() for task in tasks if not task.cancelled()] == [0, 1, 3, 4]
    assert {0, 1, 3, 4} <= set(kept(path))
    assert writer.waiting == 0


async def test_full_disk_fails_one_write_and_not_those_after_it(writer: Writer, path: Path) -> None:
    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE big (content BLOB)")
        connection.execute("INSERT INTO big VALUES (zeroblob(10000000))")

    (pages,) = await writer.run(lambda connection: connection.execute("PRAGMA page_count").fetchone())
    await writer.run(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages + 20}").fetchone())
    with pytest.raises(StorageFailed, match="full"):
        await writer.run(fill)
    assert await writer.run(insert(1)) == 1
    assert kept(path) == [1]


async def test_works_beside_the_one_that_fills_the_disk_are_told_the_truth(writer: Writer, path: Path) -> None:
    def fill(connection: sqlite3.Connection) -> int:
        connection.execute("CREATE TABLE big (content BLOB)")
        return connection.execute("INSERT INTO big VALUES (zeroblob(10000000))").rowcount

    (pages,) = await writer.run(lambda connection: connection.execute("PRAGMA page_count").fetchone())
    await writer.run(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages + 20}").fetchone())
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        await gate.hold(writer, group)
        results = group.create_task(_outcomes(writer, [insert(1), fill, insert(2)]))
        await until_queued(writer, 4)
        gate.open()
    outcomes = results.result()
    assert isinstance(outcomes[1], StorageFailed)
    assert kept(path) == [outcome for outcome in outcomes if isinstance(outcome, int)]


async def test_transaction_that_a_work_ended_fails_as_one(writer: Writer, path: Path) -> None:
    def roll_back(connection: sqlite3.Connection) -> int:
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("as SQLite does when it undoes everything by itself")

    gate = Gate()
    async with asyncio.TaskGroup() as group:
        await gate.hold(writer, group)
        results = group.create_task(_outcomes(writer, [insert(1), roll_back, insert(2)]))
        await until_queued(writer, 4)
        gate.open()
    assert all(isinstance(outcome, StorageFailed) for outcome in results.result())
    assert kept(path) == []
    assert await writer.run(insert(3)) == 3


async def test_file_locked_by_another_program_fails_the_write_and_recovers(writer: Writer, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFailed, match="locked"):
        await writer.run(insert(1))
    other.execute("ROLLBACK")
    other.close()
    assert await writer.run(insert(2)) == 2
    assert kept(path) == [2]


async def test_closing_finishes_what_is_queued(writer: Writer, path: Path) -> None:
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        await gate.hold(writer, group)
        tasks = [group.create_task(writer.run(insert(value))) for value in range(2 * MAX_BATCH)]
        await until_queued(writer, 2 * MAX_BATCH + 1)
        closing = [group.create_task(writer.close()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(StorageFailed, match="closed"):
            await writer.run(insert(-1))
        gate.open()
    assert [task.result() for task in tasks] == list(range(2 * MAX_BATCH))
    assert all(task.done() for task in closing)
    assert kept(path) == list(range(2 * MAX_BATCH))


async def test_closing_that_is_cancelled_still_closes(writer: Writer) -> None:
    gate = Gate()
    async with asyncio.TaskGroup() as group:
        await gate.hold(writer, group)
        closing = group.create_task(writer.close())
        await asyncio.sleep(0)
        closing.cancel()
        gate.open()
    await writer.close()
    await writer.watch()
    with pytest.raises(StorageFailed, match="closed"):
        await writer.run(insert(1))


async def test_everybody_hears_of_it_when_the_thread_ends(writer: Writer, caplog: pytest.LogCaptureFixture) -> None:
    def end_the_thread(_connection: sqlite3.Connection) -> NoReturn:
        raise SystemExit("no ordinary exception")

    gate = Gate()
    async with asyncio.TaskGroup() as group:
        await gate.hold(writer, group)
        works = [insert(1), end_the_thread, *map(insert, range(2, 2 * MAX_BATCH))]
        results = group.create_task(_outcomes(writer, works))
        await until_queued(writer, 2 * MAX_BATCH + 1)
        gate.open()
        async with asyncio.timeout(PATIENCE):
            outcomes = await results
    assert all(isinstance(outcome, StorageFailed) and "before this write" in str(outcome) for outcome in outcomes)
    with pytest.raises(StorageFailed, match="closed"):
        await writer.run(insert(1))
    with pytest.raises(StorageFailed, match="start again"):
        await writer.watch()
    # Only ours: in debug mode asyncio itself remarks on whatever takes long.
    ours = [record for record in caplog.records if record.name == "storage.gathering"]
    assert [record.levelno for record in ours] == [logging.CRITICAL]
    await writer.close()
