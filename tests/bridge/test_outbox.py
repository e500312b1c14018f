"""Getting answers out, once each, whatever relays and the storage do meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bridge import lanes, outbox
from nips.event import VerifiedEvent
from nips.keys import PublicKey
from nips.nip59 import Rumor, open_wrap
from storage.errors import StorageBusy, StorageFailed
from storage.interface import HERE, Answer, Committed, QueuedReply
from storage.sqlite import SqliteStorage
from tests.bridge.office import ALICE, BOB, LIVE_FOR, ONE, Office
from tests.support.deadline import within
from tests.support.edges import ScriptedPublisher
from tests.support.pipeline import LIVE, STORED, Client, a_storage


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Go on at once after the storage failed."""
    monkeypatch.setattr(outbox, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(lanes, "PAUSE_SECONDS", 0.001)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqliteStorage]:
    async with a_storage(tmp_path) as storage:
        yield storage


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


# --- keys that are worth nothing any more


async def test_what_is_held_for_a_forgotten_key_is_not_delivered(storage: SqliteStorage) -> None:
    office = Office(storage)
    await office.answer(LIVE, client=ALICE, amount=2)
    await office.answer(LIVE, client=BOB)
    await storage.outbox.delivered([row.number for row in await office.rows() if row.recipient == ALICE.key])
    office.outbox.forget([ALICE.key])
    assert office.outbox.held == 1
    for client in (ALICE, BOB):
        office.here.listen(client.key, LIVE)
        await office.came(client)
    assert (office.heard(ALICE), len(office.heard(BOB))) == ([], 1)


class Sealing:
    """Holds up the next live wrap until it is let."""

    def __init__(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.gate = asyncio.Event(), asyncio.Event()
        wrap_live = office.replies.wrap_live

        async def slowly(response: Rumor, asker: PublicKey) -> VerifiedEvent:
            self.begun.set()
            await self.gate.wait()
            return await wrap_live(response, asker)

        monkeypatch.setattr(office.replies, "wrap_live", slowly)


async def promptly(office: Office, client: Client) -> None:
    """Record and send a live answer without a row, as the recorder does for whoever listens."""
    response = office.a_response(client)
    replies = await office.replies.write(response, client.key, kind=LIVE, links=[HERE], received_at=office.clock.now())
    with office.outbox.storing(replies):
        assert isinstance(await office.storage.requests.commit(Answer(wrap_ids=[])), Committed)
        await office.outbox.send_now(replies, response, wraps=[], seen_until=0)


async def test_what_is_being_sealed_for_a_forgotten_key_is_not_delivered_either(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(storage)
    sealing = Sealing(office, monkeypatch)
    office.here.listen(ALICE.key, LIVE)
    async with within(), asyncio.TaskGroup() as tasks:
        tasks.create_task(promptly(office, ALICE))
        await sealing.begun.wait()
        office.outbox.forget([ALICE.key])
        sealing.gate.set()
    assert office.heard() == []
    assert await office.rows() == []
    await promptly(office, ALICE)
    assert len(office.heard()) == 1


async def test_nor_does_what_is_on_its_way_into_the_store_stay_there(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(storage)
    add = storage.outbox.add

    async def add_late(replies: Sequence[QueuedReply]) -> Sequence[int]:
        numbers = await add(replies)
        office.outbox.forget([ALICE.key])
        return numbers

    monkeypatch.setattr(storage.outbox, "add", add_late)
    await promptly(office, ALICE)
    assert await office.rows() == []
    office.here.listen(ALICE.key, LIVE)
    await office.came(ALICE)
    assert office.heard() == []


async def test_what_is_being_read_for_a_forgotten_key_is_not_delivered(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(storage)
    await office.answer(LIVE, amount=3)
    sealing = Sealing(office, monkeypatch)
    office.here.listen(ALICE.key, LIVE)
    async with within(), asyncio.TaskGroup() as tasks:
        tasks.create_task(office.came(ALICE))
        await sealing.begun.wait()
        office.outbox.forget([ALICE.key])
        sealing.gate.set()
    assert office.heard() == []
    assert office.outbox.held == 0


async def test_nothing_is_remembered_of_keys_to_which_nothing_is_on_its_way(storage: SqliteStorage) -> None:
    office = Office(storage)
    await promptly(office, ALICE)
    office.outbox.forget([ALICE.key, BOB.key])
    assert office.outbox._ways == {}
