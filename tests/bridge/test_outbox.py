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
from nips.filter import Filter
from nips.nip59 import Rumor, make_rumor, open_wrap
from storage.errors import StorageBusy, StorageFailed
from storage.interface import HERE, Answer, Committed, OutboxRow, QueuedReply
from storage.sqlite import SqliteStorage
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.edges import RecordingRelay, ScriptedPublisher
from tests.support.entropy import SeededEntropy
from tests.support.pipeline import LIVE, OWN_URL, STORED, Client, a_sealing, a_storage
from tests.support.wraps import BRIDGE

ALICE, BOB = Client("alice"), Client("bob")
ONE, TWO = "wss://one.example", "wss://two.example"
RETENTION, FREE_FOR, LIVE_FOR = 604_800, 3600, 60
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
        max_live_waiting_each: int = 100,
        clock: FixedClock | None = None,
        run: int = 1,
    ) -> None:
        self.storage = storage
        self.publishers = publishers or {}
        self.clock = clock or FixedClock()
        self.here = RecordingRelay()
        self.replies = ReplyWriter(
            a_sealing(BRIDGE, self.clock, SeededEntropy(run)),
            times=ReplyTimes(RETENTION, FREE_FOR, LIVE_FOR, 172_800),
            own_url=lambda: OWN_URL,
            upstream=self.publishers,
            public_events=storage.public_events,
            clock=self.clock,
            entropy=SeededEntropy(run),
        )
        self.outbox = Outbox(
            outbox=storage.outbox,
            inbox=storage.inbox,
            replies=self.replies,
            here=self.here,
            publishers=self.publishers,
            clock=self.clock,
            rules=OutboxRules(max_live_waiting, max_live_waiting_each, FIRST_RETRY, LAST_RETRY),
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
            await self.outbox.send(replies, recorded.queued, response)
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

    async def came(self, client: Client) -> None:
        """Tell that a client listens, and wait until it has what waited for it."""
        self.outbox.listener_came(client.key)
        await self.outbox._deliver_waiting()

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
    await office.came(ALICE)
    assert office.heard() == [response.content for response in responses]
    assert all(wrap.created_at >= office.clock.now() - 30 for wrap in office.here.delivered)
    async with office.running():
        await office.flush()
    assert await office.rows() == []


async def test_a_live_answer_is_delivered_once(storage: SqliteStorage) -> None:
    office = Office(storage)
    await office.answer(LIVE)
    office.here.listen(ALICE.key, LIVE)
    await office.came(ALICE)
    await office.came(ALICE)
    assert len(office.heard()) == 1


async def test_a_live_answer_is_for_its_asker_only(storage: SqliteStorage) -> None:
    office = Office(storage)
    await office.answer(LIVE)
    office.here.listen(BOB.key, LIVE)
    await office.came(BOB)
    assert office.here.delivered == []
    assert len(await office.rows()) == 1


async def test_a_listener_for_other_wraps_does_not_get_it(storage: SqliteStorage) -> None:
    office = Office(storage)
    (response,) = await office.answer(LIVE)
    office.here.listen(ALICE.key, STORED)
    await office.came(ALICE)
    assert office.heard() == []
    office.here.listen(ALICE.key, LIVE)
    await office.came(ALICE)
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
    await office.came(ALICE)
    assert office.heard() == [response.content]


async def test_a_live_answer_whose_time_is_over_is_not_delivered(storage: SqliteStorage) -> None:
    office = Office(storage)
    await office.answer(LIVE, amount=2)
    office.clock.advance(LIVE_FOR)
    office.here.listen(ALICE.key, LIVE)
    await office.came(ALICE)
    assert office.here.delivered == []


async def test_a_listener_for_other_wraps_that_comes_too_late_does_no_harm(storage: SqliteStorage) -> None:
    office = Office(storage)
    await office.answer(LIVE, amount=3)
    office.clock.advance(LIVE_FOR)
    (fresh,) = await office.answer(LIVE)
    office.here.listen(ALICE.key, STORED)
    await office.came(ALICE)
    office.here.listen(ALICE.key, LIVE)
    await office.came(ALICE)
    assert office.heard() == [fresh.content]


async def test_a_clock_that_was_set_back_does_no_harm_either(storage: SqliteStorage) -> None:
    office = Office(storage)
    (older,) = await office.answer(LIVE)
    office.clock.set_back(50)
    await office.answer(LIVE)
    office.clock.advance(70)
    office.here.listen(ALICE.key, STORED)
    await office.came(ALICE)
    office.here.listen(ALICE.key, LIVE)
    await office.came(ALICE)
    assert office.heard() == [older.content]


async def test_answers_of_several_ages_survive_a_listener_that_wants_none_of_them(storage: SqliteStorage) -> None:
    office = Office(storage, max_live_waiting=4)
    for _ in range(4):
        await office.answer(LIVE)
        office.clock.advance(LIVE_FOR / 3)
    office.here.listen(ALICE.key, STORED)
    for _ in range(3):
        await office.came(ALICE)
        office.clock.advance(LIVE_FOR / 3)
    assert office.here.delivered == []


async def test_no_more_live_answers_wait_in_memory_than_allowed_and_the_rest_is_read_from_the_store(
    storage: SqliteStorage,
) -> None:
    office = Office(storage, max_live_waiting=3)
    responses = await office.answer(LIVE, amount=5)
    assert len(office.outbox._held) == 3
    office.here.listen(ALICE.key, LIVE)
    await office.came(ALICE)
    assert office.heard()[:3] == [response.content for response in responses[2:]]
    async with office.running():
        await office.flush()
    assert sorted(office.heard()) == sorted(response.content for response in responses)
    assert await office.rows() == []


async def test_nobody_loses_an_answer_to_others_who_ask_much(storage: SqliteStorage) -> None:
    office = Office(storage, max_live_waiting=20)
    async with office.running():
        (response,) = await office.answer(LIVE)
        for number in range(20):
            await office.answer(LIVE, client=Client(f"stranger {number}"))
        assert ALICE.key not in office.outbox._held.recipients
        office.here.listen(ALICE.key, LIVE)
        await office.came(ALICE)
        await office.here.wait_delivered(1)
        assert office.heard() == [response.content]
        await office.flush()
        await office.came(ALICE)
        await office.flush()
    assert office.heard() == [response.content]
    assert len(await office.rows()) == 20


async def test_one_asker_holds_no_more_than_its_share_and_loses_nothing_by_it(storage: SqliteStorage) -> None:
    office = Office(storage, max_live_waiting_each=2)
    async with office.running():
        (other,) = await office.answer(LIVE, client=BOB)
        responses = await office.answer(LIVE, amount=40)
        assert len(office.outbox._held) == 3
        for client in (ALICE, BOB):
            office.here.listen(client.key, LIVE)
            await office.came(client)
        await office.flush()
    assert sorted(office.heard()) == sorted(response.content for response in responses)
    assert office.heard(BOB) == [other.content]
    assert await office.rows() == []


async def test_what_was_delivered_and_is_not_removed_yet_is_not_read_again(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(storage, max_live_waiting=1)
    delivered, removing = storage.outbox.delivered, asyncio.Event()

    async def fail_first(numbers: Sequence[int]) -> None:
        if not removing.is_set():
            removing.set()
            raise StorageBusy("queue")
        await delivered(numbers)

    monkeypatch.setattr(storage.outbox, "delivered", fail_first)
    await office.answer(LIVE, amount=3)
    office.here.listen(ALICE.key, LIVE)
    await office.came(ALICE)
    async with office.running():
        async with within(20):
            await removing.wait()
        await office.came(ALICE)
        await office.flush()
    assert len(office.heard()) == len(set(office.heard())) == 3
    assert await office.rows() == []


async def test_an_answer_that_is_recorded_and_not_sent_yet_is_delivered_once(storage: SqliteStorage) -> None:
    """Whoever comes between the commit and the delivery finds the row in the store already."""
    office = Office(storage, max_live_waiting=1)
    await office.answer(LIVE, amount=2, client=BOB)
    response = office.a_response()
    now = office.clock.now()
    replies = await office.replies.write(response, ALICE.key, kind=LIVE, links=[HERE], received_at=now)
    recorded = await storage.requests.commit(Answer(wrap_ids=[], replies=replies))
    assert isinstance(recorded, Committed)
    office.here.listen(ALICE.key, LIVE)
    async with office.running():
        await office.came(ALICE)
        await office.flush()
        await office.outbox.send(replies, recorded.queued, response)
        await office.flush()
    assert office.heard() == [response.content]
    assert len(await office.rows()) == 2


async def test_the_store_is_asked_again_when_it_could_not_be_read(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(storage, max_live_waiting=1)
    waiting_for, failures = storage.outbox.waiting_for, [StorageFailed("disk")]

    async def fail_first(*arguments: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop()
        return await waiting_for(*arguments, **named)

    monkeypatch.setattr(storage.outbox, "waiting_for", fail_first)
    await office.answer(LIVE, amount=3)
    office.here.listen(ALICE.key, LIVE)
    office.outbox.listener_came(ALICE.key)
    async with office.running():
        await office.here.wait_delivered(3)
    assert failures == []


async def test_the_store_is_not_asked_when_nothing_was_left_out(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(storage, max_live_waiting=1)
    await office.answer(LIVE, amount=2)
    office.clock.advance(LIVE_FOR)
    (response,) = await office.answer(LIVE)
    monkeypatch.delattr(type(storage.outbox), "waiting_for")
    office.here.listen(ALICE.key, LIVE)
    await office.came(ALICE)
    async with office.running():
        await office.flush()
    assert office.heard() == [response.content]


async def test_whoever_has_not_proved_the_key_takes_no_answer_from_its_asker(storage: SqliteStorage) -> None:
    office = Office(storage)
    office.here.listen_unproved(ALICE.key, LIVE)
    async with office.running():
        (response,) = await office.answer(LIVE)
        assert office.heard() == [response.content]
        await office.flush()
        assert len(await office.rows()) == 1
        office.here.listen(ALICE.key, LIVE)
        await office.came(ALICE)
        await office.flush()
        await office.came(ALICE)
    assert office.heard() == [response.content] * 2
    first, second = office.here.delivered
    assert first.id != second.id
    assert open_wrap(first, ALICE.secret) == open_wrap(second, ALICE.secret) == response
    assert await office.rows() == []


async def test_nor_does_it_take_what_was_left_out(storage: SqliteStorage) -> None:
    office = Office(storage, max_live_waiting=1)
    (response, _) = [*await office.answer(LIVE), *await office.answer(LIVE, client=BOB)]
    async with office.running():
        office.here.listen_unproved(ALICE.key, LIVE)
        await office.came(ALICE)
        await office.flush()
        office.here.listen(ALICE.key, LIVE)
        await office.came(ALICE)
        await office.flush()
    assert office.heard() == [response.content] * 2
    assert [row.recipient for row in await office.rows()] == [BOB.key]


async def test_nothing_is_remembered_of_those_that_nothing_waits_for(storage: SqliteStorage) -> None:
    office = Office(storage, max_live_waiting=2)
    for client in (ALICE, BOB, Client("carol")):
        await office.answer(LIVE, client=client)
    assert office.outbox._held.recipients == {BOB.key, Client("carol").key}
    office.clock.advance(LIVE_FOR)
    await office.answer(LIVE)
    assert office.outbox._held.recipients == {ALICE.key}
    assert len(office.outbox._held) == 1


async def test_live_answers_of_an_earlier_run_are_taken_up_unless_their_time_is_over(storage: SqliteStorage) -> None:
    before = Office(storage)
    await before.answer(LIVE)
    before.clock.advance(30)
    (second,) = await before.answer(LIVE)
    before.clock.advance(30)
    after = Office(storage, clock=before.clock, run=2)
    await after.outbox.recover()
    after.here.listen(ALICE.key, LIVE)
    await after.came(ALICE)
    assert after.heard() == [second.content]


async def test_no_more_are_taken_up_than_may_wait_and_the_rest_is_read_when_its_asker_comes(
    storage: SqliteStorage,
) -> None:
    before = Office(storage)
    responses = await before.answer(LIVE, amount=5)
    after = Office(storage, clock=before.clock, max_live_waiting=3, run=2)
    await after.outbox.recover()
    assert len(after.outbox._held) == 3
    after.here.listen(ALICE.key, LIVE)
    after.outbox.listener_came(ALICE.key)
    async with after.running():
        await after.flush()
    assert sorted(after.heard()) == sorted(response.content for response in responses)


async def test_a_damaged_row_stops_neither_the_start_nor_its_lane(storage: SqliteStorage) -> None:
    before = Office(storage, {ONE: ScriptedPublisher()})
    await before.answer(LIVE)
    await before.answer(STORED, ONE)
    await storage._database.writer.run(
        lambda connection: connection.execute("UPDATE outbox SET content = zeroblob(length(content))")
    )
    (live,), (stored,) = await before.answer(LIVE), await before.answer(STORED, ONE)
    relay = ScriptedPublisher()
    after = Office(storage, {ONE: relay}, clock=before.clock, run=2)
    await after.outbox.recover()
    after.here.listen(ALICE.key, LIVE)
    after.outbox.listener_came(ALICE.key)
    async with after.running():
        await after.flush()
    assert after.heard() == [live.content]
    assert [open_wrap(wrap, ALICE.secret) for wrap in relay.published] == [stored]
    assert await after.rows() == await after.rows(ONE) == []


async def test_flushing_waits_for_what_is_being_removed(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(storage)
    office.here.listen(ALICE.key, LIVE)
    delivered, removing, go = storage.outbox.delivered, asyncio.Event(), asyncio.Event()

    async def slowly(numbers: Sequence[int]) -> None:
        removing.set()
        await go.wait()
        await delivered(numbers)

    monkeypatch.setattr(storage.outbox, "delivered", slowly)
    async with office.running():
        await office.answer(LIVE)
        async with within(20):
            await removing.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await office.outbox.flush()
        go.set()
        await office.flush()
        assert await office.rows() == []


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
