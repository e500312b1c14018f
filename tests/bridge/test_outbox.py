"""Getting answers out, once each, whatever relays and the storage do meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge import outbox
from bridge.outbox import BATCH, Outbox, OutboxRules
from bridge.replies import ReplyTimes, ReplyWriter
from client.publications import Outcome, Verdict
from nips.event import VerifiedEvent
from nips.nip59 import Rumor, make_rumor, open_wrap
from storage.errors import StorageBusy, StorageFailed
from storage.interface import HERE, Answer, Committed, OutboxRow, QueuedReply
from storage.sqlite import SqliteStorage
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.entropy import SeededEntropy
from tests.support.pipeline import LIVE, OWN_URL, STORED, Client, RecordingRelay, ScriptedPublisher, a_storage
from tests.support.wraps import BRIDGE

ALICE, BOB = Client("alice"), Client("bob")
ONE, TWO = "wss://one.example", "wss://two.example"
RETENTION, LIVE_FOR = 604_800, 60
FIRST_RETRY, LAST_RETRY = 1, 300


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Go on at once after the storage failed."""
    monkeypatch.setattr(outbox, "PAUSE_SECONDS", 0.001)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqliteStorage]:
    async with a_storage(tmp_path) as storage:
        yield storage


class Office:
    """An outbox with what it stands on."""

    def __init__(
        self,
        storage: SqliteStorage,
        publishers: Mapping[str, ScriptedPublisher] | None = None,
        *,
        max_live_waiting: int = 100,
        clock: FixedClock | None = None,
        run: int = 1,
    ) -> None:
        self.storage = storage
        self.publishers = publishers or {}
        self.clock = clock or FixedClock()
        self.here = RecordingRelay()
        self.replies = ReplyWriter(
            BRIDGE,
            times=ReplyTimes(RETENTION, LIVE_FOR, 172_800),
            own_url=lambda: OWN_URL,
            upstream=self.publishers,
            replaceables=storage.replaceables,
            clock=self.clock,
            entropy=SeededEntropy(run),
        )
        self.outbox = Outbox(
            outbox=storage.outbox,
            replies=self.replies,
            here=self.here,
            publishers=self.publishers,
            clock=self.clock,
            rules=OutboxRules(max_live_waiting, FIRST_RETRY, LAST_RETRY),
        )
        self._answers = 0

    def a_response(self, client: Client = ALICE) -> Rumor:
        self._answers += 1
        content = f'{{"answer":{self._answers}}}'
        return make_rumor(
            BRIDGE.public_key, created_at=self.clock.now(), kind=24391, tags=[("p", client.key)], content=content
        )

    async def answer(self, kind: int, *links: str, client: Client = ALICE, amount: int = 1) -> list[Rumor]:
        """Record and send answers, as the recorder does; return their rumors."""
        responses = [self.a_response(client) for _ in range(amount)]
        for response in responses:
            replies = await self.replies.write(
                response, client.key, kind=kind, links=links or [HERE], received_at=self.clock.now()
            )
            recorded = await self.storage.requests.commit(Answer(wrap_ids=[], replies=replies))
            assert isinstance(recorded, Committed)
            await self.outbox.send(replies, recorded.queued)
        return responses

    async def rows(self, destination: str = HERE) -> Sequence[OutboxRow]:
        return await self.storage.outbox.waiting(destination=destination, now=self.clock.now())

    def heard(self, client: Client = ALICE) -> list[str]:
        """Return the contents that a client was sent live."""
        wraps = [wrap for wrap in self.here.delivered if wrap.tags[0][1] == client.key]
        return [open_wrap(wrap, client.secret).content for wrap in wraps]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.outbox.run())
            try:
                yield
            finally:
                task.cancel()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and have the lanes notice now instead of when they next look at the clock."""
        self.clock.advance(seconds)
        for lane in self.outbox._lanes.values():
            lane.waker.set()

    async def flush(self) -> None:
        async with within(20):
            await self.outbox.flush()


# --- answers kept here


async def test_a_stored_answer_is_shown_to_whoever_listens(storage: SqliteStorage) -> None:
    office = Office(storage)
    office.here.listen(ALICE.key, STORED)
    (response,) = await office.answer(STORED)
    assert office.heard() == [response.content]
    assert await office.rows() == []


async def test_a_stored_answer_needs_nobody_to_listen(storage: SqliteStorage) -> None:
    office = Office(storage)
    await office.answer(STORED)
    assert office.heard() == []
    assert await office.rows() == []


# --- live answers


async def test_a_live_answer_goes_to_a_listener_at_once_and_then_leaves_the_store(storage: SqliteStorage) -> None:
    office = Office(storage)
    office.here.listen(ALICE.key, LIVE)
    async with office.running():
        (response,) = await office.answer(LIVE)
        assert office.heard() == [response.content]
        await office.flush()
        assert await office.rows() == []


async def test_a_live_answer_waits_for_its_asker_to_listen(storage: SqliteStorage) -> None:
    office = Office(storage)
    responses = await office.answer(LIVE, amount=3)
    assert len(await office.rows()) == 3
    office.clock.advance(LIVE_FOR - 1)
    office.here.listen(ALICE.key, LIVE)
    office.outbox.listener_came(ALICE.key)
    assert office.heard() == [response.content for response in responses]
    assert all(wrap.created_at >= office.clock.now() - 30 for wrap in office.here.delivered)
    async with office.running():
        await office.flush()
    assert await office.rows() == []


async def test_a_live_answer_is_delivered_once(storage: SqliteStorage) -> None:
    office = Office(storage)
    await office.answer(LIVE)
    office.here.listen(ALICE.key, LIVE)
    office.outbox.listener_came(ALICE.key)
    office.outbox.listener_came(ALICE.key)
    assert len(office.heard()) == 1


async def test_a_live_answer_is_for_its_asker_only(storage: SqliteStorage) -> None:
    office = Office(storage)
    await office.answer(LIVE)
    office.here.listen(BOB.key, LIVE)
    office.outbox.listener_came(BOB.key)
    assert office.here.delivered == []
    assert len(await office.rows()) == 1


async def test_a_listener_for_other_wraps_does_not_get_it(storage: SqliteStorage) -> None:
    office = Office(storage)
    (response,) = await office.answer(LIVE)
    office.here.listen(ALICE.key, STORED)
    office.outbox.listener_came(ALICE.key)
    assert office.heard() == []
    office.here.listen(ALICE.key, LIVE)
    office.outbox.listener_came(ALICE.key)
    assert office.heard() == [response.content]


async def test_a_live_answer_that_a_listener_did_not_get_waits_on(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody listens, but reads too slowly to be sent anything."""
    office = Office(storage)
    office.here.listen(ALICE.key, LIVE)
    with monkeypatch.context() as patch:
        patch.setattr(office.here, "deliver", lambda event: 0)
        (response,) = await office.answer(LIVE)
    office.outbox.listener_came(ALICE.key)
    assert office.heard() == [response.content]


