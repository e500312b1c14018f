"""The outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from storage.interface import HERE, Answer, Committed, OutboxRow, QueuedReply
from storage.sqlite import SqliteStorage
from tests.storage.builders import NOW, a_queued_reply

RELAY = "wss://relay.example"


async def queue(storage: SqliteStorage, *replies: QueuedReply) -> Sequence[int]:
    """Put replies into the outbox and return their numbers."""
    committed = await storage.requests.commit(Answer(wrap_ids=[], replies=replies))
    assert isinstance(committed, Committed)
    return committed.queued


async def waiting(storage: SqliteStorage, destination: str = HERE, now: int = NOW) -> Sequence[OutboxRow]:
    """Return what waits for a destination."""
    return await storage.outbox.waiting(destination=destination, now=now)


async def test_queued_reply_waits_as_it_was(storage: SqliteStorage) -> None:
    reply = QueuedReply(RELAY, "ab" * 32, 1059, '{"content":"ü \\" 🙂"}', NOW + 60, NOW + 5)
    (number,) = await queue(storage, reply)
    expected = OutboxRow(number, RELAY, "ab" * 32, 1059, reply.payload_json, NOW + 60, 0, NOW + 5)
    assert await waiting(storage, RELAY) == [expected]


async def test_each_destination_sees_its_own(storage: SqliteStorage) -> None:
    numbers = await queue(storage, a_queued_reply(0), a_queued_reply(1, destination=RELAY), a_queued_reply(2))
    assert [row.number for row in await waiting(storage)] == [numbers[0], numbers[2]]
    assert [row.number for row in await waiting(storage, RELAY)] == [numbers[1]]


async def test_due_first_then_in_order_of_arrival(storage: SqliteStorage) -> None:
    times = [NOW + 9, NOW, NOW + 3, NOW]
    numbers = await queue(storage, *(a_queued_reply(n, next_attempt_at=at) for n, at in enumerate(times)))
    order = [numbers[1], numbers[3], numbers[2], numbers[0]]
    assert [row.number for row in await waiting(storage)] == order
    assert [row.number for row in await storage.outbox.waiting(destination=HERE, now=NOW, limit=2)] == order[:2]


async def test_expired_row_is_not_returned(storage: SqliteStorage) -> None:
    await queue(storage, replace(a_queued_reply(), expires_at=NOW + 10))
    assert len(await waiting(storage, now=NOW + 9)) == 1
    assert await waiting(storage, now=NOW + 10) == []


async def test_delivered_rows_are_gone(storage: SqliteStorage) -> None:
    numbers = await queue(storage, *map(a_queued_reply, range(3)))
    await storage.outbox.delivered([numbers[0], numbers[2], 999])
    assert [row.number for row in await waiting(storage)] == [numbers[1]]


async def test_failed_attempt_is_counted_and_put_off(storage: SqliteStorage) -> None:
    first, second = await queue(storage, a_queued_reply(0), a_queued_reply(1))
    await storage.outbox.postpone(first, next_attempt_at=NOW + 30)
    await storage.outbox.postpone(first, next_attempt_at=NOW + 40)
    rows = await waiting(storage)
    assert [(row.number, row.attempts, row.next_attempt_at) for row in rows] == [
        (second, 0, NOW),
        (first, 2, NOW + 40),
    ]


async def test_number_is_never_used_again(storage: SqliteStorage) -> None:
    (first,) = await queue(storage, a_queued_reply(0))
    await storage.outbox.delivered([first])
    (second,) = await queue(storage, a_queued_reply(1))
    assert second > first
    await storage.outbox.delivered([first])
    assert [row.number for row in await waiting(storage)] == [second]
