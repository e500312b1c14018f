"""The one writer: a thread that gathers what waits and makes it durable with a single commit.

A commit costs a flush to the disk, however much is in it; so the more writers wait, the cheaper each write becomes.
Works run one after another, each under its own savepoint: one that raises is undone alone. Nobody hears of success
before the commit is on the disk.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from storage.errors import StorageBusy, StorageError, StorageFailed

log = logging.getLogger(__name__)

T = TypeVar("T")


class _Job:
    """A piece of work, who waits for it, and what became of it."""

    __slots__ = ("error", "future", "outcome", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future
        self.outcome: Any = None
        self.error: Exception | None = None

    def resolve(self) -> None:
        """Tell the waiter; one that was cancelled is gone already."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.outcome)
        else:
            self.future.set_exception(self.error)


class Writer:
    """Owns the writing connection. Its methods belong to the event loop that made it."""

    def __init__(self, connection: sqlite3.Connection, *, max_queue: int, max_batch: int) -> None:
        """Start the thread; the connection is in autocommit mode and closed by `close`."""
        self._connection = connection
        self._max_queue = max_queue
        self._max_batch = max_batch
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._unresolved: set[_Job] = set()
        self._is_closing = False
        self._ended = self._loop.create_future()
        # A daemon, so that a program that dies without closing does not hang; SQLite recovers from that by itself.
        self._thread = Thread(target=self._serve, name="storage writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of writes that are not durable yet."""
        return len(self._unresolved)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run work in the writer's transaction and return its result once it is durable.

        What the work raises, it raises here, and nothing of it was written. Work whose waiter was cancelled may still
        be done. Raise `StorageBusy` when too much waits, `StorageFailed` when the database refuses.
        """
        if self._is_closing:
            raise StorageFailed("the storage is closed")
        if self.waiting >= self._max_queue:
            raise StorageBusy(f"{self._max_queue} writes are waiting already")
        job = _Job(work, self._loop.create_future())
        self._unresolved.add(job)
        self._queue.put(job)
        result: T = await job.future
        return result

    async def close(self) -> None:
        """Finish what is queued, refuse what comes, close the connection."""
        if not self._is_closing:
            self._is_closing = True
            self._queue.put(None)
        await asyncio.shield(self._ended)
        self._thread.join()

    def _serve(self) -> None:
        try:
            while batch := self._gather():
                self._commit(batch)
                self._tell(self._resolve, batch)
        except BaseException:
            log.critical("the storage's writer thread ends", exc_info=True)
        finally:
            self._connection.close()
            self._tell(self._end)

    def _gather(self) -> list[_Job]:
        """Wait for work and take what waits; nothing once the writer closes."""
        batch: list[_Job] = []
        job = self._queue.get()
        while job is not None:
            batch.append(job)
            if len(batch) == self._max_batch:
                return batch
            try:
                job = self._queue.get_nowait()
            except Empty:
                return batch
        if batch:
            # The end was met while gathering: put it back, to be met first next time.
            self._queue.put(None)
        return batch

    def _commit(self, batch: Sequence[_Job]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._perform(job)
            self._connection.execute("COMMIT")
        except Exception as error:
            log.error("%d writes failed together: %s", len(batch), error)
            self._roll_back()
            for job in batch:
                job.error = job.error or _failure(error)

    def _perform(self, job: _Job) -> None:
        self._connection.execute("SAVEPOINT work")
        try:
            job.outcome = job.work(self._connection)
        except Exception as error:
            job.error = _failure(error) if isinstance(error, sqlite3.Error) else error
            # A full disk may undo the whole transaction; this statement then raises and the batch fails as one.
            self._connection.execute("ROLLBACK TO work")
        self._connection.execute("RELEASE work")

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            log.error("the failed writes could not be rolled back yet: %s", error)

    def _tell(self, callback: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            # The loop is closed, so nobody waits any more.
            log.debug("the event loop ended before the storage's writer")

    def _resolve(self, batch: Sequence[_Job]) -> None:
        for job in batch:
            self._unresolved.discard(job)
            job.resolve()

    def _end(self) -> None:
        self._is_closing = True
        for job in self._unresolved:
            job.error = StorageFailed("the storage's writer ended before this write was durable")
            job.resolve()
        self._unresolved.clear()
        if not self._ended.done():
            self._ended.set_result(None)


def _failure(error: Exception) -> StorageError:
    """Return a fresh error for each waiter: a traceback must not be shared."""
    failure = StorageFailed(f"the database refused to write: {error}")
    failure.__cause__ = error
    return failure
