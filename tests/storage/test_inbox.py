"""The inbox."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from storage.database import Database, Limits
from storage.encryption import KeyRing
from storage.errors import DamagedValue, StorageKeyMissing
from storage.inbox import SqliteInbox
from storage.interface import HERE, Added, InboxEntry, InboxId, Unreadable
from storage.sqlite import SqliteStorage, open_storage
from tests.storage.builders import NOW, a_hex, an_answer, an_entry

SEEN_UNTIL = NOW + 172_800
LINK = "wss://relay.example"


async def add(storage: SqliteStorage, entry: InboxEntry, *, max_waiting: int = 100) -> Added:
    """Offer a wrap."""
    return await storage.inbox.add(entry, seen_until=SEEN_UNTIL, max_waiting=max_waiting)


async def test_accepted_wrap_waits_as_it_came(storage: SqliteStorage) -> None:
    entry = InboxEntry(a_hex(1), "wss://relay.example/ü", NOW, '{"content":"\\u0000 \\" ü 🙂"}')
    assert await add(storage, entry) is Added.ADDED
    assert await storage.inbox.waiting() == [(1, entry)]


async def test_same_wrap_by_the_same_link_is_a_duplicate(storage: SqliteStorage) -> None:
    await add(storage, an_entry())
    assert await add(storage, replace(an_entry(), received_at=NOW + 1)) is Added.DUPLICATE
    assert await storage.inbox.waiting() == [(1, an_entry())]


async def test_same_wrap_by_another_link_is_another_entry(storage: SqliteStorage) -> None:
    copied, original = an_entry(), an_entry(link=LINK)
    assert [await add(storage, entry) for entry in (copied, original)] == [Added.ADDED, Added.ADDED]
    assert await storage.inbox.waiting() == [(1, copied), (2, original)]
    assert await add(storage, original) is Added.DUPLICATE


async def test_entry_that_goes_leaves_those_of_other_links(storage: SqliteStorage) -> None:
    copied, original = an_entry(), an_entry(link=LINK)
    for entry in (copied, original, an_entry(1)):
        await add(storage, entry)
    await storage.inbox.drop([an_entry(1).id])
    await storage.requests.commit(an_answer(0))
    assert await storage.inbox.waiting() == [(2, original)]
    assert await add(storage, copied) is Added.DUPLICATE


async def test_wrap_offered_on_many_connections_at_once_is_added_once(storage: SqliteStorage) -> None:
    outcomes = await asyncio.gather(*(add(storage, an_entry()) for _ in range(20)))
    assert sorted(outcomes) == [Added.ADDED, *[Added.DUPLICATE] * 19]


async def test_full_inbox_remembers_nothing_of_what_it_refused(storage: SqliteStorage) -> None:
    assert await add(storage, an_entry(0), max_waiting=1) is Added.ADDED
    assert await add(storage, an_entry(1), max_waiting=1) is Added.FULL
    assert await add(storage, an_entry(0), max_waiting=1) is Added.DUPLICATE
    await storage.inbox.drop([an_entry(0).id])
    assert await add(storage, an_entry(1), max_waiting=1) is Added.ADDED


async def test_dropped_wrap_stays_remembered(storage: SqliteStorage) -> None:
    await add(storage, an_entry(0))
    await add(storage, an_entry(1))
    await storage.inbox.drop([an_entry(0).id, InboxId(a_hex(99), HERE)])
    assert [entry for _, entry in await storage.inbox.waiting()] == [an_entry(1)]
    assert await add(storage, an_entry(0)) is Added.DUPLICATE


async def test_answered_wrap_stays_remembered(storage: SqliteStorage) -> None:
    await add(storage, an_entry(0))
    await storage.requests.commit(an_answer(0))
    assert await storage.inbox.waiting() == []
    assert await add(storage, an_entry(0)) is Added.DUPLICATE


async def test_id_is_forgotten_within_an_hour_after_its_time(storage: SqliteStorage) -> None:
    await add(storage, an_entry(0))
    await storage.requests.commit(an_answer(0))
    await storage.purge(now=SEEN_UNTIL - 1, buckets={})
    assert await add(storage, an_entry(0)) is Added.DUPLICATE
    await storage.purge(now=SEEN_UNTIL + 3600, buckets={})
    assert await add(storage, an_entry(0)) is Added.ADDED


async def test_wrap_that_still_waits_is_a_duplicate_after_its_id_was_forgotten(storage: SqliteStorage) -> None:
    await add(storage, an_entry(0))
    assert (await storage.purge(now=SEEN_UNTIL + 3600, buckets={}))["seen"] == 1
    assert await add(storage, an_entry(0)) is Added.DUPLICATE


async def test_pages_follow_the_order_of_arrival(storage: SqliteStorage) -> None:
    for number in (5, 3, 9, 1):
        await add(storage, an_entry(number))
    first = await storage.inbox.waiting(limit=3)
    assert [entry for _, entry in first] == [an_entry(5), an_entry(3), an_entry(9)]
    assert [entry for _, entry in await storage.inbox.waiting(after=first[-1][0])] == [an_entry(1)]


async def test_number_is_never_used_again(storage: SqliteStorage) -> None:
    await add(storage, an_entry(0))
    ((number, _),) = await storage.inbox.waiting()
    await storage.inbox.drop([an_entry(0).id])
    await add(storage, an_entry(1))
    assert [entry for _, entry in await storage.inbox.waiting(after=number)] == [an_entry(1)]


@pytest.mark.parametrize(
    "damage",
    [
        "entry = (SELECT entry FROM inbox WHERE number = 1)",
        "entry = CAST(substr(entry, 1, 20) || x'00' || substr(entry, 22) AS BLOB)",
        "entry = substr(entry, 1, 9)",
        "arrival = zeroblob(16)",
    ],
    ids=["moved from another row", "altered", "cut short", "under another name"],
)
async def test_damaged_entry_is_told_and_hides_no_other(database: Database, damage: str) -> None:
    inbox = SqliteInbox(database)
    for number in range(3):
        await inbox.add(an_entry(number), seen_until=SEEN_UNTIL, max_waiting=3)
    statement = f"UPDATE inbox SET {damage} WHERE number = 2"
    await database.writer.run(lambda connection: connection.execute(statement))
    first, (number, damaged), third = await inbox.waiting()
    assert [first, third] == [(1, an_entry(0)), (3, an_entry(2))]
    assert isinstance(damaged, Unreadable)
    assert isinstance(damaged.reason, DamagedValue)
    await inbox.discard(number)
    assert await inbox.waiting() == [first, third]
    assert await inbox.add(an_entry(3), seen_until=SEEN_UNTIL, max_waiting=3) is Added.ADDED


async def test_empty_entry_lacks_its_key(database: Database) -> None:
    inbox = SqliteInbox(database)
    await inbox.add(an_entry(), seen_until=SEEN_UNTIL, max_waiting=3)
    await database.writer.run(lambda connection: connection.execute("UPDATE inbox SET entry = x''"))
    ((_, entry),) = await inbox.waiting()
    assert isinstance(entry, Unreadable)
    assert isinstance(entry.reason, StorageKeyMissing)


async def rows_of_seen(storage: SqliteStorage) -> int:
    """Count the wraps that the file remembers."""
    return (await storage.purge(now=SEEN_UNTIL + 10**6, buckets={}))["seen"]


async def test_wraps_without_an_answer_leave_nothing_in_the_file(storage: SqliteStorage) -> None:
    await add(storage, an_entry(0))
    ids = [an_entry(number).id for number in range(5)]
    assert await storage.inbox.drop(ids[:1])
    assert await storage.inbox.drop(ids[1:])
    assert not await storage.inbox.drop(ids)
    assert await storage.inbox.waiting() == []
    assert await rows_of_seen(storage) == 0


async def test_wrap_that_was_answered_and_is_dropped_when_it_comes_again_came_before(storage: SqliteStorage) -> None:
    await storage.requests.commit(an_answer(0))
    assert not await storage.inbox.drop([an_entry(0).id])
    assert await rows_of_seen(storage) == 1


async def test_no_more_dropped_wraps_are_remembered_than_the_maximum(path: Path, key_ring: KeyRing) -> None:
    storage = await open_storage(path, key_ring, Limits(max_dropped=3))
    for number in range(10):
        assert await storage.inbox.drop([an_entry(number).id])
    again = [await add(storage, an_entry(number)) for number in range(10)]
    await storage.close()
    assert again == [Added.ADDED] * 7 + [Added.DUPLICATE] * 3


async def test_wrap_that_is_settled_came_before(storage: SqliteStorage) -> None:
    await storage.inbox.settle([an_entry(0).id], seen_until=NOW + 60)
    assert await storage.inbox.add(an_entry(0), seen_until=NOW + 60, max_waiting=9) is Added.DUPLICATE
    assert await storage.inbox.waiting() == []