async def test_a_live_answer_whose_time_is_over_is_not_delivered(storage: SqliteStorage) -> None:
    office = Office(storage)
    await office.answer(LIVE, amount=2)
    office.clock.advance(LIVE_FOR)
    office.here.listen(ALICE.key, LIVE)
    office.outbox.listener_came(ALICE.key)
    assert office.here.delivered == []


async def test_a_listener_for_other_wraps_that_comes_too_late_does_no_harm(storage: SqliteStorage) -> None:
    office = Office(storage)
    await office.answer(LIVE, amount=3)
    office.clock.advance(LIVE_FOR)
    (fresh,) = await office.answer(LIVE)
    office.here.listen(ALICE.key, STORED)
    office.outbox.listener_came(ALICE.key)
    office.here.listen(ALICE.key, LIVE)
    office.outbox.listener_came(ALICE.key)
    assert office.heard() == [fresh.content]


async def test_answers_of_several_ages_survive_a_listener_that_wants_none_of_them(storage: SqliteStorage) -> None:
    office = Office(storage, max_live_waiting=4)
    for _ in range(4):
        await office.answer(LIVE)
        office.clock.advance(LIVE_FOR / 3)
    office.here.listen(ALICE.key, STORED)
    for _ in range(3):
        office.outbox.listener_came(ALICE.key)
        office.clock.advance(LIVE_FOR / 3)
    assert office.here.delivered == []


