"""Answered requests and the transaction that answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from nips.filter import Filter
from storage.account_interface import Acting
from storage.errors import StorageFailed
from storage.interface import (
    HERE,
    Added,
    AlreadyKnown,
    Answer,
    Committed,
    KnownRequest,
    NoPermit,
    QueuedReply,
    RequestKey,
    SeenBefore,
    StoredReply,
)
from storage.permits import Balance
from storage.sqlite import SqliteStorage
from tests.storage.builders import (
    BUCKET,
    DAY,
    NOW,
    a_hex,
    a_permit,
    a_queued_reply,
    a_request,
    a_stored_reply,
    an_account,
    an_answer,
    an_entry,
)


async def find(storage: SqliteStorage, number: int, *, scope: int = 0, rumor: int | None = None) -> KnownRequest | None:
    """Look a request up."""
    key = a_request(number, scope=scope, rumor=rumor)
    return (await storage.requests.look_up(asker=key.scope, request_id=key.request_id, rumor_id=key.rumor_id)).known


async def contents(storage: SqliteStorage) -> tuple[int, Sequence[int], Sequence[str], dict[str, Balance]]:
    """Return what an answer can change: entries waiting, replies queued, wraps kept, balances."""
    wraps = await storage.gift_wraps.query(Filter(), recipients=[a_hex(n) for n in range(5)], now=NOW, limit=100)
    return (
        len(await storage.inbox.waiting()),
        [row.number for row in await storage.outbox.waiting(destination=HERE, now=NOW)],
        [wrap.id for wrap in wraps],
        await storage.permits.balances(1),
    )


async def accept(storage: SqliteStorage, *numbers: int) -> None:
    """Put wraps into the inbox."""
    for number in numbers:
        await storage.inbox.add(an_entry(number), seen_until=NOW + 172_800, max_waiting=100)


async def test_answer_moves_everything_at_once(storage: SqliteStorage) -> None:
    await accept(storage, 0, 1)
    answer = replace(an_answer(0, permit=a_permit()), wrap_ids=[an_entry(0).id, an_entry(1).id])
    committed = await storage.requests.commit(answer)
    assert isinstance(committed, Committed)
    waiting, queued, kept, balances = await contents(storage)
    assert waiting == 0
    assert queued == list(committed.queued)
    assert kept == [a_stored_reply(0).wrap.id]
    assert balances == {"turn": Balance(60_000, 60_000, NOW * 1000)}
    assert await find(storage, 0) == KnownRequest(a_request(0).rumor_id, a_request(0).digest, '{"response":0}')


async def test_numbers_of_queued_replies_keep_their_order(storage: SqliteStorage) -> None:
    replies: list[StoredReply | QueuedReply] = [
        a_queued_reply(0),
        a_stored_reply(0),
        a_queued_reply(1, destination="wss://relay.example"),
    ]
    committed = await storage.requests.commit(Answer(wrap_ids=[], replies=replies))
    assert isinstance(committed, Committed)
    first, second = committed.queued
    assert [row.number for row in await storage.outbox.waiting(destination=HERE, now=NOW)] == [first]
    (row,) = await storage.outbox.waiting(destination="wss://relay.example", now=NOW)
    assert row.number == second


@pytest.mark.parametrize(
    ("number", "scope", "rumor", "is_known"),
    [(0, 0, 0, True), (0, 0, 9, True), (9, 0, 0, True), (0, 1, 9, False), (9, 0, 9, False)],
)
async def test_request_is_known_by_its_rumor_or_by_its_scope_and_id(
    storage: SqliteStorage, number: int, scope: int, rumor: int, is_known: bool
) -> None:
    await storage.requests.commit(an_answer(0))
    found = await find(storage, number, scope=scope, rumor=rumor)
    assert (found is not None) is is_known
    if found:
        assert found.rumor_id == a_request(0).rumor_id


async def test_own_answer_of_a_rumor_comes_before_that_of_its_id(storage: SqliteStorage) -> None:
    await storage.requests.commit(an_answer(0))
    await storage.requests.commit(an_answer(1))
    found = await find(storage, 0, rumor=1)
    assert found is not None
    assert found.response_json == '{"response":1}'


@pytest.mark.parametrize("request_again", [a_request(0), a_request(0, rumor=9), a_request(9, rumor=0)])
async def test_known_request_is_answered_and_charged_once(storage: SqliteStorage, request_again: RequestKey) -> None:
    await accept(storage, 0, 1)
    await storage.requests.commit(an_answer(0, permit=a_permit()))
    before = await contents(storage)
    again = replace(an_answer(1, permit=a_permit()), request=request_again)
    outcome = await storage.requests.commit(again)
    assert outcome == AlreadyKnown(KnownRequest(a_request(0).rumor_id, a_request(0).digest, '{"response":0}'))
    assert await contents(storage) == before


async def test_race_for_one_request_has_one_winner(storage: SqliteStorage) -> None:
    await accept(storage, 0)
    outcomes = await asyncio.gather(*(storage.requests.commit(an_answer(0, permit=a_permit())) for _ in range(20)))
    assert sum(isinstance(outcome, Committed) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, AlreadyKnown) for outcome in outcomes) == 19
    waiting, queued, kept, balances = await contents(storage)
    assert (waiting, len(queued), len(kept)) == (0, 1, 1)
    assert balances["turn"].worth_ms == 60_000


async def test_race_for_the_last_permit_has_one_winner(storage: SqliteStorage) -> None:
    await storage.requests.commit(an_answer(0, permit=a_permit()))
    answers = [an_answer(number, permit=a_permit()) for number in range(1, 11)]
    outcomes = await asyncio.gather(*map(storage.requests.commit, answers))
    assert sum(isinstance(outcome, Committed) for outcome in outcomes) == 1
    assert outcomes.count(NoPermit(60_000)) == 9


async def test_answer_without_its_permit_writes_nothing(storage: SqliteStorage) -> None:
    await accept(storage, 0, 1, 2)
    for number in range(2):
        await storage.requests.commit(an_answer(number, permit=a_permit()))
    before = await contents(storage)
    refused = await storage.requests.commit(an_answer(2, permit=a_permit(now_ms=NOW * 1000 + 100)))
    assert refused == NoPermit(59_900)
    assert await contents(storage) == before
    assert await find(storage, 2) is None


async def test_answer_that_is_not_stored_may_be_given_again(storage: SqliteStorage) -> None:
    await accept(storage, 0, 1)
    for number in range(2):
        again = replace(an_answer(0), request=None, wrap_ids=[an_entry(number).id])
        assert isinstance(await storage.requests.commit(again), Committed)
    assert await find(storage, 0) is None
    waiting, queued, kept, _ = await contents(storage)
    assert (waiting, len(queued), len(kept)) == (0, 2, 1)


async def test_fault_in_the_middle_leaves_nothing(storage: SqliteStorage) -> None:
    await accept(storage, 0)
    before = await contents(storage)
    # The last reply has a time that no column takes, so everything before it is written already.
    broken = QueuedReply(HERE, a_hex(0), 21059, "{}", NOW + 60, "soon")  # type: ignore[arg-type]
    answer = an_answer(0, permit=a_permit())
    with pytest.raises(StorageFailed):
        await storage.requests.commit(replace(answer, replies=[*answer.replies, broken]))
    assert await contents(storage) == before
    assert await find(storage, 0) is None
    assert isinstance(await storage.requests.commit(answer), Committed)


async def test_answer_notes_the_day_its_device_was_seen(storage: SqliteStorage) -> None:
    account, device = await an_account(storage)
    answer = replace(an_answer(), acting=Acting(account.number, device.device_id, seen_day=DAY + 86_400))
    await storage.requests.commit(answer)
    assert await storage.accounts.devices(account.number) == [replace(device, last_seen_day=DAY + 86_400)]


async def test_stored_reply_is_kept_beyond_the_quota(storage: SqliteStorage) -> None:
    replies = [replace(a_stored_reply(number), recipient=a_hex(0)) for number in range(3)]
    await storage.requests.commit(Answer(wrap_ids=[], replies=replies))
    wraps = await storage.gift_wraps.query(Filter(), recipients=[a_hex(0)], now=NOW, limit=10)
    assert {wrap.id for wrap in wraps} == {reply.wrap.id for reply in replies}


async def test_response_is_forgotten_within_an_hour_after_its_time(storage: SqliteStorage) -> None:
    answer = an_answer(0)
    await storage.requests.commit(answer)
    await storage.purge(now=answer.forget_at - 1, buckets={})
    assert await find(storage, 0) is not None
    await storage.purge(now=answer.forget_at + 3600, buckets={})
    assert await find(storage, 0) is None


async def test_repeat_keeps_the_response_for_longer_and_never_for_less(storage: SqliteStorage) -> None:
    answer = an_answer(0)
    await storage.requests.commit(answer)
    later, earlier = answer.forget_at + 90_000, answer.forget_at - 90_000
    for forget_at in (later, earlier):
        repeat = Answer(wrap_ids=[], forget_at=forget_at, repeated=a_request(0).rumor_id)
        assert isinstance(await storage.requests.commit(repeat), Committed)
    await storage.purge(now=later - 1, buckets={})
    assert await find(storage, 0) is not None
    await storage.purge(now=later + 3600, buckets={})
    assert await find(storage, 0) is None


async def test_figures_in_force_at_the_commit_count(storage: SqliteStorage) -> None:
    await storage.requests.commit(an_answer(0, permit=a_permit()))
    smaller = replace(BUCKET, burst=1)
    await storage.requests.commit(an_answer(1, permit=a_permit(bucket=smaller)))
    assert (await storage.permits.balances(1))["turn"].worth_ms == 0


async def test_answer_to_a_wrap_that_was_never_kept_remembers_that_it_came(storage: SqliteStorage) -> None:
    answer = replace(an_answer(0), request=None, permit=a_permit(), seen_until=NOW + 60)
    assert isinstance(await storage.requests.commit(answer), Committed)
    before = await contents(storage)
    assert await storage.requests.commit(answer) == SeenBefore()
    assert await contents(storage) == before
    assert await storage.inbox.add(an_entry(0), seen_until=NOW + 60, max_waiting=10) is Added.DUPLICATE


async def test_answer_counts_when_one_of_its_wraps_is_new(storage: SqliteStorage) -> None:
    await storage.requests.commit(replace(an_answer(0), request=None))
    both = replace(an_answer(1), request=None, wrap_ids=[an_entry(0).id, an_entry(1).id])
    assert isinstance(await storage.requests.commit(both), Committed)
