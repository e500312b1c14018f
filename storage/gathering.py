"""A thread that owns one connection, and gets its work in batches.

A trip to another thread and back costs more than most statements, and a commit more than both; so the more waiters
there are, the cheaper each becomes. Works are gathered on the event loop until a turn of it brings no more, for a few
milliseconds at most, and for as long as the thread is at work anyway. Who asks alone waits for two turns.

All methods belong to the event loop that made it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from storage.errors import StorageBusy, StorageFailed

log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_GATHERING_SECONDS = 0.005
"""A loop so busy that every turn brings more works still hands them over after this."""


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
        self._batches: SimpleQueue[Sequence[Job] | None] = SimpleQueue()
        self._gathered: list[Job] = []
        self._is_gathering = False
        self._is_at_work = False
        self._unresolved: set[Job] = set()
        self._is_closing = False
        self._is_broken = False
        self._ended = self._loop.create_future()
        # A daemon, so that a program that dies without closing does not hang; SQLite recovers from that by itself.
        self._thread = Thread(target=self._serve, name=f"storage {does.removesuffix('e')}er", daemon=True)
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
        self._gathered.append(job)
        self._gather()
        result: T = await job.future
        return result

    async def watch(self) -> None:
        """Return when the thread was closed; raise `StorageFailed` if it ended by itself."""
        await asyncio.shield(self._ended)
        if self._is_broken:
            raise StorageFailed(f"the storage's thread for each {self._does} has ended, see the log; start again")

    async def close(self) -> None:
        """Finish what is queued, refuse what comes, close the connection."""
        if not self._is_closing:
            self._is_closing = True
            self._gather()
        await asyncio.shield(self._ended)
        self._thread.join()

    def _gather(self) -> None:
        if not self._is_gathering and not self._is_at_work:
            self._is_gathering = True
            self._loop.call_soon(self._look, 0, self._loop.time() + LONGEST_GATHERING_SECONDS)

    def _look(self, before: int, until: float) -> None:
        """Hand over what was gathered, unless there is more of it than a turn ago."""
        amount = len(self._gathered)
        if before < amount < self._max_batch and self._loop.time() < until:
            self._loop.call_soon(self._look, amount, until)
            return
        self._is_gathering = False
        if amount:
            self._is_at_work = True
            self._batches.put(self._gathered[: self._max_batch])
            del self._gathered[: self._max_batch]
        elif self._is_closing:
            self._batches.put(None)

    def _serve(self) -> None:
        try:
            while (batch := self._batches.get()) is not None:
                self._perform_all(batch)
                self._tell(self._resolve, batch)
        except BaseException:
            self._is_broken = True
            log.critical("the thread %r ends", self._thread.name, exc_info=True)
        finally:
            self._connection.close()
            self._tell(self._end)

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
        self._is_at_work = False
        for job in batch:
            self._unresolved.discard(job)
            job.resolve()
        if self._gathered or self._is_closing:
            self._gather()

    def _end(self) -> None:
        self._is_closing = True
        for job in self._unresolved:
            job.error = StorageFailed(f"the storage's thread ended before this {self._does} was done")
            job.resolve()
        self._unresolved.clear()
        self._gathered.clear()
        if not self._ended.done():
            self._ended.set_result(None)
