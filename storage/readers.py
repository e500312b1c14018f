"""Connections that only read, beside the writer.

The bridge itself looks up rows by their keys: one thread gathers such reads, since going there costs more than reading.
What clients of the relay ask for may take long, and has connections of its own; whatever they do, it never holds up
what an answer to a request waits for, and a read that takes too long is broken off.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from storage.errors import ReadTooLarge, StorageFailed
from storage.gathering import GatheringThread, Job

log = logging.getLogger(__name__)

Row = tuple[Any, ...]

# How often SQLite asks on the way to the limit whether to go on. Each time a reader's thread waits for the interpreter.
_LOOKS = 8


class _Effort:
    """What one read may take, on one connection."""

    def __init__(self, max_steps: int) -> None:
        self.every_steps = max(1, max_steps // _LOOKS)
        self._looks = 0

    def begin(self) -> None:
        self._looks = 0

    def is_spent(self) -> bool:
        self._looks += 1
        # SQLite counts on from one use of a prepared statement to the next, so the first look may come at once.
        return self._looks > _LOOKS + 1


class ReaderPool:
    """A few read-only connections; as many reads run at once as there are of them."""

    def __init__(self, connections: Sequence[aiosqlite.Connection]) -> None:
        self._all = tuple(connections)
        self._efforts: dict[aiosqlite.Connection, _Effort] = {}
        # Last in, first out: the connection used last has the warmest page cache.
        self._idle: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        for connection in connections:
            self._idle.put_nowait(connection)
        self._reads = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._is_closed = False

    async def bound(self, max_steps: int) -> None:
        """Break off every read from now on that takes more steps of SQLite's machine, up to a quarter more."""
        for connection in self._all:
            effort = self._efforts[connection] = _Effort(max_steps)
            await connection.set_progress_handler(effort.is_spent, effort.every_steps)

    async def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of one statement; raise `ReadTooLarge` if it takes more than is allowed."""
        async with self._connection() as connection:
            if effort := self._efforts.get(connection):
                effort.begin()
            return [tuple(row) for row in await connection.execute_fetchall(sql, parameters)]

    async def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """Return the first row of one statement, or None."""
        rows = await self.rows(sql, parameters)
        return rows[0] if rows else None

    async def close(self) -> None:
        """Wait for the reads in progress, refuse those that come, close the connections."""
        if self._is_closed:
            return
        self._is_closed = True
        # Not by taking the connections: a read that still waits for one would wait for ever.
        await self._quiet.wait()
        for connection in self._all:
            await connection.close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiosqlite.Connection]:
        if self._is_closed:
            raise StorageFailed("the storage is closed")
        self._reads += 1
        self._quiet.clear()
        try:
            connection = await self._idle.get()
            try:
                yield connection
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                    raise ReadTooLarge("a read was broken off: it took more than storage.max_read_steps") from None
                raise StorageFailed(f"the database refused to read: {error}") from error
            finally:
                self._idle.put_nowait(connection)
        finally:
            self._reads -= 1
            if not self._reads:
                self._quiet.set()


class Readers(GatheringThread):
    """The bridge's own reader, and the pool of those for clients."""

    def __init__(self, own: sqlite3.Connection, for_clients: ReaderPool, *, max_queue: int, max_batch: int) -> None:
        super().__init__(own, does="read", max_queue=max_queue, max_batch=max_batch)
        self.for_clients = for_clients
        """Those for what clients of the relay ask for."""

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        count: int,
        busy_timeout_ms: int,
        max_client_steps: int,
        max_queue: int = 10_000,
        max_batch: int = 500,
    ) -> Readers:
        """Open the bridge's reader, and `count` for clients, to a database that exists; see `bound` for the steps."""
        address = f"{path.absolute().as_uri()}?mode=ro"
        connections: list[aiosqlite.Connection] = []
        try:
            for _ in range(count):
                connection = await aiosqlite.connect(address, uri=True, isolation_level=None, cached_statements=256)
                connections.append(connection)
                await connection.execute_fetchall(f"PRAGMA busy_timeout = {busy_timeout_ms}")
            for_clients = ReaderPool(connections)
            await for_clients.bound(max_client_steps)
            own = await asyncio.to_thread(_connect, address, busy_timeout_ms)
        except BaseException as error:
            for connection in connections:
                await connection.close()
            if isinstance(error, sqlite3.Error):
                raise StorageFailed(f"{path} cannot be read: {error}") from error
            raise
        return cls(own, for_clients, max_queue=max_queue, max_batch=max_batch)

    async def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of one statement."""
        return await self.run(lambda connection: connection.execute(sql, parameters).fetchall())

    async def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """Return the first row of one statement, or None."""
        return await self.run(lambda connection: connection.execute(sql, parameters).fetchone())

    async def close(self) -> None:
        """Close both sorts."""
        await self.for_clients.close()
        await super().close()

    def _perform_all(self, batch: Sequence[Job]) -> None:
        # Together they see one state of the database, and take its lock once.
        try:
            self._let_go("ROLLBACK")
            self._connection.execute("BEGIN")
            for job in batch:
                self._perform(job)
        except sqlite3.Error as error:
            for job in batch:
                job.error = job.error or _failure(error)
        try:
            self._let_go("COMMIT")
        except sqlite3.Error as error:
            # What was read is good. The state that is held is let go of before the next batch.
            log.error("the end of a read failed: %s", error)

    def _let_go(self, by: str) -> None:
        if self._connection.in_transaction:
            self._connection.execute(by)

    def _perform(self, job: Job) -> None:
        try:
            job.outcome = job.work(self._connection)
        except sqlite3.Error as error:
            job.error = _failure(error)
        except Exception as error:
            job.error = error


def _connect(address: str, busy_timeout_ms: int) -> sqlite3.Connection:
    connection = sqlite3.connect(
        address, uri=True, isolation_level=None, cached_statements=256, check_same_thread=False
    )
    try:
        connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms}")
    except BaseException:
        connection.close()
        raise
    return connection


def _failure(error: sqlite3.Error) -> StorageFailed:
    failure = StorageFailed(f"the database refused to read: {error}")
    failure.__cause__ = error
    return failure
