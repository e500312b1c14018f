"""Wraps for the bridge: accepted durably, opened or let go, seen through whatever happens (protocol.md §1, 3 to 6)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bridge import inbox
from nips.errors import NipError
from nips.event import VerifiedEvent, parse_event, verify_event
from nips.filter import Filter
from storage.errors import StorageBusy, StorageFailed
from storage.interface import HERE, Added, InboxEntry, InboxId, Unreadable
from tests.support import wraps
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.edges import ScriptedProvider
from tests.support.pipeline import Client, Json, Pipeline, a_pipeline
from tests.support.wraps import AUTHOR, BRIDGE, NOW, STRANGER, a_rumor, a_seal, a_wrap, without

ALICE, BOB = Client("alice"), Client("bob")
TURN = "turn.get_credentials"
OTHER = "wss://other.example"

Work = Callable[..., Awaitable[Any]]


def as_event(wrap: Json) -> VerifiedEvent:
    return verify_event(parse_event(wrap))


def is_verifiable(wrap: Json) -> bool:
    try:
        as_event(wrap)
    except NipError:
        return False
    return True


BEYOND_STEP_2 = {name: wrap for name, (wrap, _) in wraps.deviant_wraps().items() if is_verifiable(wrap)}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once where the storage was in trouble."""
    monkeypatch.setattr(inbox, "FIRST_RETRY_SECONDS", 0)


def failing(work: Work, *failures: Exception) -> tuple[Work, list[Exception]]:
    """Return work that raises each failure once, and the failures that are left."""
    left = list(failures)

    async def fail_first(*arguments: Any, **named: Any) -> Any:
        if left:
            raise left.pop(0)
        return await work(*arguments, **named)

    return fail_first, left


# --- step 5: acceptance


async def test_step_5_an_accepted_wrap_is_in_the_store_with_the_link_that_it_came_by(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, is_running=False) as bridge:
        wrap = bridge.wrap(bridge.request(ALICE), ALICE)
        assert await bridge.accept(wrap, link=OTHER) == [Added.ADDED]
        ((_, entry),) = await bridge.storage.inbox.waiting()
        assert entry == InboxEntry(wrap.id, OTHER, bridge.clock.now(), wrap.to_json())


async def test_step_5_nothing_inside_is_looked_at(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, is_running=False) as bridge:
        assert await bridge.accept(*map(as_event, BEYOND_STEP_2.values())) == [Added.ADDED] * len(BEYOND_STEP_2)


async def test_step_3_a_wrap_that_was_seen_is_a_duplicate_even_after_its_answer(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        wrap = bridge.wrap(bridge.request(ALICE), ALICE)
        assert await bridge.give(wrap, wrap) == [Added.ADDED, Added.DUPLICATE]
        assert await bridge.give(wrap) == [Added.DUPLICATE]
        assert len(await bridge.answers(ALICE)) == 1


async def test_step_3_a_wrap_is_a_duplicate_for_as_long_as_relays_take_it(tmp_path: Path) -> None:
    clock = FixedClock()
    async with a_pipeline(tmp_path, clock=clock) as bridge:
        wrap = as_event(a_wrap(a_seal(a_rumor()), created_at=NOW + 900))
        await bridge.give(wrap)
        clock.advance(176_400 + 900)
        await bridge.storage.purge(now=clock.now(), buckets=bridge.core.buckets)
        assert await bridge.give(wrap) == [Added.DUPLICATE]


async def test_step_4_beyond_the_room_of_the_inbox_wraps_are_refused_and_may_come_again(tmp_path: Path) -> None:
    changes = {"inbox.max_waiting": 3, "inbox.concurrency": 1}
    clock = FixedClock()
    async with a_pipeline(tmp_path, clock=clock, changes=changes, is_running=False) as bridge:
        sent = [bridge.wrap(bridge.request(ALICE), ALICE) for _ in range(5)]
        verdicts = await bridge.accept(*sent)
        assert Counter(verdicts) == {Added.ADDED: 3, Added.FULL: 2}
        assert len(await bridge.waiting()) == 3
    async with a_pipeline(tmp_path, clock=clock, changes=changes, run=2) as bridge:
        await bridge.settle()
        refused = [wrap for wrap, verdict in zip(sent, verdicts, strict=True) if verdict is Added.FULL]
        assert await bridge.give(*refused) == [Added.ADDED] * 2
        assert len(await bridge.answers(ALICE)) == 5


async def test_step_4_malformed_and_unopenable_wraps_make_room_again(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"inbox.max_waiting": 2, "inbox.concurrency": 1}) as bridge:
        for wrap in BEYOND_STEP_2.values():
            assert await bridge.give(as_event(wrap)) == [Added.ADDED]
        assert await bridge.waiting() == []


