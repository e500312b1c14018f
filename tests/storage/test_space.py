"""The database fills up, really, and empties again."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from nips.filter import Filter
from nips.kinds import PROFILE
from nips.nip09 import Deletion
from storage.database import Limits
from storage.encryption import KeyRing
from storage.errors import StorageFailed, StorageFull
from storage.interface import HERE, Answer, InboxEntry, InboxId
from storage.relay_interface import Added, Room
from storage.space import SpaceLimits
from storage.sqlite import SqliteStorage, open_storage
from tests.storage.builders import NOW, a_hex, a_new_account, a_request, a_wrap, an_answer, an_entry, an_event
from tests.support.deadline import within

KIB = 1024
MAX, RESERVE = 1024 * KIB, 512 * KIB
SMALL = SpaceLimits(max_bytes=MAX, reserve_bytes=RESERVE)
BIG = "x" * 5000
EXPIRY = NOW + 100
BRIEF = 10
OWNER = a_new_account(1).pubkey
ROOM = Room(in_all=100_000, per_key=100_000)


async def open_with_account(path: Path, key_ring: KeyRing, limits: Limits) -> SqliteStorage:
    """Open a storage in which `OWNER` has an account."""
    storage = await open_storage(path, key_ring, limits)
    await storage.accounts.admit(a_new_account(1), max_accounts=10)
    return storage


@pytest.fixture
async def small(path: Path, key_ring: KeyRing) -> AsyncIterator[SqliteStorage]:
    """Open a storage with little room."""
    storage = await open_with_account(path, key_ring, Limits(space=SMALL))
    yield storage
    await storage.close()


def pages_in_use(path: Path) -> int:
    """Return how much of the file is in use, in bytes."""
    with closing(sqlite3.connect(path)) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * size)


async def add_wrap(storage: SqliteStorage, number: int) -> Any:
    wrap = a_wrap(number, to=OWNER, tags=[("x", BIG)])
    return await storage.gift_wraps.add(wrap, recipient=OWNER, expires_at=EXPIRY, quota=100_000)


async def add_wrap_for_stranger(storage: SqliteStorage, number: int) -> Any:
    stranger = a_hex(number, what="stranger")
    wrap = a_wrap(number, to=stranger, tags=[("x", BIG)])
    return await storage.gift_wraps.add(
        wrap, recipient=stranger, expires_at=EXPIRY, quota=100_000, brief_until=NOW + BRIEF
    )


async def add_profile(storage: SqliteStorage, number: int) -> Any:
    event = an_event(number, author=number, kind=PROFILE, tags=[("x", BIG), ("expiration", str(EXPIRY))])
    return await storage.public_events.put(event, room=ROOM)


async def add_deletion(storage: SqliteStorage, number: int) -> Any:
    request = an_event(number, kind=5, tags=[("e", a_hex(number)), ("x", BIG)])
    named = Deletion(ids=frozenset({a_hex(number)}), addresses=frozenset(), of_wraps=False)
    return await storage.deletions.delete(request, named, room=ROOM)


async def add_entry(storage: SqliteStorage, number: int) -> Any:
    entry = InboxEntry(a_hex(number, what="wrap"), "here", NOW, BIG)
    return await storage.inbox.add(entry, seen_until=EXPIRY, max_waiting=100_000)


async def add_answer(storage: SqliteStorage, number: int) -> Any:
    plain = an_answer(number)
    answer = Answer(plain.wrap_ids, plain.replies, plain.request, f'{{"x":"{BIG}"}}', EXPIRY)
    return await storage.requests.commit(answer)


Add = Callable[[SqliteStorage, int], Awaitable[Any]]


async def fill(storage: SqliteStorage, add: Add, *, first: int = 0) -> int:
    """Add until there is no room; return how many were taken."""
    for taken in count():
        try:
            await add(storage, first + taken)
        except StorageFull:
            return taken
    raise AssertionError("it never was full")


@pytest.mark.parametrize("add", [add_wrap, add_profile])
async def test_what_others_leave_ends_at_the_bound(small: SqliteStorage, path: Path, add: Add) -> None:
    async with within(30):
        taken = await fill(small, add)
    assert taken > 40
    assert MAX <= pages_in_use(path) <= MAX + 32 * KIB
    for other in (add_wrap, add_profile):
        with pytest.raises(StorageFull):
            await other(small, 9999)


async def test_one_batch_does_not_pass_the_bound_by_more_than_itself(path: Path, key_ring: KeyRing) -> None:
    storage = await open_with_account(path, key_ring, Limits(space=SMALL, max_batch=10))
    async with within(30):
        outcomes = await asyncio.gather(*(add_wrap(storage, number) for number in range(500)), return_exceptions=True)
    await storage.close()
    assert outcomes.count(Added.ADDED) + sum(isinstance(one, StorageFull) for one in outcomes) == 500
    assert MAX <= pages_in_use(path) <= MAX + 10 * 16 * KIB


async def test_bridge_goes_on_where_others_may_not(small: SqliteStorage) -> None:
    async with within(30):
        await fill(small, add_wrap)
    assert await add_entry(small, 0) is Added.ADDED
    await add_answer(small, 0)
    assert await small.accounts.admit(a_new_account(), max_accounts=10) is not None
    await small.public_events.put(an_event(kind=PROFILE))
    await small.secrets.put("name", b"value")
    # Deleting makes room.
    assert await add_deletion(small, 0) is Added.ADDED


async def test_reserve_ends_for_deletions_before_requests_and_for_requests_before_answers(
    small: SqliteStorage, path: Path
) -> None:
    used: list[int] = []
    async with within(60):
        for add in (add_wrap, add_deletion, add_entry, add_answer):
            await fill(small, add)
            used.append(pages_in_use(path))
            with pytest.raises(StorageFull):
                await add(small, 99_999)
    others, deletions, requests, answers = used
    slop = 16 * KIB
    assert MAX <= others <= MAX + slop
    assert MAX + RESERVE // 2 <= deletions <= MAX + RESERVE // 2 + slop
    assert MAX + RESERVE * 15 // 16 <= requests <= MAX + RESERVE * 15 // 16 + slop
    assert requests < answers <= MAX + RESERVE
    assert path.stat().st_size <= MAX + RESERVE


async def test_answer_to_a_wrap_that_was_not_kept_has_to_find_the_room_of_a_request(small: SqliteStorage) -> None:
    async with within(60):
        for add in (add_wrap, add_entry):
            await fill(small, add)
    with pytest.raises(StorageFull):
        await add_answer(small, 99_999)
    # The last of the reserve is for those whose wraps were kept.
    await add_answer(small, 0)
    for number, is_known in ((99_999, False), (0, True)):
        asked = a_request(number)
        dossier = await small.requests.look_up(asker=asked.scope, request_id=asked.request_id, rumor_id=asked.rumor_id)
        assert (dossier.known is not None) is is_known


async def test_wraps_that_do_not_open_take_no_room(small: SqliteStorage, path: Path) -> None:
    before = pages_in_use(path)
    async with within(60):
        for first in range(0, 20_000, 1000):
            ids = [InboxId(a_hex(number, what="junk"), HERE) for number in range(first, first + 1000)]
            await small.inbox.drop(ids)
    assert pages_in_use(path) == before


async def test_wraps_for_keys_without_an_account_end_at_three_quarters(small: SqliteStorage, path: Path) -> None:
    async with within(30):
        taken = await fill(small, add_wrap_for_stranger)
    assert taken > 40
    assert MAX * 3 / 4 <= pages_in_use(path) <= MAX * 3 / 4 + 16 * KIB
    assert await add_wrap(small, 10_000) is Added.ADDED
    assert await add_profile(small, 10_000) is Added.ADDED


async def test_wraps_for_keys_without_an_account_stay_for_a_shorter_time_past_a_half(
    small: SqliteStorage, path: Path
) -> None:
    async with within(30):
        taken = await fill(small, add_wrap_for_stranger)
        removed = await small.purge(now=NOW + BRIEF, buckets={})
    assert taken / 4 < removed["gift_wraps"] < taken / 2
    # There is room for them again, and those of before the half are there for as long as any other.
    assert await add_wrap_for_stranger(small, 20_000) is Added.ADDED
    assert (await small.purge(now=EXPIRY - 1, buckets={}))["gift_wraps"] == 1


async def test_file_never_outgrows_its_end_and_nothing_acknowledged_is_lost(path: Path, key_ring: KeyRing) -> None:
    storage = await open_with_account(path, key_ring, Limits(space=SMALL))
    async with within(60):
        wraps = await fill(storage, add_wrap)
        entries = await fill(storage, add_entry)
        answers = await fill(storage, add_answer)
        # Together in one batch: those that find no room do not take the others with them.
        together = await asyncio.gather(
            *(add_answer(storage, number) for number in range(answers, answers + 20)),
            storage.inbox.drop([an_entry(entries - 1).id]),
            return_exceptions=True,
        )
    assert not isinstance(together[-1], BaseException)
    assert all(isinstance(one, StorageFailed) for one in together[:-1])
    await storage.close()
    assert path.stat().st_size <= MAX + RESERVE
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        for table, kept in (("gift_wraps", wraps), ("inbox", entries - answers - 1), ("responses", answers)):
            (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            # A stored reply of each answer is kept as a wrap too.
            assert rows == kept + (answers if table == "gift_wraps" else 0), table


async def test_full_database_has_room_again_after_the_purge(small: SqliteStorage, path: Path) -> None:
    async with within(60):
        for add in (add_wrap, add_deletion, add_entry, add_answer):
            await fill(small, add)
        removed = await small.purge(now=NOW + 10**7, buckets={})
    assert removed["gift_wraps"] > 50
    assert await add_wrap(small, 100_000) is Added.ADDED
    assert await add_entry(small, 100_000) is Added.ADDED
    # Free pages are room, though the file is as long as before.
    assert path.stat().st_size > MAX


async def test_operator_reads_one_line_for_each_crossing(
    small: SqliteStorage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "storage")
    async with within(60):
        for first in (0, 10_000):
            await fill(small, add_wrap, first=first)
            for number in range(20):
                with pytest.raises(StorageFull):
                    await add_wrap(small, 5000 + number)
            await small.purge(now=EXPIRY, buckets={})
    full = "the database is full: nothing more is kept for others"
    lines = [record.getMessage() for record in caplog.records]
    assert [line for line in lines if full in line] == [full, f"no more: {full}"] * 2
    assert len(lines) == len(set(lines)) * 2 == 12


async def test_one_wrap_that_goes_does_not_open_the_door_for_one_that_comes(small: SqliteStorage) -> None:
    async with within(30):
        await fill(small, add_wrap)
    wrap = a_wrap(0, to=OWNER, tags=[("x", BIG)])
    named = Deletion(ids=frozenset({wrap.id}), addresses=frozenset(), of_wraps=True)
    await small.deletions.delete(an_event(author=0, kind=5), named, room=ROOM)
    assert await small.gift_wraps.count([(Filter(ids=frozenset({wrap.id})), [OWNER])], now=NOW) == 0
    with pytest.raises(StorageFull):
        await add_wrap(small, 5000)


async def test_database_that_is_full_already_is_opened_and_is_full(path: Path, key_ring: KeyRing) -> None:
    storage = await open_with_account(path, key_ring, Limits())
    async with within(30):
        for number in range(300):
            await add_wrap(storage, number)
    await storage.close()
    size = path.stat().st_size
    storage = await open_with_account(
        path, key_ring, Limits(space=SpaceLimits(max_bytes=size // 4, reserve_bytes=size // 4))
    )
    with pytest.raises(StorageFull):
        await add_wrap(storage, 1000)
    with pytest.raises(StorageFull):
        await add_entry(storage, 1000)
    async with within(30):
        await storage.purge(now=EXPIRY, buckets={})
    assert await add_wrap(storage, 1000) is Added.ADDED
    await storage.close()


LOG_BYTES = 256 * KIB


def read_without_pause(path: Path, stop: Event) -> None:
    """Read so that there is never a moment without a reader, though none reads for long."""
    readers = [sqlite3.connect(path, isolation_level=None) for _ in range(2)]
    while not stop.is_set():
        for reader, last in (readers, reversed(readers)):
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM gift_wraps").fetchone()
            if last.in_transaction:
                last.execute("COMMIT")
    for reader in readers:
        reader.close()


async def test_log_does_not_grow_because_somebody_always_reads(path: Path, key_ring: KeyRing) -> None:
    storage = await open_with_account(path, key_ring, Limits(space=SpaceLimits(max_log_bytes=LOG_BYTES)))
    log = path.with_name(f"{path.name}-wal")
    stop = Event()
    longest = 0
    async with within(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(read_without_pause, path, stop))
        try:
            for number in range(200):
                await add_wrap(storage, number)
                longest = max(longest, log.stat().st_size)
        finally:
            stop.set()
    await storage.close()
    assert longest < 2 * LOG_BYTES


async def test_log_that_a_reader_holds_up_counts_as_taken(path: Path, key_ring: KeyRing) -> None:
    limits = SpaceLimits(max_bytes=2 * MAX, reserve_bytes=RESERVE, max_log_bytes=LOG_BYTES)
    storage = await open_with_account(path, key_ring, Limits(space=limits))
    log = path.with_name(f"{path.name}-wal")
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM gift_wraps").fetchone()
        async with within(60):
            await fill(storage, add_wrap)
        # The file alone is far from full.
        assert pages_in_use(path) < 2 * MAX - LOG_BYTES
        assert log.stat().st_size > LOG_BYTES
        assert await add_entry(storage, 1) is Added.ADDED
    async with within(30):
        await storage.purge(now=NOW, buckets={})
    assert log.stat().st_size <= LOG_BYTES
    assert await add_wrap(storage, 100_000) is Added.ADDED
    await storage.close()


def log_bytes(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size


async def test_purge_leaves_nothing_in_the_log(small: SqliteStorage, path: Path) -> None:
    await add_wrap(small, 0)
    assert log_bytes(path) > 0
    await small.purge(now=NOW, buckets={})
    assert log_bytes(path) == 0


async def test_log_that_a_reader_holds_is_cut_off_by_the_next_purge(small: SqliteStorage, path: Path) -> None:
    await add_wrap(small, 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM gift_wraps").fetchone()
        await add_wrap(small, 1)
        await small.purge(now=NOW, buckets={})
        assert log_bytes(path) > 0
        await add_wrap(small, 2)
    await small.purge(now=NOW, buckets={})
    assert log_bytes(path) == 0
