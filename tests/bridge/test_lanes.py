"""Answers for other relays: each goes out once, whatever relays and the storage do meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bridge import lanes
from bridge.lanes import BATCH
from client.publications import Outcome, Verdict
from nips.filter import Filter
from nips.nip59 import open_wrap
from storage.errors import StorageBusy, StorageFailed
from storage.interface import Answer, Committed, OutboxRow, QueuedReply
from storage.sqlite import SqliteStorage
from tests.bridge.office import ALICE, BOB, FIRST_RETRY, LIVE_FOR, ONE, RETENTION, TWO, Office, with_gate
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.edges import ScriptedPublisher
from tests.support.pipeline import LIVE, STORED, a_storage


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Go on at once after the storage failed."""
    monkeypatch.setattr(lanes, "PAUSE_SECONDS", 0.001)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqliteStorage]:
    async with a_storage(tmp_path) as storage:
        yield storage


async def test_what_a_relay_accepted_is_done(storage: SqliteStorage) -> None:
    relay = ScriptedPublisher(Outcome.ACCEPTED)
    office = Office(storage, {ONE: relay})
    async with office.running():
        (response,) = await office.answer(STORED, ONE)
        await office.flush()
    assert [open_wrap(wrap, ALICE.secret) for wrap in relay.published] == [response]
    assert await office.rows(ONE) == []


async def kept_here(storage: SqliteStorage, now: int) -> list[str]:
    wanted = Filter(kinds=frozenset({STORED}))
    kept = await storage.gift_wraps.query(wanted, recipients=[ALICE.key], now=now, limit=10)
    return [wrap.id for wrap in kept]


async def test_a_stored_answer_that_a_relay_refused_for_good_is_kept_on_our_own(
    storage: SqliteStorage, caplog: pytest.LogCaptureFixture
) -> None:
    relay = ScriptedPublisher(Verdict(Outcome.REFUSED, "pow: planted words"))
    office = Office(storage, {ONE: relay})
    office.here.listen(ALICE.key, STORED)
    async with office.running():
        (response,) = await office.answer(STORED, ONE)
        await office.flush()
    (published,) = relay.published
    assert await office.rows(ONE) == []
    assert await kept_here(storage, office.clock.now() + RETENTION - 1) == [published.id]
    assert await kept_here(storage, office.clock.now() + RETENTION) == []
    assert office.heard() == [response.content]
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert vars(record)["facts"] == {"relay": ONE, "prefix": "pow", "kept_here": True}
    assert "planted" not in caplog.text


async def test_a_live_answer_that_a_relay_refused_for_good_is_given_up_and_said_so(
    storage: SqliteStorage, caplog: pytest.LogCaptureFixture
) -> None:
    relay = ScriptedPublisher(Verdict(Outcome.REFUSED, "planted words"))
    office = Office(storage, {ONE: relay})
    async with office.running():
        await office.answer(LIVE, ONE)
        await office.flush()
    assert len(relay.published) == 1
    assert await office.rows(ONE) == []
    assert await kept_here(storage, office.clock.now()) == []
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert vars(record)["facts"] == {"relay": ONE, "prefix": "unknown", "kept_here": False}


@pytest.mark.parametrize(
    "outcome",
    [Outcome.UNANSWERED, Outcome.RATE_LIMITED, Outcome.FAILED, Outcome.AUTH_REQUIRED, Outcome.MUTED],
)
async def test_whatever_is_not_final_is_tried_again_with_the_same_wrap(
    storage: SqliteStorage, outcome: Outcome
) -> None:
    relay = ScriptedPublisher(outcome)
    office = Office(storage, {ONE: relay})
    async with office.running():
        await office.answer(STORED, ONE)
        await office.flush()
        (row,) = await office.rows(ONE)
        assert (row.attempts, row.next_attempt_at) == (1, office.clock.now() + FIRST_RETRY)
        office.pass_time(FIRST_RETRY)
        await relay.wait_published(2)
        await office.flush()
    first, second = relay.published
    assert first == second
    assert await office.rows(ONE) == []