# --- step 6: opening


@pytest.mark.parametrize("name", BEYOND_STEP_2)
async def test_step_6_a_wrap_that_does_not_open_is_let_go_without_a_sign(tmp_path: Path, name: str) -> None:
    async with a_pipeline(tmp_path) as bridge:
        wrap = as_event(BEYOND_STEP_2[name])
        await bridge.give(wrap)
        assert await bridge.waiting() == []
        assert await signs(bridge, [AUTHOR.public_key, STRANGER.public_key, wrap.pubkey]) == []
        assert await bridge.give(wrap) == [Added.DUPLICATE]


async def signs(bridge: Pipeline, keys: Sequence[str]) -> list[str]:
    """Return the ids of everything that was ever sent to these keys."""
    stored = await bridge.storage.gift_wraps.query(Filter(), recipients=keys, now=bridge.clock.now(), limit=10)
    waiting = await bridge.storage.outbox.waiting(destination=HERE, now=bridge.clock.now())
    return [event.id for event in stored] + [row.payload_json for row in waiting]


@pytest.mark.parametrize(
    "rumor",
    [
        a_rumor(kind=24391),
        a_rumor(kind=14),
        a_rumor(tags=[["p", STRANGER.public_key]]),
        a_rumor(tags=[["p", BRIDGE.public_key], ["p", STRANGER.public_key]]),
    ],
    ids=["an answer", "a message", "for another", "for two"],
)
async def test_step_6_what_is_no_request_to_us_is_let_go_without_a_sign(tmp_path: Path, rumor: Json) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await bridge.give(as_event(a_wrap(a_seal(rumor))))
        assert await bridge.waiting() == []
        assert await signs(bridge, [AUTHOR.public_key]) == []


@pytest.mark.parametrize(("unsigned_seals", "answers"), [(True, 1), (False, 0)])
async def test_step_6_unsigned_seals_are_answered_if_the_settings_say_so(
    tmp_path: Path, unsigned_seals: bool, answers: int
) -> None:
    async with a_pipeline(tmp_path, changes={"compat.unsigned_seals": unsigned_seals}) as bridge:
        seal = without(a_seal(without(a_rumor(), ["id"])), ["id", "sig", "kind", "tags"])
        await bridge.give(as_event(a_wrap(seal)))
        assert len(await signs(bridge, [AUTHOR.public_key])) == answers


# --- from acceptance on, an authentic request is answered


async def test_what_an_earlier_run_accepted_is_taken_up_in_its_order(tmp_path: Path) -> None:
    clock, provider = FixedClock(), ScriptedProvider()
    async with a_pipeline(tmp_path, clock=clock, is_running=False) as bridge:
        for client in (ALICE, BOB, ALICE):
            await bridge.accept(bridge.wrap(bridge.request(client, TURN), client))
    changes = {"inbox.concurrency": 1}
    async with a_pipeline(tmp_path, clock=clock, provider=provider, changes=changes, run=2) as bridge:
        await bridge.settle()
        alice, bob, again = provider.users
        assert (alice == again, alice == bob) == (True, False)
        assert await bridge.waiting() == []


async def test_recovery_tells_how_many_there_were(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, is_running=False) as bridge:
        await bridge.accept(*(bridge.wrap(bridge.request(ALICE), ALICE) for _ in range(3)))
        assert await bridge.core.inbox.recover() == 3


