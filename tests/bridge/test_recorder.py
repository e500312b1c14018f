"""One transaction for everything about an answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.arrivals import Arrival
from bridge.newcomers import Offer
from bridge.recorder import Recorder, Stored
from client.envelope import Reply
from nips.nip40 import expiration
from nips.nip59 import Rumor
from protocol.catalogue import load_catalogue
from storage.interface import (
    HERE,
    AlreadyKnown,
    Committed,
    InboxId,
    KnownRequest,
    NoPermit,
    Permit,
    Recorded,
    RequestKey,
)
from storage.permits import Bucket
from tests.support.pipeline import STORED, Client, Pipeline, a_pipeline

ALICE = Client("alice")
BUCKET = Bucket(burst=1, refill_ms=10_000)
DIGEST = bytes(32)
BODY = {"result": {"x": 1}}


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with a_pipeline(tmp_path, is_running=False) as bridge:
        yield bridge


def recorder_of(bridge: Pipeline) -> Recorder:
    return bridge.core.inbox._dispatcher._recorder


async def an_arrival(bridge: Pipeline, rumor: Rumor | None = None, *, wraps: int = 1) -> Arrival:
    """Return a request whose wraps wait in the inbox."""
    rumor = rumor or bridge.request(ALICE)
    sent = [bridge.wrap(rumor, ALICE) for _ in range(wraps)]
    await bridge.accept(*sent)
    return Arrival(rumor, STORED, bridge.clock.now(), [InboxId(wrap.id, HERE) for wrap in sent], [HERE], [])


async def stored_for(bridge: Pipeline, arrival: Arrival, request_id: str = "r1") -> Stored:
    door = bridge.core.inbox._dispatcher._door
    dossier = await bridge.storage.requests.look_up(asker=ALICE.key, request_id=request_id, rumor_id=arrival.rumor.id)
    caller = await door.admit(ALICE.key, dossier, load_catalogue().methods["account.get"], Offer())
    return Stored(RequestKey(ALICE.key, request_id, arrival.rumor.id, DIGEST), caller)


async def find(bridge: Pipeline, arrival: Arrival, request_id: str = "r1") -> KnownRequest | None:
    rumor_id = arrival.rumor.id
    return (await bridge.storage.requests.look_up(asker=ALICE.key, request_id=request_id, rumor_id=rumor_id)).known


def a_permit(bridge: Pipeline, now_ms: int | None = None) -> Permit:
    return Permit("turn", 1, BUCKET, bridge.clock.now_ms() if now_ms is None else now_ms)


async def record(
    bridge: Pipeline, arrival: Arrival, *, stored: Stored | None = None, permit: Permit | None = None
) -> Recorded:
    return await recorder_of(bridge).record(
        arrival, request_id="r1", reply=Reply.SAME, body=BODY, stored=stored, permit=permit
    )


async def test_an_answer_is_kept_with_the_request_that_it_answers(bridge: Pipeline) -> None:
    arrival = await an_arrival(bridge)
    assert isinstance(await record(bridge, arrival, stored=await stored_for(bridge, arrival)), Committed)
    known = await find(bridge, arrival)
    assert known is not None
    (answer,) = await bridge.answers(ALICE)
    assert (known.rumor_id, known.digest, known.response_json) == (arrival.rumor.id, DIGEST, answer.rumor.to_json())
    assert answer.content == {"_v": "1.0.0", "id": "r1", "server_time": bridge.clock.now(), "result": {"x": 1}}


async def test_an_answer_that_may_be_tried_again_is_sent_and_not_kept(bridge: Pipeline) -> None:
    arrival = await an_arrival(bridge)
    assert isinstance(await record(bridge, arrival), Committed)
    assert await find(bridge, arrival) is None
    assert len(await bridge.answers(ALICE)) == 1


async def test_what_cost_its_asker_nothing_is_not_stored_for_long(bridge: Pipeline) -> None:
    kept, refused = await an_arrival(bridge), await an_arrival(bridge)
    await record(bridge, kept, stored=await stored_for(bridge, kept))
    await record(bridge, refused)
    found = await find(bridge, kept)
    assert found is not None
    again = await an_arrival(bridge, kept.rumor)
    await recorder_of(bridge).repeat(again, request_id="r1", reply=Reply.SAME, known=found)
    lives = [expiration(answer.wrap) for answer in await bridge.answers(ALICE)]
    times = bridge.settings.replies
    assert sorted(life - bridge.clock.now() for life in lives if life) == [
        times.free_retention_seconds,
        times.free_retention_seconds,
        times.retention_seconds,
    ]


async def test_all_wraps_that_brought_a_request_leave_the_inbox_with_its_answer(bridge: Pipeline) -> None:
    arrival = await an_arrival(bridge, wraps=3)
    assert len(await bridge.waiting()) == 3
    await record(bridge, arrival)
    assert await bridge.waiting() == []


async def test_nobody_joins_once_an_answer_is_being_recorded(bridge: Pipeline) -> None:
    arrival = await an_arrival(bridge)
    assert not arrival.is_sealed
    await record(bridge, arrival)
    assert (arrival.is_sealed, arrival.is_recorded) == (True, True)


async def test_without_a_permit_nothing_is_recorded(bridge: Pipeline) -> None:
    first, second = await an_arrival(bridge), await an_arrival(bridge)
    await record(bridge, first, permit=a_permit(bridge))
    refused = await record(bridge, second, stored=await stored_for(bridge, second), permit=a_permit(bridge))
    assert refused == NoPermit(BUCKET.refill_ms)
    assert not second.is_recorded
    assert await find(bridge, second) is None
    assert await bridge.waiting() == [identity.wrap_id for identity in second.wrap_ids]
    assert len(await bridge.answers(ALICE)) == 1


async def test_a_permit_is_taken_as_of_now_whenever_it_was_promised(bridge: Pipeline) -> None:
    promised = a_permit(bridge)
    bridge.clock.advance(10)
    await record(bridge, await an_arrival(bridge), permit=promised)
    balances = await bridge.storage.permits.balances(1)
    assert balances["turn"].updated_ms == bridge.clock.now_ms()


async def test_what_somebody_else_answered_is_not_recorded_again(bridge: Pipeline) -> None:
    first = await an_arrival(bridge)
    await record(bridge, first, stored=await stored_for(bridge, first))
    again = await an_arrival(bridge, first.rumor)
    refused = await record(bridge, again, stored=await stored_for(bridge, again), permit=a_permit(bridge))
    assert isinstance(refused, AlreadyKnown)
    assert refused.known == await find(bridge, first)
    assert await bridge.storage.permits.balances(1) == {}
    assert not again.is_recorded


async def test_an_answer_is_forgotten_when_its_rumor_has_expired_and_not_before(bridge: Pipeline) -> None:
    arrival = await an_arrival(bridge)
    await record(bridge, arrival, stored=await stored_for(bridge, arrival))
    bridge.clock.advance(172_800)
    await bridge.storage.purge(now=bridge.clock.now(), buckets={})
    assert await find(bridge, arrival) is not None
    bridge.clock.advance(3601)
    await bridge.storage.purge(now=bridge.clock.now(), buckets={})
    assert await find(bridge, arrival) is None


async def test_the_day_that_a_device_was_seen_is_noted_with_the_answer(bridge: Pipeline) -> None:
    arrival = await an_arrival(bridge)
    await record(bridge, arrival, stored=await stored_for(bridge, arrival))
    bridge.clock.advance(5 * 86_400)
    later = await an_arrival(bridge)
    await record(bridge, later, stored=await stored_for(bridge, later, "r2"))
    found = await bridge.storage.accounts.find(ALICE.key)
    assert found is not None
    assert found[1].last_seen_day == bridge.clock.now() // 86_400 * 86_400


# --- again


async def repeated(bridge: Pipeline, first: Arrival, again: Arrival) -> list[str]:
    known = await find(bridge, first)
    assert known is not None
    await recorder_of(bridge).repeat(again, request_id="r1", reply=Reply.SAME, known=known)
    return sorted({answer.rumor.id for answer in await bridge.answers(ALICE)})


async def test_the_same_rumor_gets_the_same_response_rumor(bridge: Pipeline) -> None:
    first = await an_arrival(bridge)
    await record(bridge, first, stored=await stored_for(bridge, first))
    bridge.clock.advance(50)
    assert len(await repeated(bridge, first, await an_arrival(bridge, first.rumor))) == 1
    assert len(await bridge.answers(ALICE)) == 2
    assert await bridge.waiting() == []


async def test_the_same_rumor_gets_it_also_from_a_newer_bridge(
    bridge: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await an_arrival(bridge)
    await record(bridge, first, stored=await stored_for(bridge, first))
    monkeypatch.setattr(recorder_of(bridge), "_wire_version", "1.1.0")
    assert len(await repeated(bridge, first, await an_arrival(bridge, first.rumor))) == 1


async def test_another_rumor_gets_a_response_of_its_own_with_the_same_body(bridge: Pipeline) -> None:
    first = await an_arrival(bridge)
    await record(bridge, first, stored=await stored_for(bridge, first))
    bridge.clock.advance(50)
    other = await an_arrival(bridge)
    assert len(await repeated(bridge, first, other)) == 2
    bridge.clock.advance(50)
    assert len(await repeated(bridge, first, await an_arrival(bridge, other.rumor))) == 2
    answers = await bridge.answers(ALICE)
    assert {answer.answers for answer in answers} == {first.rumor.id, other.rumor.id}
    assert {json.dumps(answer.content) for answer in answers} == {json.dumps(answers[0].content)}