async def test_a_live_answer_is_tried_again_in_a_new_wrap(storage: SqliteStorage) -> None:
    relay = ScriptedPublisher(Outcome.UNANSWERED)
    office = Office(storage, {ONE: relay})
    async with office.running():
        (response,) = await office.answer(LIVE, ONE)
        await office.flush()
        office.pass_time(40)
        await relay.wait_published(2)
        await office.flush()
    first, second = relay.published
    assert first.id != second.id
    assert second.created_at >= office.clock.now() - 30
    assert open_wrap(first, ALICE.secret) == open_wrap(second, ALICE.secret) == response


async def test_attempts_get_rarer_up_to_a_limit(storage: SqliteStorage) -> None:
    clock, waits = FixedClock(), list[int]()
    await Office(storage, {ONE: ScriptedPublisher()}, clock=clock).answer(STORED, ONE)
    for run in range(2, 14):
        office = Office(storage, {ONE: ScriptedPublisher(Outcome.UNANSWERED)}, clock=clock, run=run)
        async with office.running():
            await office.flush()
        (row,) = await office.rows(ONE)
        waits.append(row.next_attempt_at - clock.now())
        clock.advance(waits[-1])
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


@pytest.mark.parametrize(("kind", "seconds"), [(STORED, RETENTION), (LIVE, LIVE_FOR)])
async def test_an_answer_whose_time_is_over_is_not_published(storage: SqliteStorage, kind: int, seconds: int) -> None:
    before = Office(storage, {ONE: ScriptedPublisher(Outcome.UNANSWERED)})
    async with before.running():
        await before.answer(kind, ONE)
        await before.flush()
    before.clock.advance(seconds)
    relay = ScriptedPublisher()
    after = Office(storage, {ONE: relay}, clock=before.clock, run=2)
    async with after.running():
        await after.flush()
    assert relay.published == []


async def test_what_an_earlier_run_left_goes_out_at_the_next_start(storage: SqliteStorage) -> None:
    before = Office(storage, {ONE: ScriptedPublisher()})
    await before.answer(STORED, ONE, amount=2)
    relay = ScriptedPublisher()
    after = Office(storage, {ONE: relay}, clock=before.clock, run=2)
    async with after.running():
        await after.flush()
    assert len(relay.published) == 2


async def test_a_slow_relay_holds_up_no_other(storage: SqliteStorage) -> None:
    two = ScriptedPublisher()
    office = Office(storage, {ONE: ScriptedPublisher(), TWO: two})
    slow = with_gate(office, ONE)
    async with office.running():
        await office.answer(STORED, ONE, TWO, amount=3)
        await two.wait_published(3)
        slow.gate.set()
        await office.flush()
    assert await office.rows(ONE) == []


async def test_a_relay_is_given_a_bounded_number_of_wraps_at_a_time(storage: SqliteStorage) -> None:
    office = Office(storage, {ONE: ScriptedPublisher()})
    await office.answer(STORED, ONE, amount=BATCH + 5)
    slow = with_gate(office, ONE)
    async with office.running():
        async with within(20):
            await slow.is_full.wait()
        slow.gate.set()
        await office.flush()
    assert slow.most_busy == BATCH
    assert await office.rows(ONE) == []


async def test_a_link_that_breaks_on_one_answer_still_gets_the_others(
    storage: SqliteStorage, caplog: pytest.LogCaptureFixture
) -> None:
    relay = ScriptedPublisher(RuntimeError("planted"))
    office = Office(storage, {ONE: relay})
    await office.answer(STORED, ONE, amount=3)
    async with office.running():
        await office.flush()
        assert len(relay.published) == 3
        (row,) = await office.rows(ONE)
        assert row.attempts == 1
    assert "planted" not in caplog.text
    assert "answer not published" in caplog.text


