"""The rules under the table of protocol.md §1: a request is answered once and charged once, however often it comes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import ProviderFailed, Unavailable
from bridge.settings.accounts import Admission
from client.publications import Outcome
from storage.interface import HERE, Dossier
from tests.support.clock import FixedClock
from tests.support.edges import RecordingRelay, ScriptedProvider, ScriptedPublisher
from tests.support.pipeline import LIVE, STORED, Client, Json, a_pipeline

ALICE, BOB = Client("alice"), Client("bob")
TURN = "turn.get_credentials"
OTHER = "wss://other.example"


# --- the same rumor


@pytest.mark.parametrize("method", ["bridge.info", "account.get", TURN])
async def test_the_same_rumor_gets_the_same_response_rumor_in_a_new_wrap(tmp_path: Path, method: str) -> None:
    async with a_pipeline(tmp_path) as bridge:
        rumor = bridge.request(ALICE, method)
        first = await bridge.answer(ALICE, rumor)
        bridge.clock.advance(100)
        second = await bridge.answer(ALICE, rumor)
        assert second.rumor == first.rumor
        assert second.wrap.id != first.wrap.id


async def test_a_repeat_takes_no_permit(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 1}) as bridge:
        rumor = bridge.request(ALICE, TURN)
        answers = [await bridge.answer(ALICE, rumor) for _ in range(4)]
        assert {answer.code for answer in answers} == {None}
        assert await bridge.remaining(ALICE, "turn") == 0


async def test_a_repeat_by_a_stranger_takes_no_permit_either(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.info.burst": 1}) as bridge:
        rumor = bridge.request(ALICE)
        assert [(await bridge.answer(ALICE, rumor)).code for _ in range(3)] == [None] * 3


async def test_a_repeat_does_not_ask_the_provider_again(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        rumor = bridge.request(ALICE, TURN)
        await bridge.answer(ALICE, rumor)
        await bridge.answer(ALICE, rumor)
        assert len(provider.users) == 1


async def test_the_very_same_wrap_is_a_duplicate_and_nothing_more(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        wrap = bridge.wrap(bridge.request(ALICE, TURN), ALICE)
        assert await bridge.give(wrap) == ["added"]
        assert await bridge.give(wrap) == ["duplicate"]
        assert len(await bridge.answers(ALICE)) == 1


async def test_a_wrap_that_somebody_copied_to_another_link_first_is_answered_where_it_was_sent(tmp_path: Path) -> None:
    other = ScriptedPublisher()
    async with a_pipeline(tmp_path, publishers={OTHER: other}) as bridge:
        bridge.here.listen(ALICE.key, LIVE)
        wrap = bridge.wrap(bridge.request(ALICE, TURN), ALICE, LIVE)
        assert await bridge.give(wrap) == ["added"]
        assert await bridge.give(wrap, link=OTHER) == ["added"]
        assert await bridge.give(wrap, link=OTHER) == ["duplicate"]
        assert [len(other.published), len(bridge.here.delivered)] == [1, 1]
        copied, sent = await bridge.answers(ALICE)
        assert copied.rumor == sent.rumor
        assert await bridge.remaining(ALICE, "turn") == 99


async def test_a_wrap_that_somebody_copies_while_it_is_answered_is_answered_on_both_links(tmp_path: Path) -> None:
    provider, other = held(ScriptedProvider()), ScriptedPublisher()
    async with a_pipeline(tmp_path, provider=provider, publishers={OTHER: other}) as bridge:
        wrap = bridge.wrap(bridge.request(ALICE, TURN), ALICE)
        await bridge.accept(wrap)
        await bridge.accept(wrap, link=OTHER)
        await bridge.wait_under_way(2)
        provider.gate.set()
        await bridge.settle()
        copied, sent = await bridge.answers(ALICE)
        assert copied.rumor == sent.rumor
        assert (len(other.published), len(provider.users)) == (1, 1)
        assert await bridge.waiting() == []


async def test_a_repeat_survives_a_restart(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        rumor = bridge.request(ALICE, TURN)
        first = await bridge.answer(ALICE, rumor)
    async with a_pipeline(tmp_path, run=2) as bridge:
        assert (await bridge.answer(ALICE, rumor)).rumor == first.rumor
        assert await bridge.remaining(ALICE, "turn") == 99


async def test_a_repeat_is_answered_the_way_that_it_asks_for(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        bridge.here.listen(ALICE.key, LIVE)
        rumor = bridge.request(ALICE)
        stored, live = await bridge.answer(ALICE, rumor, STORED), await bridge.answer(ALICE, rumor, LIVE)
        assert (stored.wrap.kind, live.wrap.kind) == (STORED, LIVE)
        assert stored.rumor == live.rumor


async def test_a_repeat_is_known_for_as_long_as_its_rumor_is_fresh(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        rumor = bridge.request(ALICE, TURN, created_at=bridge.clock.now() + 900)
        first = await bridge.answer(ALICE, rumor)
        bridge.clock.advance(172_800 + 900)
        await bridge.storage.purge(now=bridge.clock.now(), buckets=bridge.core.buckets)
        assert (await bridge.answer(ALICE, rumor)).rumor == first.rumor
        bridge.clock.advance(1)
        assert (await bridge.answer(ALICE, rumor)).code == "BRIDGE_EXPIRED"


# --- another rumor with the same id


@pytest.mark.parametrize("written", ['{"relay_only": true}', '{ "relay_only":true }', '{"relay_\\u006fnly":true}'])
async def test_the_same_request_in_another_rumor_gets_the_same_result(tmp_path: Path, written: str) -> None:
    provider = ScriptedProvider()
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        first = await bridge.ask(ALICE, TURN, {"relay_only": True}, id="same")
        content = f'{{"params":{written},"method":"{TURN}","shiny":1,"id":"same","_v":"1.9.0"}}'
        rumor = bridge.request(ALICE, content=content, created_at=bridge.clock.now() - 7)
        second = await bridge.answer(ALICE, rumor)
        assert second.result == first.result
        assert second.rumor.id != first.rumor.id
        assert second.answers == rumor.id
        assert len(provider.users) == 1
        assert await bridge.remaining(ALICE, "turn") == 99


async def test_its_repeat_gets_the_same_response_rumor_again(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await bridge.ask(ALICE, TURN, id="same")
        rumor = bridge.request(ALICE, TURN, id="same", created_at=bridge.clock.now() - 7)
        second = await bridge.answer(ALICE, rumor)
        bridge.clock.advance(100)
        assert (await bridge.answer(ALICE, rumor)).rumor == second.rumor


async def test_the_same_error_too(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        first = await bridge.ask(ALICE, TURN, {"shiny": 1}, id="same")
        second = await bridge.ask(ALICE, TURN, {"shiny": 1}, id="same", created_at=bridge.clock.now() - 7)
        assert second.error == first.error
        assert await bridge.remaining(ALICE, "turn") == 99


async def test_a_conflict_does_not_disturb_what_is_known(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        rumor = bridge.request(ALICE, TURN, id="same")
        first = await bridge.answer(ALICE, rumor)
        conflict = bridge.request(ALICE, TURN, {"relay_only": True}, id="same")
        assert [(await bridge.answer(ALICE, conflict)).code for _ in range(2)] == ["BRIDGE_CONFLICT"] * 2
        assert (await bridge.answer(ALICE, rumor)).rumor == first.rumor


async def test_each_rumor_of_a_request_is_known_for_as_long_as_it_is_fresh(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        first = await bridge.ask(ALICE, TURN, id="same")
        for age in (100, 0, -900):
            bridge.clock.advance(47 * 3600)
            await bridge.storage.purge(now=bridge.clock.now(), buckets={})
            rumor = bridge.request(ALICE, TURN, id="same", created_at=bridge.clock.now() - age)
            again = await bridge.answer(ALICE, rumor)
            assert again.result == first.result
            bridge.clock.advance(172_800 - age)
            await bridge.storage.purge(now=bridge.clock.now(), buckets={})
            assert (await bridge.answer(ALICE, rumor)).rumor == again.rumor
        assert len(provider.users) == 1
        assert bridge.counts == {"call_relay.credentials_issued": 1}


async def test_a_request_that_came_late_is_not_forgotten_sooner(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        first = await bridge.ask(ALICE, TURN, id="same", created_at=bridge.clock.now() - 172_800 + 30)
        rumor = bridge.request(ALICE, TURN, id="same", created_at=bridge.clock.now() + 900)
        bridge.clock.advance(172_800 + 900)
        await bridge.storage.purge(now=bridge.clock.now(), buckets={})
        assert (await bridge.answer(ALICE, rumor)).result == first.result
        assert (await bridge.ask(ALICE, "account.get", id="same")).code == "BRIDGE_CONFLICT"
        assert len(provider.users) == 1


# --- what is not kept, so that the same rumor may be tried again


async def test_a_rate_limited_rumor_may_be_tried_again_when_permits_are_back(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 1}) as bridge:
        await bridge.ask(ALICE, TURN)
        rumor = bridge.request(ALICE, TURN)
        error = (await bridge.answer(ALICE, rumor)).error
        bridge.clock.advance(error["retry_after"])
        assert (await bridge.answer(ALICE, rumor)).code is None


@pytest.mark.parametrize("failure", [ProviderFailed(503, "x"), RuntimeError("x"), Unavailable("x")])
async def test_a_rumor_that_met_a_fault_of_ours_may_be_tried_again(tmp_path: Path, failure: Exception) -> None:
    provider = ScriptedProvider(failure)
    async with a_pipeline(tmp_path, provider=provider, changes={"permits.turn.burst": 1}) as bridge:
        rumor = bridge.request(ALICE, TURN)
        for _ in range(3):
            error = (await bridge.answer(ALICE, rumor)).error
            assert error["status"] >= 500
            assert error["retry"]
            assert await bridge.remaining(ALICE, "turn") == 1
        provider.failure = None
        assert (await bridge.answer(ALICE, rumor)).code is None


async def test_a_rumor_refused_at_the_door_may_be_tried_again_once_admitted(tmp_path: Path) -> None:
    changes: Json = {"accounts.admission": Admission.ALLOWLIST}
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        rumor = bridge.request(ALICE, TURN)
        assert (await bridge.answer(ALICE, rumor)).code == "CALL_RELAY_UNAUTHORIZED"
    async with a_pipeline(tmp_path, changes={**changes, "accounts.allow": (ALICE.key,)}, run=2) as bridge:
        assert (await bridge.answer(ALICE, rumor)).code is None


async def test_a_rumor_for_a_method_that_came_later_may_be_tried_again(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, has_provider=False, changes={"turn.stun_urls": ()}) as bridge:
        rumor = bridge.request(ALICE, TURN)
        assert (await bridge.answer(ALICE, rumor)).code == "BRIDGE_UNKNOWN_METHOD"
    async with a_pipeline(tmp_path, run=2) as bridge:
        assert (await bridge.answer(ALICE, rumor)).code is None


async def test_a_refusal_that_is_not_kept_does_not_take_the_id(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        assert (await bridge.ask(ALICE, "no.such", id="same")).code == "BRIDGE_UNKNOWN_METHOD"
        assert (await bridge.ask(ALICE, "account.get", id="same")).code is None


# --- at once


def held(provider: ScriptedProvider) -> ScriptedProvider:
    provider.gate.clear()
    return provider


async def test_a_new_wrap_of_a_request_in_progress_joins_it(tmp_path: Path) -> None:
    provider = held(ScriptedProvider())
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        rumor = bridge.request(ALICE, TURN)
        wraps = [bridge.wrap(rumor, ALICE) for _ in range(5)]
        await bridge.accept(*wraps)
        await provider.wait_asked(1)
        await bridge.wait_under_way(len(wraps))
        provider.gate.set()
        await bridge.settle()
        (answer,) = await bridge.answers(ALICE)
        assert answer.code is None
        assert len(provider.users) == 1
        assert await bridge.remaining(ALICE, "turn") == 99
        assert await bridge.waiting() == []


async def test_each_link_that_brought_a_request_in_progress_gets_its_answer(tmp_path: Path) -> None:
    provider, other = held(ScriptedProvider()), ScriptedPublisher()
    async with a_pipeline(tmp_path, provider=provider, publishers={OTHER: other}) as bridge:
        rumor = bridge.request(ALICE, TURN)
        await bridge.accept(bridge.wrap(rumor, ALICE))
        await bridge.accept(bridge.wrap(rumor, ALICE), link=OTHER)
        await bridge.wait_under_way(2)
        provider.gate.set()
        await bridge.settle()
        here, there = await bridge.answers(ALICE)
        assert here.rumor == there.rumor
        assert len(other.published) == 1
        assert await bridge.remaining(ALICE, "turn") == 99


async def test_wraps_of_both_kinds_at_once_are_answered_each_in_its_own(tmp_path: Path) -> None:
    provider = held(ScriptedProvider())
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        bridge.here.listen(ALICE.key, LIVE)
        rumor = bridge.request(ALICE, TURN)
        await bridge.accept(bridge.wrap(rumor, ALICE, STORED), bridge.wrap(rumor, ALICE, LIVE))
        await provider.wait_asked(1)
        provider.gate.set()
        await bridge.settle()
        one, two = await bridge.answers(ALICE)
        assert {one.wrap.kind, two.wrap.kind} == {STORED, LIVE}
        assert one.rumor == two.rumor
        assert len(provider.users) == 1
        assert await bridge.remaining(ALICE, "turn") == 99
        assert await bridge.waiting() == []


async def test_wraps_of_both_kinds_at_once_are_answered_in_the_kind_that_they_wish(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        bridge.here.listen(ALICE.key, LIVE)
        rumor = bridge.request(ALICE, TURN, reply="stored")
        await bridge.give(bridge.wrap(rumor, ALICE, STORED), bridge.wrap(rumor, ALICE, LIVE))
        assert {answer.wrap.kind for answer in await bridge.answers(ALICE)} == {STORED}


async def test_a_request_that_comes_over_two_links_one_after_the_other_is_answered_on_both(tmp_path: Path) -> None:
    other = ScriptedPublisher()
    async with a_pipeline(tmp_path, publishers={OTHER: other}) as bridge:
        rumor = bridge.request(ALICE, TURN)
        here = await bridge.answer(ALICE, rumor, link=HERE)
        there = await bridge.answer(ALICE, rumor, link=OTHER)
        assert here.rumor == there.rumor
        assert [wrap.id for wrap in other.published] == [there.wrap.id]
        assert await bridge.remaining(ALICE, "turn") == 99


async def test_two_rumors_with_one_id_raced_are_answered_once(tmp_path: Path) -> None:
    provider = held(ScriptedProvider())
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        rumors = [bridge.request(ALICE, TURN, id="same", created_at=bridge.clock.now() - age) for age in (1, 2)]
        await bridge.accept(*(bridge.wrap(rumor, ALICE) for rumor in rumors))
        await provider.wait_asked(1)
        await bridge.wait_under_way(2)
        provider.gate.set()
        await bridge.settle()
        one, two = await bridge.answers(ALICE)
        assert one.result == two.result
        assert {one.answers, two.answers} == {rumor.id for rumor in rumors}
        assert len(provider.users) == 1
        assert await bridge.remaining(ALICE, "turn") == 99
        assert bridge.counts == {"call_relay.credentials_issued": 1}


async def test_two_different_requests_with_one_id_raced_are_one_answer_and_one_conflict(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        rumors = [bridge.request(ALICE, TURN, params, id="same") for params in ({}, {"relay_only": True})]
        await bridge.give(*(bridge.wrap(rumor, ALICE) for rumor in rumors))
        codes = [answer.code for answer in await bridge.answers(ALICE)]
        assert sorted(codes, key=str) == ["BRIDGE_CONFLICT", None]
        assert await bridge.remaining(ALICE, "turn") == 99


async def test_when_the_first_of_two_raced_rumors_fails_the_second_is_tried(tmp_path: Path) -> None:
    provider = held(ScriptedProvider(ProviderFailed(503, "x")))
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        rumors = [bridge.request(ALICE, TURN, id="same", created_at=bridge.clock.now() - age) for age in (1, 2)]
        await bridge.accept(*(bridge.wrap(rumor, ALICE) for rumor in rumors))
        await provider.wait_asked(1)
        await bridge.wait_under_way(2)
        provider.gate.set()
        await bridge.settle()
        assert {answer.code for answer in await bridge.answers(ALICE)} == {"CALL_RELAY_PROVIDER_ERROR"}
        assert len(provider.users) == 2


async def test_many_wraps_of_many_rumors_of_one_request_cost_one_permit(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        rumors = [bridge.request(ALICE, TURN, id="same", created_at=bridge.clock.now() - age) for age in range(4)]
        await bridge.give(*(bridge.wrap(rumor, ALICE) for rumor in rumors for _ in range(4)))
        results = [json.dumps(answer.result) for answer in await bridge.answers(ALICE)]
        assert len(set(results)) == 1
        assert await bridge.remaining(ALICE, "turn") == 99


async def test_a_first_request_raced_with_itself_makes_one_account(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await bridge.give(*(bridge.wrap(bridge.request(ALICE, "account.get"), ALICE) for _ in range(6)))
        accounts = [answer.result["account"] for answer in await bridge.answers(ALICE)]
        assert len(accounts) == 6
        assert len({json.dumps(account) for account in accounts}) == 1


async def test_an_answer_recorded_by_another_process_meanwhile_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two bridges on one store: the look-up found nothing, the commit finds the other's answer."""
    async with a_pipeline(tmp_path) as bridge:
        rumor = bridge.request(ALICE, TURN)
        first = await bridge.answer(ALICE, rumor)

        look_up = bridge.storage.requests.look_up

        async def blind(**key: Any) -> Dossier:
            return replace(await look_up(**key), known=None)

        monkeypatch.setattr(bridge.storage.requests, "look_up", blind)
        again = await bridge.answer(ALICE, rumor)
        assert again.rumor == first.rumor
        assert await bridge.remaining(ALICE, "turn") == 99
        assert bridge.counts == {"call_relay.credentials_issued": 1}
        conflict = bridge.request(ALICE, TURN, {"relay_only": True}, id=first.content["id"])
        assert (await bridge.answer(ALICE, conflict)).code == "BRIDGE_CONFLICT"


