"""The outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from nips.filter import Filter
from storage.errors import StorageFailed
from storage.interface import HERE, Answer, Committed, OutboxRow, QueuedReply
from storage.sqlite import SqliteStorage
from tests.storage.builders import NOW, a_hex, a_queued_reply, a_stored_reply

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


async def test_recipient_has_its_own_rows_in_order_of_number(storage: SqliteStorage) -> None:
    times = [NOW + 9, NOW, NOW + 3, NOW]
    mine = [replace(a_queued_reply(0), next_attempt_at=at) for at in times]
    elsewhere, expired = a_queued_reply(0, destination=RELAY), replace(a_queued_reply(0), expires_at=NOW)
    numbers = await queue(storage, *mine, a_queued_reply(1), elsewhere, expired)
    found = await storage.outbox.waiting_for(a_hex(0), now=NOW)
    assert [row.number for row in found] == list(numbers[:4])
    page = await storage.outbox.waiting_for(a_hex(0), now=NOW, after=numbers[0], limit=2)
    assert [row.number for row in page] == list(numbers[1:3])


async def test_last_number_counts_rows_that_are_gone(storage: SqliteStorage) -> None:
    assert await storage.outbox.last_number() == 0
    numbers = await queue(storage, a_queued_reply(0), a_queued_reply(1))
    await storage.outbox.delivered(numbers)
    assert await storage.outbox.last_number() == numbers[1]


async def test_row_kept_here_becomes_a_wrap_of_its_recipient(storage: SqliteStorage) -> None:
    reply = a_stored_reply(0)
    queued = QueuedReply(RELAY, reply.recipient, 1059, reply.wrap.to_json(), NOW + 60, NOW)
    await queue(storage, queued, queued)
    first, second = await waiting(storage, RELAY)
    await storage.outbox.keep_here(first, reply.wrap)
    assert await waiting(storage, RELAY) == [second]
    for now, expected in ((NOW + 59, [reply.wrap.id]), (NOW + 60, [])):
        kept = await storage.gift_wraps.query(Filter(), recipients=[reply.recipient], now=now, limit=10)
        assert [wrap.id for wrap in kept] == expected


async def test_row_that_was_erased_does_not_come_back_as_a_wrap(storage: SqliteStorage) -> None:
    reply = a_stored_reply(0)
    numbers = await queue(storage, QueuedReply(RELAY, reply.recipient, 1059, reply.wrap.to_json(), NOW + 60, NOW))
    (row,) = await waiting(storage, RELAY)
    await storage.outbox.delivered(numbers)
    assert not await storage.outbox.keep_here(row, reply.wrap)
    assert await storage.gift_wraps.query(Filter(), recipients=[reply.recipient], now=NOW, limit=10) == []


async def test_row_is_not_removed_when_its_wrap_cannot_be_kept(storage: SqliteStorage) -> None:
    reply = a_stored_reply(0)
    await queue(storage, QueuedReply(RELAY, reply.recipient, 1059, reply.wrap.to_json(), NOW + 60, NOW))
    (row,) = await waiting(storage, RELAY)
    with pytest.raises(StorageFailed):
        await storage.outbox.keep_here(replace(row, expires_at="soon"), reply.wrap)  # type: ignore[arg-type]
    assert await waiting(storage, RELAY) == [row]


@pytest.mark.parametrize("damage", [bytes(60), b"\x01" + bytes(60), b""], ids=["no such key", "altered", "empty"])
async def test_damaged_rows_hold_up_no_others_and_go(
    storage: SqliteStorage, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    numbers = await queue(storage, *(a_queued_reply(0) for _ in range(5)))
    damaged = numbers[:3]
    await storage._database.writer.run(
        lambda connection: connection.execute("UPDATE outbox SET content = ? WHERE number <= ?", (damage, damaged[-1]))
    )
    found = await storage.outbox.waiting(destination=HERE, now=NOW, limit=2)
    assert [row.number for row in found] == list(numbers[3:])
    assert [row.number for row in await storage.outbox.waiting_for(a_hex(0), now=NOW)] == list(numbers[3:])
    rows = await storage._database.readers.rows("SELECT number FROM outbox ORDER BY number", ())
    assert [number for (number,) in rows] == list(numbers[3:])
    assert "damaged answers removed" in caplog.text


async def test_replies_can_be_queued_by_themselves(storage: SqliteStorage) -> None:
    numbers = await storage.outbox.add([a_queued_reply(0), a_queued_reply(1)])
    rows = await storage.outbox.waiting(destination=HERE, now=NOW)
    assert [row.number for row in rows] == list(numbers)
    assert [row.recipient for row in rows] == [a_hex(0), a_hex(1)]
