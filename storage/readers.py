"""A small pool of connections that only read, beside the writer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from storage.errors import StorageFailed

Row = tuple[Any, ...]


class Readers:
    """Read-only connections; as many reads run at once as there are of them."""

    def __init__(self, connections: Sequence[aiosqlite.Connection]) -> None:
        self._all = tuple(connections)
        # Last in, first out: the connection used last has the warmest page cache.
        self._idle: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        for connection in connections:
            self._idle.put_nowait(connection)
        self._is_closed = False

    @classmethod
    async def open(cls, path: Path, *, count: int, busy_timeout_ms: int) -> Readers:
        """Open `count` connections to a database that exists."""
        address = f"{path.absolute().as_uri()}?mode=ro"
        connections: list[aiosqlite.Connection] = []
        try:
            for _ in range(count):
                connection = await aiosqlite.connect(address, uri=True, isolation_level=None, cached_statements=256)
                connections.append(connection)
                await connection.execute_fetchall(f"PRAGMA busy_timeout = {busy_timeout_ms}")
        except BaseException as error:
            for connection in connections:
                await connection.close()
            if isinstance(error, sqlite3.Error):
                raise StorageFailed(f"{path} cannot be read: {error}") from error
            raise
        return cls(connections)

    async def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of one statement."""
        async with self._connection() as connection:
            return [tuple(row) for row in await connection.execute_fetchall(sql, parameters)]

    async def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """Return the first row of one statement, or None."""
        rows = await self.rows(sql, parameters)
        return rows[0] if rows else None

    async def stream(self, sql: str, parameters: Sequence[Any] = ()) -> AsyncGenerator[Row, None]:
        """Yield rows as they are read; close the iterator (`aclosing`) to stop early."""
        async with self._connection() as connection, connection.execute(sql, parameters) as cursor:
            async for row in cursor:
                yield tuple(row)

    async def close(self) -> None:
        """Wait for the reads in progress, refuse those that come, close the connections."""
        if self._is_closed:
            return
        self._is_closed = True
        for _ in self._all:
            await self._idle.get()
        for connection in self._all:
            await connection.close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[aiosqlite.Connection]:
        if self._is_closed:
            raise StorageFailed("the storage is closed")
        connection = await self._idle.get()
        try:
            yield connection
        except sqlite3.Error as error:
            raise StorageFailed(f"the database refused to read: {error}") from error
        finally:
            self._idle.put_nowait(connection)