# --- crashes


async def test_a_crash_between_acceptance_and_answer_leaves_a_request_that_is_answered_once(tmp_path: Path) -> None:
    clock = FixedClock()
    async with a_pipeline(tmp_path, clock=clock, is_running=False) as bridge:
        rumor = bridge.request(ALICE, TURN)
        assert await bridge.accept(bridge.wrap(rumor, ALICE), bridge.wrap(rumor, ALICE)) == ["added", "added"]
        assert await bridge.answers(ALICE) == []
    async with a_pipeline(tmp_path, clock=clock, run=2) as bridge:
        await bridge.settle()
        answers = await bridge.answers(ALICE)
        assert {answer.answers for answer in answers} == {rumor.id}
        assert len({answer.rumor.id for answer in answers}) == 1
        assert await bridge.remaining(ALICE, "turn") == 99
        assert await bridge.waiting() == []
    async with a_pipeline(tmp_path, clock=clock, run=3) as bridge:
        await bridge.settle()
        assert len(await bridge.answers(ALICE)) == len(answers)


async def test_after_a_crash_a_wrap_is_answered_on_every_link_that_brought_it_before(tmp_path: Path) -> None:
    clock, other = FixedClock(), ScriptedPublisher()
    async with a_pipeline(tmp_path, clock=clock, publishers={OTHER: other}, is_running=False) as bridge:
        wrap = bridge.wrap(bridge.request(ALICE, TURN), ALICE)
        assert await bridge.accept(wrap) + await bridge.accept(wrap, link=OTHER) == ["added", "added"]
    async with a_pipeline(tmp_path, clock=clock, publishers={OTHER: other}, run=2) as bridge:
        await bridge.settle()
        assert await bridge.waiting() == []
        copied, sent = await bridge.answers(ALICE)
        assert copied.rumor == sent.rumor
        assert len(other.published) == 1
        assert await bridge.give(wrap) + await bridge.give(wrap, link=OTHER) == ["duplicate", "duplicate"]


