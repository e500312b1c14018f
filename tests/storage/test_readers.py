"""The pool of reading connections."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from functools import partial
from pathlib import Path

import pytest

from nips.filter import Filter
from nips.kinds import INBOX_RELAYS
from storage.accounts import SqliteAccounts
from storage.database import Database
from storage.errors import ReadTooLarge, StorageFailed
from storage.gift_wraps import SqliteGiftWraps
from storage.public_events import SqlitePublicEvents
from storage.readers import Readers
from storage.requests import SqliteRequests
from tests.storage.builders import NOW, a_hex

COUNT = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n"


async def test_rows_come_back_as_tuples(database: Database) -> None:
    assert await database.readers.rows(COUNT, (3,)) == [(1,), (2,), (3,)]
    assert await database.readers.row(COUNT, (3,)) == (1,)
    assert await database.readers.row("SELECT 1 WHERE 0") is None


async def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(StorageFailed, match="readonly"):
        await database.readers.rows("DELETE FROM meta")


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


async def test_a_read_that_cannot_be_ended_keeps_its_rows_and_costs_no_later_one(database: Database) -> None:
    refused: list[str] = []

    def refuse(action: int, operation: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_TRANSACTION and operation == "COMMIT":
            refused.append(operation)
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    def begin_refusing(connection: sqlite3.Connection) -> int:
        connection.set_authorizer(refuse)
        return 1

    assert await database.readers.run(begin_refusing) == 1
    for number in range(3):
        assert await database.readers.row("SELECT ?", (number,)) == (number,)
    assert refused
    await database.readers.run(lambda connection: connection.set_authorizer(None))
    assert await database.readers.row("SELECT 7") == (7,)


async def test_clients_of_the_relay_cannot_take_the_bridges_readers(database: Database) -> None:
    asked: list[asyncio.Task[object]] = []
    busy = threading.Semaphore(0)
    may_go_on = threading.Event()

    def hold() -> int:
        busy.release()
        may_go_on.wait(30)
        return 1

    for connection in database.readers.for_clients._all:
        await connection.create_function("hold", 0, hold)
    for _ in range(10):
        asked.append(asyncio.create_task(database.readers.for_clients.row("SELECT hold()")))
    try:
        for _ in database.readers.for_clients._all:
            assert await asyncio.to_thread(busy.acquire, timeout=30)
        stored = SqliteGiftWraps(database).query(Filter(), recipients=[a_hex(1)], now=NOW, limit=1)
        public = SqlitePublicEvents(database).query(Filter(), now=NOW, limit=1)
        asked += [asyncio.create_task(stored), asyncio.create_task(public)]
        assert (await SqliteRequests(database).look_up(asker=a_hex(0), request_id="x", rumor_id=a_hex(0))).known is None
        assert await SqliteAccounts(database).find(a_hex(0)) is None
        assert await SqlitePublicEvents(database).latest(a_hex(0), INBOX_RELAYS) is None
        assert not any(task.done() for task in asked)
    finally:
        may_go_on.set()
    await asyncio.gather(*asked)


@pytest.mark.parametrize("count", [1, 10, 1000])
async def test_read_that_takes_too_long_is_broken_off(database: Database, count: int) -> None:
    clients = database.readers.for_clients
    await clients.bound(20_000)
    for _ in range(5):
        assert len(await clients.rows(COUNT, (count,))) == count
        with pytest.raises(ReadTooLarge):
            await clients.rows(COUNT, (1_000_000_000,))


async def test_many_small_reads_are_not_one_large(database: Database) -> None:
    clients = database.readers.for_clients
    await clients.bound(20_000)
    for _ in range(200):
        assert len(await clients.rows(COUNT, (900,))) == 900


async def test_reads_of_the_bridge_take_what_they_need(path: Path, database: Database) -> None:
    readers = await Readers.open(path, count=1, busy_timeout_ms=100, max_client_steps=1000)
    assert len(await readers.rows(COUNT, (20_000,))) == 20_000
    with pytest.raises(ReadTooLarge):
        await readers.for_clients.rows(COUNT, (20_000,))
    await readers.close()


async def test_closed_pool_refuses(database: Database) -> None:
    reading = asyncio.gather(*(database.readers.rows(COUNT, (1000,)) for _ in range(5)))
    await asyncio.sleep(0)
    await database.readers.close()
    await database.readers.close()
    assert [len(rows) for rows in await reading] == [1000] * 5
    for pool in (database.readers, database.readers.for_clients):
        with pytest.raises(StorageFailed, match="closed"):
            await pool.rows("SELECT 7")


@pytest.mark.parametrize("turns", range(12))
async def test_reads_that_wait_for_a_connection_are_done_before_the_pool_closes(
    path: Path, database: Database, turns: int
) -> None:
    readers = await Readers.open(path, count=1, busy_timeout_ms=100, max_client_steps=1_000_000)
    reading = asyncio.gather(*(readers.rows(COUNT, (10,)) for _ in range(9)))
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await readers.close()
        assert [len(rows) for rows in await reading] == [10] * 9


async def test_file_that_is_not_there_is_not_made(path: Path) -> None:
    threads = set(threading.enumerate())
    with pytest.raises(StorageFailed, match="cannot be read"):
        await Readers.open(path, count=2, busy_timeout_ms=100, max_client_steps=1_000_000)
    assert not path.exists()
    # The library does not wait for the thread of a connection that was never made; it must not outlive the loop.
    for thread in set(threading.enumerate()) - threads:
        await asyncio.to_thread(thread.join, 30)


async def test_name_with_signs_of_an_address_is_only_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a?b#c%20d.db"
    path.touch()
    readers = await Readers.open(path, count=1, busy_timeout_ms=100, max_client_steps=1_000_000)
    assert await readers.row("SELECT 7") == (7,)
    await readers.close()


async def test_read_sees_what_was_written_before_it_was_asked(database: Database) -> None:
    for number in range(20):
        await database.writer.run(partial(_insert, name=f"name {number}"))
        assert await database.readers.row("SELECT 1 FROM meta WHERE name = ?", (f"name {number}",)) == (1,)


def _insert(connection: sqlite3.Connection, *, name: str) -> None:
    connection.execute("INSERT INTO meta (name, value) VALUES (?, x'00')", (name,))
