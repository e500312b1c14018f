"""How one provider is asked, how often again, and when it is left alone."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace

import pytest

from bridge.errors import ProviderFailed
from bridge.turn.breaker import BreakerRules
from bridge.turn.coturn import CoturnProvider
from bridge.turn.gate import GateRules
from bridge.turn.pool import PoolRules
from bridge.turn.provider import TurnCredentials
from bridge.turn.source import LeftAlone, Source, SourceRules
from tests.bridge.turn.scripted import DOWN, LOST, REFUSED, Scripted, settle
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.entropy import SeededEntropy

RULES = SourceRules(
    provider_seconds=5,
    attempts=3,
    retry_seconds=0.001,
    gate=GateRules(max_inside=2, max_waiting=3),
    breaker=BreakerRules(calls=4, open_seconds=10, probes=1),
    pool=PoolRules(size=2, max_age_seconds=100, told_seconds=1000, max_concurrent=2),
)
HASTY = SourceRules(provider_seconds=0.02, breaker=BreakerRules(calls=4, open_seconds=10))


class Tried:
    """A source, and how often it told of a change."""

    def __init__(self, provider: Scripted, rules: SourceRules = RULES) -> None:
        self.clock = FixedClock()
        self.changes = 0
        self.source = Source(provider, rules, clock=self.clock, entropy=SeededEntropy(), on_change=self._count)

    async def ask(self, *, seconds: float = 60, user: str = "u") -> TurnCredentials:
        """Ask once."""
        until = asyncio.get_running_loop().time() + seconds
        async with within(20):
            return await self.source.credentials(user=user, now=1, until=until)

    async def fail(self, times: int = 1) -> None:
        """Ask so often, in vain."""
        for _ in range(times):
            with pytest.raises(ProviderFailed):
                await self.ask()

    def _count(self) -> None:
        self.changes += 1


# --- attempts


@pytest.mark.parametrize("failure", [DOWN, LOST, ProviderFailed(500, "x"), ProviderFailed(599, "x")])
async def test_fault_of_the_network_or_the_provider_is_tried_again(failure: ProviderFailed) -> None:
    provider = Scripted("a", failure, failure)
    assert (await Tried(provider).ask()).username == "a-3"


async def test_attempts_have_an_end_and_the_last_failure_is_told() -> None:
    provider = Scripted("a", LOST, LOST, DOWN)
    with pytest.raises(ProviderFailed) as failed:
        await Tried(provider).ask()
    assert (failed.value.http_status, len(provider.users)) == (503, 3)


@pytest.mark.parametrize("status", [200, 201, 302, 400, 401, 403, 404, 429, 499])
async def test_what_would_fail_again_is_not_tried_again(status: int) -> None:
    provider = Scripted("a", ProviderFailed(status, "x"))
    await Tried(provider).fail()
    assert len(provider.users) == 1


async def test_wait_before_an_attempt_is_cut_by_the_time_of_the_whole_call() -> None:
    rules = SourceRules(provider_seconds=0.05, attempts=2, retry_seconds=60)
    provider = Scripted("a", DOWN)
    with pytest.raises(ProviderFailed, match="no answer in time"):
        await Tried(provider, rules).ask()
    assert len(provider.users) == 1


async def test_provider_that_hangs_has_failed_after_its_time() -> None:
    provider = Scripted("a")
    provider.gate.clear()
    with pytest.raises(ProviderFailed) as failed:
        await Tried(provider, HASTY).ask()
    assert failed.value.http_status is None


async def test_failure_is_logged_with_its_status_and_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await Tried(Scripted("a", REFUSED)).fail()
    (record,) = caplog.records
    facts = {"provider": "a", "http_status": 401, "reason": "it refuses"}
    assert (record.levelname, record.__dict__["facts"]) == ("WARNING", facts)
    json.dumps(facts)


# --- left alone


async def test_provider_that_fails_is_left_alone_and_says_why() -> None:
    provider = Scripted("a")
    provider.failure = REFUSED
    tried = Tried(provider)
    await tried.fail(times=2)
    assert tried.source.problem == "it refuses"
    assert tried.changes == 2
    with pytest.raises(LeftAlone):
        await tried.ask()
    assert len(provider.users) == 2


async def test_after_a_while_it_is_tried_and_works_again() -> None:
    provider = Scripted("a", REFUSED, REFUSED)
    tried = Tried(provider)
    await tried.fail(times=2)
    tried.clock.advance(10)
    assert (await tried.ask()).username == "a-3"
    assert tried.source.problem is None
    assert tried.changes == 3


async def test_hanging_counts_as_failing() -> None:
    provider = Scripted("a")
    provider.gate.clear()
    tried = Tried(provider, HASTY)
    await tried.fail(times=2)
    assert tried.source.problem == "no answer in time"


async def test_time_cut_short_by_others_is_no_fault_of_the_provider() -> None:
    provider = Scripted("a")
    provider.gate.clear()
    tried = Tried(provider)
    for _ in range(5):
        with pytest.raises(ProviderFailed):
            await tried.ask(seconds=0.005)
    assert tried.source.problem is None


async def test_caller_that_goes_away_is_no_fault_of_the_provider() -> None:
    provider = Scripted("a")
    provider.gate.clear()
    tried = Tried(provider)
    for number in range(1, 6):
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(tried.ask())
            await provider.wait_asked(number)
            call.cancel()
    provider.gate.set()
    assert (await tried.ask()).username == "a-6"


async def test_fault_of_ours_counts_and_comes_out_as_it_is() -> None:
    provider = Scripted("a", ZeroDivisionError("planted"), ZeroDivisionError("planted"))
    tried = Tried(provider)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await tried.ask()
    assert tried.source.problem == "a fault of ours, ZeroDivisionError"


# --- no crowd


async def test_coturn_that_is_asked_for_nobody_works(caplog: pytest.LogCaptureFixture) -> None:
    coturn = CoturnProvider(secret=b"north", urls=("turn:turn.example.org",), ttl_seconds=600)
    source = Source(
        coturn, SourceRules(is_computed=True), clock=FixedClock(), entropy=SeededEntropy(), on_change=lambda: None
    )
    await source.probe()
    assert (source.problem, caplog.messages) == (None, [])


async def test_slow_provider_has_no_more_requests_than_allowed_and_no_more_wait() -> None:
    provider = Scripted("a")
    provider.gate.clear()
    tried = Tried(provider)
    async with within(20), asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(tried.ask()) for _ in range(5)]
        await provider.wait_asked(2)
        await settle()
        assert len(provider.users) == 2
        for _ in range(100):
            with pytest.raises(LeftAlone):
                await tried.ask()
        provider.gate.set()
        await asyncio.wait(calls)
    assert (len(provider.users), provider.most_inside) == (5, 2)


async def test_who_waits_too_long_goes_to_the_next_and_it_is_not_held_against_the_provider() -> None:
    provider = Scripted("a")
    provider.gate.clear()
    tried = Tried(provider)
    async with within(20), asyncio.TaskGroup() as tasks:
        inside = [tasks.create_task(tried.ask()) for _ in range(2)]
        await provider.wait_asked(2)
        with pytest.raises(LeftAlone):
            await tried.ask(seconds=0.01)
        provider.gate.set()
        await asyncio.wait(inside)
    assert tried.source.problem is None


async def test_who_waited_while_the_provider_failed_does_not_ask_it_any_more() -> None:
    provider = Scripted("a")
    provider.failure = REFUSED
    provider.gate.clear()
    tried = Tried(provider)

    async def ask() -> str:
        try:
            await tried.ask()
        except (ProviderFailed, LeftAlone) as error:
            return type(error).__name__
        return "answered"

    async with within(20), asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(ask()) for _ in range(5)]
        await provider.wait_asked(2)
        provider.gate.set()
    assert [call.result() for call in calls] == ["ProviderFailed"] * 2 + ["LeftAlone"] * 3
    assert len(provider.users) == 2


class Late:
    """One that hangs for a short time, and one that waits for its place and then hangs as well, with longer times."""

    def __init__(self) -> None:
        self.provider = Scripted("a")
        self.provider.gate.clear()
        self._rules = SourceRules(
            provider_seconds=0.2,
            gate=GateRules(max_inside=1, max_waiting=9),
            breaker=BreakerRules(calls=4, open_seconds=10),
        )
        self.tried = Tried(self.provider, self._rules)

    async def ask(self, *, seconds: float) -> float:
        """Return how long the provider was asked for the one that came in late."""
        loop = asyncio.get_running_loop()
        async with within(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(self.tried.fail())
            await self.provider.wait_asked(1)
            self.tried.source.adopt(replace(self._rules, provider_seconds=0.5))
            late = tasks.create_task(self._fail(seconds))
            await self.provider.wait_asked(2)
            began = loop.time()
        return late.result() - began

    async def _fail(self, seconds: float) -> float:
        with pytest.raises(ProviderFailed):
            await self.tried.ask(user="late", seconds=seconds)
        return asyncio.get_running_loop().time()


async def test_who_came_in_late_has_the_whole_time() -> None:
    assert await Late().ask(seconds=60) > 0.38


async def test_entered_late_and_timed_out_is_not_held_against_the_provider() -> None:
    late = Late()
    await late.ask(seconds=0.55)
    assert late.tried.source.problem is None


async def test_one_user_leaves_places_to_the_others() -> None:
    provider = Scripted("a")
    provider.gate.clear()
    rules = SourceRules(gate=GateRules(max_inside=4, max_waiting=8, max_inside_each=2))
    tried = Tried(provider, rules)
    async with within(20), asyncio.TaskGroup() as tasks:
        for _ in range(6):
            tasks.create_task(tried.ask(user="many"))
        await provider.wait_asked(2)
        with pytest.raises(LeftAlone):
            await tried.ask(user="many")
        tasks.create_task(tried.ask(user="one"))
        await provider.wait_asked(3)
        provider.gate.set()
    assert provider.users[:3] == ["many", "many", "one"]


# --- the pool


async def test_pool_is_filled_to_its_size_and_each_credential_given_once() -> None:
    tried = Tried(Scripted("a"))
    assert tried.source.refills_due() == 2
    assert tried.source.refills_due() == 0
    for _ in range(2):
        await tried.source.refill()
    assert tried.source.refills_due() == 0
    given = [tried.source.pooled(), tried.source.pooled(), tried.source.pooled()]
    assert [one and one.username for one in given] == ["a-1", "a-2", None]


async def test_pooled_credentials_are_asked_for_in_nobodys_name() -> None:
    provider = Scripted("a")
    tried = Tried(provider)
    tried.source.refills_due()
    await tried.source.refill()
    assert provider.users == [""]


async def test_no_more_requests_fill_the_pool_than_allowed() -> None:
    rules = SourceRules(pool=PoolRules(size=50, max_age_seconds=100, told_seconds=1000, max_concurrent=3))
    assert Tried(Scripted("a"), rules).source.refills_due() == 3


async def test_after_a_failure_the_pool_waits_longer_each_time() -> None:
    provider = Scripted("a")
    provider.failure = REFUSED
    rules = SourceRules(pool=RULES.pool, breaker=BreakerRules(calls=1000))
    tried = Tried(provider, rules)
    waits = []
    for _ in range(8):
        assert tried.source.refills_due()
        await tried.source.refill()
        assert tried.source.refills_due() == 0
        wait = tried.source.seconds_to_refill()
        assert wait is not None
        waits.append(wait)
        # What was counted as being fetched besides is done as well.
        tried.source._refilling = 0
        tried.clock.advance(wait + 0.001)
    assert all(wait <= min(60, 2.0**number) for number, wait in enumerate(waits))
    assert max(waits) > 4


async def test_credentials_that_live_too_short_are_not_fetched_over_and_over_and_it_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tried = Tried(Scripted("a", valid_seconds=1009))
    tried.source.refills_due()
    await tried.source.refill()
    assert tried.source.pooled() is None
    assert "no credentials ahead" in caplog.messages
    assert tried.source.seconds_to_refill() == 100
    tried.clock.advance(99)
    assert tried.source.refills_due() == 0
    tried.clock.advance(1)
    assert tried.source.refills_due() == 1


async def test_other_rules_for_the_pool_fill_it_at_once() -> None:
    tried = Tried(Scripted("a", valid_seconds=1009))
    tried.source.refills_due()
    await tried.source.refill()
    tried.source.adopt(RULES)
    assert tried.source.refills_due() == 0
    tried.source.adopt(replace(RULES, pool=replace(RULES.pool, told_seconds=900)))
    assert tried.source.refills_due() == 1


async def test_fault_of_ours_while_filling_the_pool_is_logged_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tried = Tried(Scripted("a", ZeroDivisionError("planted")))
    tried.source.refills_due()
    await tried.source.refill()
    assert "filling the pool failed" in caplog.messages
    assert "planted" not in caplog.text


async def test_filling_the_pool_finds_out_that_the_provider_is_back() -> None:
    tried = Tried(Scripted("a", REFUSED, REFUSED))
    await tried.fail(times=2)
    tried.clock.advance(10)
    tried.source.refills_due()
    await tried.source.refill()
    assert tried.source.problem is None


async def test_without_a_pool_there_is_nothing_to_fetch() -> None:
    tried = Tried(Scripted("a"), SourceRules())
    assert tried.source.refills_due() == 0
    assert tried.source.seconds_to_refill() is None
    assert tried.source.pooled() is None


async def test_hanging_while_the_pool_is_filled_counts_as_failing() -> None:
    provider = Scripted("a")
    provider.gate.clear()
    tried = Tried(provider, SourceRules(provider_seconds=0.02, pool=RULES.pool, breaker=BreakerRules(calls=2)))
    tried.source.refills_due()
    async with within(20):
        await tried.source.refill()
    assert tried.source.problem == "no answer in time"