async def test_a_crash_amid_the_work_leaves_nothing_half_done(tmp_path: Path) -> None:
    clock, provider = FixedClock(), held(ScriptedProvider())
    async with a_pipeline(tmp_path, clock=clock, provider=provider) as bridge:
        wrap = bridge.wrap(bridge.request(ALICE, TURN), ALICE)
        await bridge.accept(wrap)
        await provider.wait_asked(1)
    async with a_pipeline(tmp_path, clock=clock, run=2, is_running=False) as bridge:
        assert await bridge.waiting() == [wrap.id]
        assert await bridge.answers(ALICE) == []
        assert await bridge.remaining(ALICE, "turn") == 100
    async with a_pipeline(tmp_path, clock=clock, run=3) as bridge:
        await bridge.settle()
        assert len(await bridge.answers(ALICE)) == 1
        assert await bridge.remaining(ALICE, "turn") == 99


async def test_a_live_answer_that_nobody_heard_is_delivered_after_a_crash_when_the_asker_listens(
    tmp_path: Path,
) -> None:
    clock = FixedClock()
    async with a_pipeline(tmp_path, clock=clock) as bridge:
        rumor = bridge.request(ALICE, TURN)
        await bridge.give(bridge.wrap(rumor, ALICE, LIVE))
        assert await bridge.answers(ALICE) == []
    here = RecordingRelay()
    async with a_pipeline(tmp_path, clock=clock, here=here, run=2) as bridge:
        clock.advance(30)
        here.listen(ALICE.key, LIVE)
        bridge.core.outbox.listener_came(ALICE.key)
        (answer,) = await bridge.answers(ALICE)
        assert answer.answers == rumor.id
        assert answer.wrap.created_at >= clock.now() - 30
        await bridge.settle()
    async with a_pipeline(tmp_path, clock=clock, here=RecordingRelay(), run=3) as bridge:
        bridge.here.listen(ALICE.key, LIVE)
        bridge.core.outbox.listener_came(ALICE.key)
        assert await bridge.answers(ALICE) == []