async def test_no_more_live_answers_wait_in_memory_than_allowed_and_the_oldest_goes_first(
    storage: SqliteStorage,
) -> None:
    office = Office(storage, max_live_waiting=3)
    responses = await office.answer(LIVE, amount=5)
    assert len(office.outbox._waiting) == 3
    office.here.listen(ALICE.key, LIVE)
    office.outbox.listener_came(ALICE.key)
    assert office.heard() == [response.content for response in responses[2:]]


async def test_nothing_is_remembered_of_those_that_nothing_waits_for(storage: SqliteStorage) -> None:
    office = Office(storage, max_live_waiting=2)
    for client in (ALICE, BOB, Client("carol")):
        await office.answer(LIVE, client=client)
    assert set(office.outbox._by_recipient) == {BOB.key, Client("carol").key}
    office.clock.advance(LIVE_FOR)
    await office.answer(LIVE)
    assert set(office.outbox._by_recipient) == {ALICE.key}
    assert len(office.outbox._waiting) == 1


async def test_live_answers_of_an_earlier_run_are_taken_up_unless_their_time_is_over(storage: SqliteStorage) -> None:
    before = Office(storage)
    await before.answer(LIVE)
    before.clock.advance(30)
    (second,) = await before.answer(LIVE)
    before.clock.advance(30)
    after = Office(storage, clock=before.clock, run=2)
    await after.outbox.recover()
    after.here.listen(ALICE.key, LIVE)
    after.outbox.listener_came(ALICE.key)
    assert after.heard() == [second.content]


async def test_no_more_are_taken_up_than_may_wait(storage: SqliteStorage) -> None:
    before = Office(storage)
    await before.answer(LIVE, amount=5)
    after = Office(storage, clock=before.clock, max_live_waiting=3, run=2)
    await after.outbox.recover()
    assert len(after.outbox._waiting) == 3


async def test_delivered_answers_are_removed_when_the_storage_is_well_again(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(storage)
    office.here.listen(ALICE.key, LIVE)
    delivered, failures = storage.outbox.delivered, [StorageBusy("queue"), StorageFailed("disk")]

    async def fail_first(numbers: Sequence[int]) -> None:
        if failures:
            raise failures.pop()
        await delivered(numbers)

    monkeypatch.setattr(storage.outbox, "delivered", fail_first)
    async with office.running():
        await office.answer(LIVE, amount=2)
        async with within(20):
            while await office.rows():  # noqa: ASYNC110 - the storage announces nothing
                await asyncio.sleep(0)
    assert failures == []
    assert len(office.heard()) == 2


# --- other relays


async def test_what_a_relay_accepted_is_done(storage: SqliteStorage) -> None:
    relay = ScriptedPublisher(Outcome.ACCEPTED)
    office = Office(storage, {ONE: relay})
    async with office.running():
        (response,) = await office.answer(STORED, ONE)
        await office.flush()
    assert [open_wrap(wrap, ALICE.secret) for wrap in relay.published] == [response]
    assert await office.rows(ONE) == []


async def test_what_a_relay_refused_for_good_is_done_too(storage: SqliteStorage) -> None:
    relay = ScriptedPublisher(Outcome.REFUSED)
    office = Office(storage, {ONE: relay})
    async with office.running():
        await office.answer(STORED, ONE)
        await office.flush()
    assert len(relay.published) == 1
    assert await office.rows(ONE) == []


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


class GatedPublisher:
    """A link that answers when it is let."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.busy = self.most_busy = 0
        self.is_full = asyncio.Event()

    async def publish(self, event: VerifiedEvent) -> Verdict:
        self.busy += 1
        self.most_busy = max(self.busy, self.most_busy)
        if self.busy >= BATCH:
            self.is_full.set()
        try:
            await self.gate.wait()
            return Verdict(Outcome.ACCEPTED)
        finally:
            self.busy -= 1


def with_gate(office: Office, url: str) -> GatedPublisher:
    gated = GatedPublisher()
    lanes: Any = office.outbox._lanes
    lanes[url] = outbox._Lane(url, gated)
    return gated


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