async def test_recovery_reads_more_than_one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_pipeline(tmp_path, is_running=False) as bridge:
        await bridge.accept(*(bridge.wrap(bridge.request(ALICE), ALICE) for _ in range(5)))
        waiting = bridge.storage.inbox.waiting

        async def by_twos(*, after: int = 0, limit: int = 500) -> Sequence[tuple[int, InboxEntry | Unreadable]]:
            return await waiting(after=after, limit=2)

        monkeypatch.setattr(bridge.storage.inbox, "waiting", by_twos)
        assert await bridge.core.inbox.recover() == 5


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"id":"x"}'])
async def test_a_row_that_is_no_wrap_does_not_stop_the_start(tmp_path: Path, text: str) -> None:
    clock = FixedClock()
    async with a_pipeline(tmp_path, clock=clock, is_running=False) as bridge:
        entry = InboxEntry("ab" * 32, HERE, clock.now(), text)
        await bridge.storage.inbox.add(entry, seen_until=clock.now() + 100, max_waiting=10)
        await bridge.accept(bridge.wrap(bridge.request(ALICE), ALICE))
    async with a_pipeline(tmp_path, clock=clock, run=2) as bridge:
        await bridge.settle()
        assert len(await bridge.answers(ALICE)) == 1
        assert await bridge.waiting() == []


async def damage(bridge: Pipeline, change: str) -> None:
    """Change the first row of the inbox as a failing disk does."""
    statement = f"UPDATE inbox SET entry = {change} WHERE number = 1"
    await bridge.storage._database.writer.run(lambda connection: connection.execute(statement))


async def test_a_damaged_row_is_given_up_and_does_not_stop_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FixedClock()
    async with a_pipeline(tmp_path, clock=clock, is_running=False) as bridge:
        await bridge.accept(*(bridge.wrap(bridge.request(client), client) for client in (ALICE, BOB)))
        await damage(bridge, "CAST(substr(entry, 1, 20) || x'00' || substr(entry, 22) AS BLOB)")
    async with a_pipeline(tmp_path, clock=clock, run=2) as bridge:
        await bridge.settle()
        assert [len(await bridge.answers(client)) for client in (ALICE, BOB)] == [0, 1]
        assert await bridge.storage.inbox.waiting() == []
    (record,) = [record for record in caplog.records if record.getMessage() == "wrap given up"]
    assert record.levelno == logging.ERROR
    assert vars(record)["facts"] == {"entry": 1, "reason": "a value of inbox.entry does not decrypt in its place"}


async def test_a_row_under_a_key_that_is_missing_waits_for_it_and_does_not_stop_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FixedClock()
    async with a_pipeline(tmp_path, clock=clock, is_running=False) as bridge:
        await bridge.accept(*(bridge.wrap(bridge.request(client), client) for client in (ALICE, BOB)))
        await damage(bridge, "CAST(x'09' || substr(entry, 2) AS BLOB)")
    async with a_pipeline(tmp_path, clock=clock, run=2) as bridge:
        await bridge.settle()
        assert [len(await bridge.answers(client)) for client in (ALICE, BOB)] == [0, 1]
        await damage(bridge, "CAST(x'01' || substr(entry, 2) AS BLOB)")
    async with a_pipeline(tmp_path, clock=clock, run=3) as bridge:
        await bridge.settle()
        assert len(await bridge.answers(ALICE)) == 1
    (record,) = [record for record in caplog.records if record.getMessage() == "wrap not readable"]
    assert record.levelno == logging.ERROR
    assert vars(record)["facts"] == {"entry": 1, "reason": "no storage key has the id 9"}


@pytest.mark.parametrize("failure", [StorageBusy("queue"), StorageFailed("disk full")])
async def test_while_the_storage_is_in_trouble_a_request_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async with a_pipeline(tmp_path) as bridge:
        commit, left = failing(bridge.storage.requests.commit, failure, failure, failure)
        monkeypatch.setattr(bridge.storage.requests, "commit", commit)
        assert (await bridge.ask(ALICE, TURN)).code is None
        assert left == []
        assert await bridge.remaining(ALICE, "turn") == 99
        assert bridge.counts == {"call_relay.credentials_issued": 1}


async def test_trouble_while_a_refusal_is_recorded_counts_its_event_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 1}) as bridge:
        await bridge.ask(ALICE, TURN)
        commit, left = failing(bridge.storage.requests.commit, StorageBusy("queue"), StorageBusy("queue"))
        monkeypatch.setattr(bridge.storage.requests, "commit", commit)
        assert (await bridge.ask(ALICE, TURN)).code == "CALL_RELAY_RATE_LIMITED"
        assert left == []
        assert bridge.counts["call_relay.rate_limited"] == 1


