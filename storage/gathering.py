"""A thread that owns one connection and gathers what waits for it.

A trip to another thread and back costs more than most statements; so the more waiters there are, the cheaper each
becomes. Its methods belong to the event loop that made it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from storage.errors import StorageBusy, StorageFailed

log = logging.getLogger(__name__)

T = TypeVar("T")


class Job:
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


class GatheringThread(ABC):
    """Performs works in batches, one after another; a subclass says what makes a batch whole."""

    def __init__(self, connection: sqlite3.Connection, *, does: str, max_queue: int, max_batch: int) -> None:
        """Start the thread; `does` names one of its works. The connection is in autocommit mode, `close` closes it."""
        self._connection = connection
        self._does = does
        self._max_queue = max_queue
        self._max_batch = max_batch
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._unresolved: set[Job] = set()
        self._is_closing = False
        self._ended = self._loop.create_future()
        # A daemon, so that a program that dies without closing does not hang; SQLite recovers from that by itself.
        self._thread = Thread(target=self._serve, name=f"storage {does}r", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Number of works that are not done yet."""
        return len(self._unresolved)

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run work on the thread and return its result once its batch is whole.

        What the work raises, it raises here. Work whose waiter was cancelled may still be done. Raise `StorageBusy`
        when too much waits, `StorageFailed` when the database refuses.
        """
        if self._is_closing:
            raise StorageFailed("the storage is closed")
        if self.waiting >= self._max_queue:
            raise StorageBusy(f"{self._max_queue} {self._does}s are waiting already")
        job = Job(work, self._loop.create_future())
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
                self._perform_all(batch)
                self._tell(self._resolve, batch)
        except BaseException:
            log.critical("the storage's %sr thread ends", self._does, exc_info=True)
        finally:
            self._connection.close()
            self._tell(self._end)

    def _gather(self) -> list[Job]:
        """Wait for work and take what waits; nothing once the writer closes."""
        batch: list[Job] = []
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

    @abstractmethod
    def _perform_all(self, batch: Sequence[Job]) -> None:
        """Do every work of a batch, on the thread, and write down what became of each."""

    def _tell(self, callback: Callable[..., object], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            # The loop is closed, so nobody waits any more.
            log.debug("the event loop ended before the storage's thread")

    def _resolve(self, batch: Sequence[Job]) -> None:
        for job in batch:
            self._unresolved.discard(job)
            job.resolve()

    def _end(self) -> None:
        self._is_closing = True
        for job in self._unresolved:
            job.error = StorageFailed(f"the storage's thread ended before this {self._does} was done")
            job.resolve()
        self._unresolved.clear()
        if not self._ended.done():
            self._ended.set_result(None)