async def test_a_stored_answer_is_among_the_askers_wraps_after_a_crash(tmp_path: Path) -> None:
    clock = FixedClock()
    async with a_pipeline(tmp_path, clock=clock) as bridge:
        first = await bridge.ask(ALICE, TURN)
    async with a_pipeline(tmp_path, clock=clock, run=2) as bridge:
        assert [answer.rumor for answer in await bridge.answers(ALICE)] == [first.rumor]


async def test_an_answer_for_another_relay_goes_out_after_a_crash_in_the_same_wrap(tmp_path: Path) -> None:
    clock, cut_off = FixedClock(), ScriptedPublisher(Outcome.UNANSWERED)
    async with a_pipeline(tmp_path, clock=clock, publishers={OTHER: cut_off}) as bridge:
        await bridge.give(bridge.wrap(bridge.request(ALICE), ALICE), link=OTHER)
    clock.advance(10)
    other = ScriptedPublisher()
    async with a_pipeline(tmp_path, clock=clock, publishers={OTHER: other}, run=2) as bridge:
        await bridge.settle()
        assert other.published == cut_off.published
        assert len(other.published) == 1


async def test_a_request_that_is_too_old_after_a_long_outage_has_expired(tmp_path: Path) -> None:
    clock = FixedClock()
    async with a_pipeline(tmp_path, clock=clock, is_running=False) as bridge:
        await bridge.accept(bridge.wrap(bridge.request(ALICE, TURN), ALICE))
    clock.advance(172_801)
    async with a_pipeline(tmp_path, clock=clock, run=2) as bridge:
        await bridge.settle()
        (answer,) = await bridge.answers(ALICE)
        assert answer.code == "BRIDGE_EXPIRED"