async def test_trouble_of_the_storage_costs_a_stranger_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_pipeline(tmp_path, changes={"permits.info.burst": 1}) as bridge:
        commit, left = failing(bridge.storage.requests.commit, StorageBusy("queue"), StorageBusy("queue"))
        monkeypatch.setattr(bridge.storage.requests, "commit", commit)
        assert (await bridge.ask(ALICE)).code is None
        assert left == []


async def test_a_wrap_that_joined_a_request_which_met_trouble_is_answered_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        commit, _ = failing(bridge.storage.requests.commit, StorageBusy("queue"))
        monkeypatch.setattr(bridge.storage.requests, "commit", commit)
        rumor = bridge.request(ALICE, TURN)
        await bridge.accept(*(bridge.wrap(rumor, ALICE) for _ in range(3)))
        await provider.wait_asked(1)
        await bridge.wait_under_way(3)
        provider.gate.set()
        await bridge.settle()
        assert await bridge.waiting() == []
        assert {answer.answers for answer in await bridge.answers(ALICE)} == {rumor.id}
        assert await bridge.remaining(ALICE, "turn") == 99


async def test_a_request_that_meets_trouble_each_time_holds_up_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker, and the first request never gets through: those behind it do."""
    async with a_pipeline(tmp_path, changes={"inbox.concurrency": 1}) as bridge:
        poisoned = bridge.wrap(bridge.request(ALICE), ALICE)
        commit = bridge.storage.requests.commit

        async def refuse_one(answer: Any) -> Any:
            if (poisoned.id, HERE) in answer.wrap_ids:
                raise StorageFailed("always")
            return await commit(answer)

        monkeypatch.setattr(bridge.storage.requests, "commit", refuse_one)
        bridge.here.listen(BOB.key, wraps.LIVE)
        await bridge.accept(poisoned)
        for number in range(1, 4):
            await bridge.accept(bridge.wrap(bridge.request(BOB), BOB, wraps.LIVE))
            await bridge.here.wait_delivered(number)
        assert await bridge.waiting() == [poisoned.id]
        monkeypatch.setattr(bridge.storage.requests, "commit", commit)
        await bridge.settle()
        assert len(await bridge.answers(ALICE)) == 1


class Unhurried:
    """asyncio as the inbox sees it, with pauses that are noted and not made."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay: float) -> None:
        self.pauses.append(delay)
        await asyncio.sleep(0)


async def test_trouble_is_met_ever_more_slowly_and_success_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unhurried = Unhurried()
    monkeypatch.setattr(inbox, "asyncio", unhurried)
    monkeypatch.setattr(inbox, "FIRST_RETRY_SECONDS", 0.5)
    changes = {"inbox.concurrency": 1, "inbox.keep_after_seconds": 0}
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        works = bridge.storage.requests.commit
        for times in (9, 2):
            commit, _ = failing(works, *[StorageBusy("queue")] * times)
            monkeypatch.setattr(bridge.storage.requests, "commit", commit)
            await bridge.ask(ALICE)
    assert unhurried.pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 0.5, 1]


async def test_a_request_that_cannot_even_be_refused_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_pipeline(tmp_path, changes={"inbox.concurrency": 1}) as bridge:
        write = bridge.core.inbox._dispatcher._recorder._replies.write

        async def broken(response: Any, asker: str, **named: Any) -> Any:
            if asker == ALICE.key:
                raise RuntimeError("planted")
            return await write(response, BOB.key, **named)

        monkeypatch.setattr(bridge.core.inbox._dispatcher._recorder._replies, "write", broken)
        wrap = bridge.wrap(bridge.request(ALICE, TURN), ALICE)
        await bridge.give(wrap)
        assert await bridge.waiting() == []
        assert (await bridge.ask(BOB)).code is None
    (record,) = [record for record in caplog.records if record.getMessage() == "wrap given up"]
    assert vars(record)["facts"]["wrap"] == wrap.id[:8]
    assert record.levelno == logging.ERROR
    assert "planted" not in caplog.text


