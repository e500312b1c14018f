"""Requests counted by what they came to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ProviderFailed
from bridge.settings.accounts import Admission, LimiterSettings
from bridge.tallies import BOUNDS_SECONDS, DEFERRED, OK, OTHER, REPEATED, SEEN, SILENCE, Durations, RequestTallies
from protocol.catalogue import load_catalogue
from storage.errors import StorageFailed
from storage.interface import Answer, Recorded
from tests.support.edges import ScriptedProvider
from tests.support.pipeline import LIVE, Client, Pipeline, a_pipeline

ALICE = Client("alice")
CATALOGUE = load_catalogue()


def counted(bridge: Pipeline) -> dict[tuple[str, str], int]:
    return {key: durations.amount for key, durations in bridge.core.tallies.durations.items()}


# --- figures


@given(st.lists(st.floats(0, 100)))
def test_classes_of_durations_are_cumulative_and_end_with_all(seconds: list[float]) -> None:
    durations = Durations()
    for one in seconds:
        durations.add(one)
    assert [count for _, count in durations.up_to()] == [
        sum(one <= bound for one in seconds) for bound in (*BOUNDS_SECONDS, float("inf"))
    ]
    assert durations.amount == len(seconds)
    assert durations.total_seconds == pytest.approx(sum(seconds))


def test_words_that_the_contract_does_not_have_are_all_one() -> None:
    tallies = RequestTallies(CATALOGUE)
    for number in range(1000):
        tallies.end(f"method {number}", f"outcome {number}", 0.1)
    tallies.end(None, OK, 0.1)
    assert set(tallies.durations) == {(OTHER, OTHER), (OTHER, OK)}
    assert tallies.ended == 1001


@pytest.mark.parametrize("outcome", [*CATALOGUE.refusals, OK, REPEATED, SEEN, SILENCE, DEFERRED])
def test_own_faults_are_errors_from_500_and_what_was_put_off(outcome: str) -> None:
    tallies = RequestTallies(CATALOGUE)
    tallies.end("bridge.info", outcome, 0.1)
    entry = CATALOGUE.refusals.get(outcome)
    assert tallies.own_faults == (entry.status >= 500 if entry else outcome == DEFERRED)
    assert tallies.ended == 1


# --- what the pipeline tells


async def test_each_way_to_end_is_told_apart(tmp_path: Path) -> None:
    few = LimiterSettings(burst=2, refill_seconds=1000)
    async with a_pipeline(tmp_path, changes={"permits.turn": few}) as bridge:
        await bridge.ask(ALICE)
        first = bridge.request(ALICE, "turn.get_credentials", id="a")
        await bridge.answer(ALICE, first)
        await bridge.answer(ALICE, first)
        await bridge.ask(ALICE, "turn.get_credentials", {"relay_only": 7})
        await bridge.ask(ALICE, "turn.get_credentials")
        await bridge.ask(ALICE, "turn.get_credentials", {"relay_only": True}, id="a")
        await bridge.ask(ALICE, "no.such")
        await bridge.answer(ALICE, bridge.request(ALICE, content="{"))
        await bridge.answer(ALICE, bridge.request(ALICE, created_at=1))
        wrap = bridge.wrap(bridge.request(ALICE), ALICE, LIVE)
        await bridge.give(wrap)
        await bridge.give(wrap, wrap)
    assert counted(bridge) == {
        ("bridge.info", OK): 2,
        ("bridge.info", SEEN): 2,
        ("turn.get_credentials", OK): 1,
        ("turn.get_credentials", REPEATED): 1,
        ("turn.get_credentials", "BRIDGE_INVALID_REQUEST"): 1,
        ("turn.get_credentials", "CALL_RELAY_RATE_LIMITED"): 1,
        ("turn.get_credentials", "BRIDGE_CONFLICT"): 1,
        (OTHER, "BRIDGE_UNKNOWN_METHOD"): 1,
        (OTHER, "BRIDGE_INVALID_REQUEST"): 1,
        (OTHER, "BRIDGE_EXPIRED"): 1,
    }
    assert bridge.core.tallies.own_faults == 0


async def test_silence_is_counted(tmp_path: Path) -> None:
    changes = {
        "accounts.admission": Admission.ALLOWLIST,
        "permits.free": LimiterSettings(burst=1, refill_seconds=1000),
        "permits.invalid": LimiterSettings(burst=1, refill_seconds=1000),
    }
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        for _ in range(3):
            await bridge.send(ALICE, bridge.request(ALICE, "account.get"))
            await bridge.send(ALICE, bridge.request(ALICE, content="{"))
    assert counted(bridge) == {
        ("account.get", "BRIDGE_UNAUTHORIZED"): 1,
        ("account.get", SILENCE): 2,
        (OTHER, "BRIDGE_INVALID_REQUEST"): 1,
        (OTHER, SILENCE): 2,
    }


async def test_failure_of_a_provider_is_our_fault(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, provider=ScriptedProvider(ProviderFailed(503, "down"))) as bridge:
        await bridge.ask(ALICE, "turn.get_credentials")
    assert counted(bridge) == {("turn.get_credentials", "CALL_RELAY_PROVIDER_ERROR"): 1}
    assert (bridge.core.tallies.own_faults, bridge.core.tallies.ended) == (1, 1)


async def test_what_is_no_request_is_counted_apart(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await bridge.give(bridge.wrap(bridge.request(ALICE, tags=[("p", ALICE.key)]), ALICE))
    assert (bridge.core.tallies.dropped, bridge.core.tallies.ended) == (1, 0)


async def test_what_is_put_off_is_our_fault_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_pipeline(tmp_path) as bridge:
        real, failures = bridge.storage.requests.commit, iter([True, False])

        async def commit(answer: Answer) -> Recorded:
            if next(failures, False):
                raise StorageFailed("disk full")
            return await real(answer)

        monkeypatch.setattr(bridge.storage.requests, "commit", commit)
        monkeypatch.setattr("bridge.inbox.FIRST_RETRY_SECONDS", 0.01)
        await bridge.answer(ALICE, bridge.request(ALICE))
    assert counted(bridge) == {(OTHER, DEFERRED): 1, ("bridge.info", OK): 1}
    assert (bridge.core.tallies.own_faults, bridge.core.tallies.ended) == (1, 2)


# --- what is no fault of ours


async def test_strangers_without_room_are_no_fault_of_ours(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"accounts.max_accounts": 1}) as bridge:
        await bridge.ask(ALICE, "account.get")
        tallies = bridge.core.tallies
        assert (tallies.judged, tallies.own_faults) == (1, 0)
        for number in range(3):
            assert (await bridge.ask(Client(f"stranger {number}"), "account.get")).code == "BRIDGE_UNAVAILABLE"
        assert (tallies.judged, tallies.own_faults) == (1, 0)
        assert counted(bridge)["account.get", "full"] == 3
