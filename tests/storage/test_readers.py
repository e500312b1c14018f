"""The pool of reading connections."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from pathlib import Path

import pytest

from storage.database import Database
from storage.errors import StorageFailed
from storage.readers import Readers

COUNT = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n"


async def test_rows_come_back_as_tuples(database: Database) -> None:
    assert await database.readers.rows(COUNT, (3,)) == [(1,), (2,), (3,)]
    assert await database.readers.row(COUNT, (3,)) == (1,)
    assert await database.readers.row("SELECT 1 WHERE 0") is None


async def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(StorageFailed, match="readonly"):
        await database.readers.rows("DELETE FROM meta")


async def test_stream_may_be_left_early(database: Database) -> None:
    for _ in range(5):
        async with aclosing(database.readers.stream(COUNT, (1_000_000,))) as rows:
            async for (number,) in rows:
                if number == 100:
                    break
    assert await database.readers.row("SELECT 7") == (7,)


async def test_reads_wait_for_a_free_connection(database: Database) -> None:
    results = await asyncio.gather(*(database.readers.rows(COUNT, (number,)) for number in range(1, 20)))
    assert [len(rows) for rows in results] == list(range(1, 20))


async def test_cancelled_read_gives_its_connection_back(database: Database) -> None:
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await database.readers.rows(COUNT, (100_000,))
    assert await database.readers.row("SELECT 7") == (7,)


async def test_fault_names_itself_and_frees_the_connection(database: Database) -> None:
    for _ in range(5):
        with pytest.raises(StorageFailed, match="no such table"):
            await database.readers.rows("SELECT * FROM nowhere")
    assert await database.readers.row("SELECT 7") == (7,)


async def test_closed_pool_refuses(database: Database) -> None:
    reading = asyncio.gather(*(database.readers.rows(COUNT, (1000,)) for _ in range(5)))
    await asyncio.sleep(0)
    await database.readers.close()
    await database.readers.close()
    assert [len(rows) for rows in await reading] == [1000] * 5
    with pytest.raises(StorageFailed, match="closed"):
        await database.readers.rows("SELECT 7")


async def test_file_that_is_not_there_is_not_made(path: Path) -> None:
    threads = set(threading.enumerate())
    with pytest.raises(StorageFailed, match="cannot be read"):
        await Readers.open(path, count=2, busy_timeout_ms=100)
    assert not path.exists()
    # The library does not wait for the thread of a connection that was never made; it must not outlive the loop.
    for thread in set(threading.enumerate()) - threads:
        await asyncio.to_thread(thread.join, 30)


async def test_name_with_signs_of_an_address_is_only_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a?b#c%20d.db"
    path.touch()
    readers = await Readers.open(path, count=1, busy_timeout_ms=100)
    assert await readers.row("SELECT 7") == (7,)
    await readers.close()