async def test_what_breaks_after_the_answer_was_recorded_does_not_answer_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_pipeline(tmp_path) as bridge:

        async def broken(replies: Any, numbers: Any) -> None:
            raise RuntimeError("planted")

        monkeypatch.setattr(bridge.core.outbox, "send", broken)
        answer = await bridge.ask(ALICE, TURN)
        assert answer.code is None
        assert await bridge.waiting() == []


# --- cancellation


async def test_a_wrap_whose_sender_went_away_while_it_was_stored_is_answered(tmp_path: Path) -> None:
    """Its row may be there: sent again it would be a duplicate, and nobody would ever answer it."""
    async with a_pipeline(tmp_path) as bridge:
        wrap = bridge.wrap(bridge.request(ALICE), ALICE)
        async with asyncio.TaskGroup() as tasks:
            accepting = tasks.create_task(bridge.core.inbox.accept(wrap, link=HERE))
            await asyncio.sleep(0)
            accepting.cancel()
        await bridge.settle()
        assert await bridge.give(wrap) == [Added.DUPLICATE]
        assert len(await bridge.answers(ALICE)) == 1
        assert await bridge.waiting() == []


async def test_senders_that_go_away_cannot_overfill_the_queue(tmp_path: Path) -> None:
    async with a_pipeline(
        tmp_path, changes={"inbox.max_waiting": 2, "inbox.concurrency": 1}, is_running=False
    ) as bridge:
        async with asyncio.TaskGroup() as tasks:
            sent = [bridge.wrap(bridge.request(ALICE), ALICE) for _ in range(6)]
            accepting = [tasks.create_task(bridge.core.inbox.accept(wrap, link=HERE)) for wrap in sent]
            await asyncio.sleep(0)
            for task in accepting:
                task.cancel()
        assert bridge.core.inbox.waiting == 1, "one source has half of the room"


async def test_a_worker_that_is_cancelled_leaves_its_request_in_the_store(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    async with a_pipeline(tmp_path, provider=provider, is_running=False) as bridge:
        wrap = bridge.wrap(bridge.request(ALICE, TURN), ALICE)
        await bridge.accept(wrap)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(bridge.core.inbox.run())
            await provider.wait_asked(1)
            running.cancel()
        assert await bridge.waiting() == [wrap.id]
        assert len(bridge.core.inbox._dispatcher.arrivals) == 0
        assert await bridge.remaining(ALICE, "turn") == 100
        assert provider.busy == 0


# --- bounds


async def test_no_more_requests_are_worked_on_at_once_than_the_settings_allow(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    async with a_pipeline(tmp_path, provider=provider, changes={"inbox.concurrency": 3}) as bridge:
        await bridge.accept(*(bridge.wrap(bridge.request(ALICE, TURN), ALICE) for _ in range(10)))
        await provider.wait_asked(3)
        assert len(bridge.core.inbox._dispatcher.arrivals) == 3
        provider.gate.set()
        await bridge.settle()
        assert provider.most_busy == 3
        assert len(await bridge.answers(ALICE)) == 10


async def test_draining_waits_for_everything_that_was_accepted(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        await bridge.accept(bridge.wrap(bridge.request(ALICE, TURN), ALICE))
        await provider.wait_asked(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await bridge.core.inbox.drain()
        provider.gate.set()
        async with within(10):
            await bridge.core.inbox.drain()
        assert await bridge.waiting() == []


async def test_silenced_wraps_leave_the_store_also_when_others_join_them_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_pipeline(tmp_path, changes={"permits.invalid.burst": 1}) as bridge:
        await bridge.send(ALICE, bridge.request(ALICE, content="no JSON"))
        drop, dropping, go = bridge.storage.inbox.drop, asyncio.Event(), asyncio.Event()

        async def slowly(ids: Sequence[InboxId]) -> bool:
            taken = list(ids)
            dropping.set()
            await go.wait()
            return await drop(taken)

        monkeypatch.setattr(bridge.storage.inbox, "drop", slowly)
        rumor = bridge.request(ALICE, content="no JSON either")
        await bridge.accept(bridge.wrap(rumor, ALICE))
        await dropping.wait()
        await bridge.accept(bridge.wrap(rumor, ALICE))
        go.set()
        await bridge.settle()
        assert await bridge.waiting() == []
