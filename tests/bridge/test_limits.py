"""Permits through the whole pipeline: what an account can really have, and what it is told (protocol.md §4)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge import inbox
from bridge.errors import ProviderFailed
from bridge.settings.accounts import Admission
from nips.nip59 import Rumor
from storage.errors import StorageFailed
from storage.interface import Answer, Dossier
from storage.permits import Balance
from tests.support.clock import FixedClock
from tests.support.edges import ScriptedProvider
from tests.support.pipeline import Client, Json, Pipeline, a_pipeline

ALICE, BOB = Client("alice"), Client("bob")
TURN = "turn.get_credentials"
LIMITED = "CALL_RELAY_RATE_LIMITED"


async def codes(bridge: Pipeline, amount: int, client: Client = ALICE) -> list[str | None]:
    return [(await bridge.ask(client, TURN)).code for _ in range(amount)]


async def test_one_permit_passes_and_the_second_does_not(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 1}) as bridge:
        assert await codes(bridge, 2) == [None, LIMITED]


async def test_a_burst_passes_and_one_more_does_not(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        wraps = [bridge.wrap(bridge.request(ALICE, TURN), ALICE) for _ in range(101)]
        await bridge.give(*wraps)
        answers = Counter(answer.code for answer in await bridge.answers(ALICE))
        assert answers == {None: 100, LIMITED: 1}


async def test_accounts_do_not_share(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 1}) as bridge:
        assert await codes(bridge, 2) == [None, LIMITED]
        assert await codes(bridge, 1, BOB) == [None]


async def test_limiters_do_not_share(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 1}) as bridge:
        assert await codes(bridge, 2) == [None, LIMITED]
        assert (await bridge.ask(ALICE, "account.get")).code is None


async def test_methods_of_one_limiter_share(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.info.burst": 2}) as bridge:
        asked = [(await bridge.ask(ALICE, method)).code for method in ("account.get", "bridge.info", "account.get")]
        assert asked == [None, None, "BRIDGE_RATE_LIMITED"]


async def test_a_fraction_of_a_permit_is_kept(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 1}) as bridge:
        assert await codes(bridge, 1) == [None]
        bridge.clock.advance(900)
        assert await codes(bridge, 2) == [None, LIMITED]
        bridge.clock.advance(300)
        assert await codes(bridge, 1) == [LIMITED]
        bridge.clock.advance(300)
        assert await codes(bridge, 1) == [None]


async def test_whoever_waits_as_told_gets_through_and_not_a_second_sooner(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 1}) as bridge:
        await codes(bridge, 1)
        bridge.clock.advance(123.456)
        wait = (await bridge.ask(ALICE, TURN)).error["retry_after"]
        assert wait == 477
        bridge.clock.advance(wait - 1)
        assert await codes(bridge, 1) == [LIMITED]
        bridge.clock.advance(1)
        assert await codes(bridge, 1) == [None]


async def test_being_refused_costs_nothing(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 1}) as bridge:
        assert await codes(bridge, 4) == [None, LIMITED, LIMITED, LIMITED]
        bridge.clock.advance(600)
        assert await codes(bridge, 1) == [None]


async def test_a_balance_never_exceeds_the_burst(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 2}) as bridge:
        await codes(bridge, 1)
        bridge.clock.advance(1_000_000)
        assert await codes(bridge, 3) == [None, None, LIMITED]


async def test_balances_survive_a_restart(tmp_path: Path) -> None:
    clock = FixedClock()
    async with a_pipeline(tmp_path, clock=clock, changes={"permits.turn.burst": 2}) as bridge:
        await codes(bridge, 1)
    clock.advance(300)
    async with a_pipeline(tmp_path, clock=clock, changes={"permits.turn.burst": 2}, run=2) as bridge:
        assert await codes(bridge, 2) == [None, LIMITED]
        assert (await bridge.ask(ALICE, TURN)).error["retry_after"] == 300


async def test_a_clock_that_is_set_back_adds_nothing_and_locks_nobody_out(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 2}) as bridge:
        await codes(bridge, 2)
        bridge.clock.set_back(3600)
        error = (await bridge.ask(ALICE, TURN)).error
        assert (error["code"], error["retry_after"]) == (LIMITED, 600)
        bridge.clock.advance(600)
        assert await codes(bridge, 2) == [None, LIMITED]


@pytest.mark.parametrize(
    ("burst", "refill", "expected"),
    [(10, 600.0, [None, None, LIMITED]), (1, 600.0, [None, LIMITED]), (3, 60.0, [None, None, LIMITED])],
)
async def test_changed_figures_count_from_the_next_start(
    tmp_path: Path, burst: int, refill: float, expected: list[str | None]
) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 3}) as bridge:
        await codes(bridge, 1)
    changes = {"permits.turn.burst": burst, "permits.turn.refill_seconds": refill}
    async with a_pipeline(tmp_path, changes=changes, run=2) as bridge:
        assert await codes(bridge, len(expected)) == expected


async def test_as_much_is_worked_on_at_once_as_there_are_permits(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    async with a_pipeline(tmp_path, provider=provider, changes={"permits.turn.burst": 3}) as bridge:
        await bridge.accept(*(bridge.wrap(bridge.request(ALICE, TURN), ALICE) for _ in range(20)))
        await provider.wait_asked(3)
        provider.gate.set()
        await bridge.settle()
        assert provider.most_busy <= 3
        answers = Counter(answer.code for answer in await bridge.answers(ALICE))
        assert answers == {None: 3, LIMITED: 17}
        assert await bridge.remaining(ALICE, "turn") == 0


def with_stale_balances(bridge: Pipeline, patch: pytest.MonkeyPatch) -> None:
    """Have promises made on a balance that is read as full: another answer was charged since."""
    look_up = bridge.storage.requests.look_up

    async def stale_dossier(**key: Any) -> Dossier:
        return replace(await look_up(**key), balances={})

    async def stale(account: int) -> dict[str, Balance]:
        return {}

    patch.setattr(bridge.storage.requests, "look_up", stale_dossier)
    patch.setattr(bridge.storage.permits, "balances", stale)


async def test_a_permit_that_was_gone_by_the_time_of_the_answer_is_refused_honestly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 1}) as bridge:
        await codes(bridge, 1)
        bridge.clock.advance(100)
        with_stale_balances(bridge, monkeypatch)
        rumor = bridge.request(ALICE, TURN)
        error = (await bridge.answer(ALICE, rumor)).error
        assert (error["code"], error["retry_after"]) == (LIMITED, 500)
        assert bridge.counts == {"call_relay.credentials_issued": 1, "call_relay.rate_limited": 1}
        bridge.clock.advance(500)
        assert (await bridge.answer(ALICE, rumor)).code is None


async def test_a_malformed_request_whose_permit_was_gone_is_met_with_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_pipeline(tmp_path, changes={"permits.invalid.burst": 1}) as bridge:
        await bridge.ask(ALICE, "account.get")
        with_stale_balances(bridge, monkeypatch)
        answers = [len(await bridge.send(ALICE, bridge.request(ALICE, content=f"no {n}"))) for n in range(3)]
        assert answers == [1, 0, 0]
        assert await bridge.waiting() == []


async def test_a_permit_of_a_request_that_failed_is_free_for_the_next(tmp_path: Path) -> None:
    provider = ScriptedProvider(ProviderFailed(503, "x"))
    async with a_pipeline(tmp_path, provider=provider, changes={"permits.turn.burst": 1}) as bridge:
        assert set(await codes(bridge, 3)) == {"CALL_RELAY_PROVIDER_ERROR"}
        provider.failure = None
        assert await codes(bridge, 2) == [None, LIMITED]


async def test_a_fault_of_ours_costs_a_stranger_nothing(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.info.burst": 1}) as bridge:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bridge.services.info.bucket_figures", lambda bucket: 1 // 0)
            assert (await bridge.ask(ALICE)).code == "BRIDGE_INTERNAL"
        assert (await bridge.ask(ALICE)).code is None
        assert (await bridge.ask(ALICE)).code == "BRIDGE_RATE_LIMITED"


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(st.just(0.0), st.floats(0, 30)), min_size=1, max_size=12))
async def test_nobody_ever_gets_more_than_burst_and_refill(
    tmp_path_factory: pytest.TempPathFactory, steps: list[float]
) -> None:
    """Whatever the pace, what was granted is at most the burst and what came back since."""
    clock = FixedClock()
    changes = {"permits.turn.burst": 2, "permits.turn.refill_seconds": 10.0}
    async with a_pipeline(tmp_path_factory.mktemp("pace"), clock=clock, changes=changes) as bridge:
        start, granted = clock.now_ms(), 0
        for step in steps:
            clock.advance(round(step, 3))
            answer = await bridge.ask(ALICE, TURN)
            if answer.code is None:
                granted += 1
            else:
                assert 1 <= answer.error["retry_after"] <= 10
            assert granted <= 2 + (clock.now_ms() - start) / 10_000


# --- answers that take no permit


async def amounts(bridge: Pipeline, client: Client, *rumors: Rumor) -> list[int]:
    """Return how many answers each rumor got."""
    return [len(await bridge.send(client, rumor)) for rumor in rumors]


REFUSED: dict[str, Json] = {
    "too old": {"created_at": 0},
    "too new": {"created_at": 1_900_000_000},
    "unknown method": {"method": "no.such"},
    "not admitted": {"method": "account.get"},
}


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED)
async def test_refusals_are_limited_and_then_there_is_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, request_: Json
) -> None:
    caplog.set_level("DEBUG", logger="bridge.dispatcher")
    changes = {"permits.free.burst": 2, "accounts.admission": Admission.ALLOWLIST}
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        rumors = [bridge.request(ALICE, **request_) for _ in range(5)]
        assert await amounts(bridge, ALICE, *rumors[:4]) == [1, 1, 0, 0]
        assert await bridge.waiting() == []
        silences = [record for record in caplog.records if record.getMessage() == "request met with silence"]
        assert [vars(record)["facts"]["limiter"] for record in silences] == ["free", "free"]
        assert {len(vars(record)["facts"]["wrap"]) for record in silences} == {8}
        bridge.clock.advance(1)
        assert await amounts(bridge, ALICE, *rumors[3:]) == [1, 0]


async def test_repeats_are_limited_and_what_takes_permits_is_not(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.free.burst": 2}) as bridge:
        rumor = bridge.request(ALICE, TURN)
        assert await amounts(bridge, ALICE, *[rumor] * 5) == [1, 1, 1, 0, 0]
        assert await codes(bridge, 5) == [None] * 5
        assert await amounts(bridge, BOB, bridge.request(BOB, "no.such")) == [1]
        bridge.clock.advance(1)
        (again,) = await bridge.send(ALICE, rumor)
        assert again.code is None


async def test_conflicts_are_limited(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.free.burst": 2}) as bridge:
        await bridge.ask(ALICE, TURN, id="same")
        other = bridge.request(ALICE, "account.get", id="same")
        assert await amounts(bridge, ALICE, *[other] * 4) == [1, 1, 0, 0]


async def test_only_refusals_that_were_answered_are_counted(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.free.burst": 2, "permits.turn.burst": 1}) as bridge:
        rumors = [bridge.request(ALICE, TURN) for _ in range(5)]
        assert await amounts(bridge, ALICE, *rumors) == [1, 1, 1, 0, 0]
        assert bridge.counts == {"call_relay.credentials_issued": 1, "call_relay.rate_limited": 2}
        assert await bridge.waiting() == []


async def test_many_keys_share_one_limit_of_free_answers(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.free_together.burst": 3}) as bridge:
        accounts = [Client(f"account {number}") for number in range(5)]
        for each in accounts:
            await bridge.ask(each, TURN)
        answered = [await amounts(bridge, each, bridge.request(each, "no.such")) for each in accounts]
        assert answered == [[1], [1], [1], [0], [0]]
        assert await codes(bridge, 1) == [None]


async def test_refusals_of_strangers_use_up_nothing_that_accounts_need(tmp_path: Path) -> None:
    changes = {"permits.free_together.burst": 1, "permits.strangers.burst": 6}
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        await bridge.ask(ALICE, TURN)
        strangers = [Client(f"stranger {number}") for number in range(5)]
        answered = [await amounts(bridge, each, bridge.request(each, "no.such")) for each in strangers]
        assert answered == [[1], [1], [1], [0], [0]]
        assert await amounts(bridge, ALICE, bridge.request(ALICE, "no.such")) == [1]


async def test_strangers_are_heard_past_a_flood_for_work_that_the_flood_does_not_do(tmp_path: Path) -> None:
    changes = {"permits.strangers.burst": 1, "accounts.work.min_bits": 4}
    async with a_pipeline(tmp_path, changes=changes) as bridge:

        async def is_heard(number: int, bits: int) -> bool:
            stranger = Client(f"stranger {number}")
            wrap = bridge.wrap(bridge.request(stranger, "no.such"), stranger, work_bits=bits)
            await bridge.give(wrap)
            return len(await bridge.answers(stranger)) == 1

        bits = [0, 0, 3, 4, 4, 5, 5, 0]
        heard = [await is_heard(number, each) for number, each in enumerate(bits)]
        assert heard == [True, False, False, True, False, True, False, False]


async def test_all_wraps_of_a_request_that_meets_silence_leave_the_inbox(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.free.burst": 1}) as bridge:
        first, second = bridge.request(ALICE, "no.such"), bridge.request(ALICE, "no.such")
        await bridge.give(bridge.wrap(first, ALICE))
        await bridge.give(*(bridge.wrap(second, ALICE) for _ in range(5)))
        assert await bridge.waiting() == []
        assert len(await bridge.answers(ALICE)) == 1


async def test_an_answer_that_could_not_be_recorded_leaves_the_budget_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "FIRST_RETRY_SECONDS", 0.001)
    async with a_pipeline(tmp_path, changes={"permits.free.burst": 1}) as bridge:
        commit, failures = bridge.storage.requests.commit, [StorageFailed("disk")] * 2

        async def fail_first(answer: Answer) -> object:
            if failures:
                raise failures.pop()
            return await commit(answer)

        monkeypatch.setattr(bridge.storage.requests, "commit", fail_first)
        assert await amounts(bridge, ALICE, bridge.request(ALICE, "no.such")) == [1]