async def test_an_answer_that_cannot_be_read_does_not_stop_the_others(storage: SqliteStorage) -> None:
    relay = ScriptedPublisher()
    office = Office(storage, {ONE: relay})
    now = office.clock.now()
    poisoned = [QueuedReply(ONE, ALICE.key, kind, "{}", now + 1000, now) for kind in (STORED, LIVE)]
    recorded = await storage.requests.commit(Answer(wrap_ids=[], replies=poisoned))
    assert isinstance(recorded, Committed)
    (response,) = await office.answer(STORED, ONE)
    async with office.running():
        await office.flush()
    assert [open_wrap(wrap, ALICE.secret) for wrap in relay.published] == [response]
    assert [row.attempts for row in await office.rows(ONE)] == [1, 1]


@pytest.mark.parametrize("broken", ["waiting", "delivered", "postpone"])
async def test_trouble_of_the_storage_ends_no_lane(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    relay = ScriptedPublisher(*[Outcome.UNANSWERED if broken == "postpone" else Outcome.ACCEPTED] * 2)
    office = Office(storage, {ONE: relay})
    await office.answer(STORED, ONE)
    work, failures = getattr(storage.outbox, broken), [StorageBusy("queue"), StorageFailed("disk")]

    async def fail_first(*arguments: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop()
        return await work(*arguments, **named)

    monkeypatch.setattr(storage.outbox, broken, fail_first)
    async with office.running():
        await office.flush()
        assert failures == []
        assert {wrap.id for wrap in relay.published} == {relay.published[0].id}
        assert await office.rows(ONE) == []


async def test_flushing_waits_for_what_is_under_way(storage: SqliteStorage) -> None:
    office = Office(storage, {ONE: ScriptedPublisher()})
    await office.answer(STORED, ONE)
    slow = with_gate(office, ONE)
    async with office.running():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await office.outbox.flush()
        slow.gate.set()
        await office.flush()
        assert await office.rows(ONE) == []


async def test_flushing_does_not_miss_what_is_queued_while_the_outbox_is_read(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = ScriptedPublisher()
    office = Office(storage, {ONE: relay})
    waiting, read, go = storage.outbox.waiting, asyncio.Event(), asyncio.Event()

    async def slowly(**wanted: Any) -> Sequence[OutboxRow]:
        rows = await waiting(**wanted)
        if not read.is_set():
            read.set()
            await go.wait()
        return rows

    monkeypatch.setattr(storage.outbox, "waiting", slowly)
    async with office.running():
        async with within(20):
            await read.wait()
        await office.answer(STORED, ONE)
        go.set()
        await office.flush()
        assert len(relay.published) == 1


async def test_cancelling_leaves_what_was_not_published_in_the_store(storage: SqliteStorage) -> None:
    office = Office(storage, {ONE: ScriptedPublisher()})
    await office.answer(STORED, ONE, amount=BATCH)
    slow = with_gate(office, ONE)
    async with office.running(), within(20):
        await slow.is_full.wait()
    assert slow.busy == 0
    assert len(await office.rows(ONE)) == BATCH


async def test_what_waits_for_a_relay_is_withdrawn_when_its_recipient_is_forgotten(storage: SqliteStorage) -> None:
    office = Office(storage, {ONE: ScriptedPublisher()})
    slow = with_gate(office, ONE)
    await office.answer(STORED, ONE, client=ALICE, amount=2)
    await office.answer(STORED, ONE, client=BOB, amount=BATCH - 2)
    async with office.running():
        async with within():
            await slow.is_full.wait()
        of_alice = [row.number for row in await office.rows(ONE) if row.recipient == ALICE.key]
        await storage.outbox.delivered(of_alice)
        office.outbox.forget([ALICE.key])
        slow.gate.set()
        await office.flush()
    assert (slow.accepted, slow.busy) == (BATCH - 2, 0)
    assert await office.rows(ONE) == []
