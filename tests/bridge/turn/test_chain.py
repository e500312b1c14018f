"""One provider after the other, within a time, and what is known of them over a change of settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from bridge.conditions import Conditions
from bridge.errors import ProviderFailed
from bridge.turn.breaker import BreakerRules
from bridge.turn.chain import ChainRules, ProviderChain
from bridge.turn.gate import GateRules
from bridge.turn.pool import PoolRules
from bridge.turn.source import SourceRules
from tests.bridge.turn.scripted import DOWN, LOST, REFUSED, Scripted
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.entropy import SeededEntropy

EACH = SourceRules(
    provider_seconds=5,
    attempts=1,
    breaker=BreakerRules(calls=2, open_seconds=10, probes=1),
    pool=PoolRules(size=2, max_age_seconds=100, told_seconds=1000),
)


class Tried:
    """A chain with all around it."""

    def __init__(self, *providers: Scripted, deadline: float = 10, each: SourceRules = EACH, pooled: str = "") -> None:
        self.clock = FixedClock()
        self.conditions = Conditions()
        self._deadline, self._each, self._pooled = deadline, each, frozenset(pooled.split())
        self.chain = ProviderChain(
            self.rules(*providers), clock=self.clock, entropy=SeededEntropy(), conditions=self.conditions
        )

    def rules(self, *providers: Scripted) -> ChainRules:
        """Return rules for other providers."""
        return ChainRules(providers, deadline_seconds=self._deadline, each=self._each, pooled=self._pooled)

    async def ask(self, user: str = "u") -> str:
        """Return the user name that a request gets."""
        async with within(20):
            return (await self.chain.credentials(user=user, now=1)).credentials.username

    async def fail(self) -> ProviderFailed:
        """Return how a request fails."""
        with pytest.raises(ProviderFailed) as failed:
            await self.ask()
        return failed.value

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Have the pools filled."""
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(self.chain.run())
            yield
            work.cancel()


async def test_the_first_provider_is_asked_and_no_other() -> None:
    first, second = Scripted("first"), Scripted("second")
    granted = await Tried(first, second).chain.credentials(user="u", now=1)
    assert (granted.provider, granted.credentials.username) == ("first", "first-1")
    assert (first.users, second.users) == (["u"], [])


@pytest.mark.parametrize("failure", [DOWN, REFUSED, LOST])
async def test_the_next_takes_over_from_one_that_fails(failure: ProviderFailed) -> None:
    assert await Tried(Scripted("first", failure), Scripted("second")).ask() == "second-1"


async def test_the_next_takes_over_from_one_that_hangs() -> None:
    first = Scripted("first")
    first.gate.clear()
    assert await Tried(first, Scripted("second"), each=SourceRules(provider_seconds=0.02)).ask() == "second-1"


async def test_the_next_takes_over_from_one_that_has_too_many_waiting() -> None:
    first = Scripted("first")
    first.gate.clear()
    tried = Tried(first, Scripted("second"), each=SourceRules(gate=GateRules(max_inside=1, max_waiting=0)))
    async with within(20), asyncio.TaskGroup() as tasks:
        held = tasks.create_task(tried.ask())
        await first.wait_asked(1)
        assert await tried.ask() == "second-1"
        first.gate.set()
        assert await held == "first-1"


async def test_one_that_is_left_alone_costs_no_time() -> None:
    first, second = Scripted("first", DOWN), Scripted("second")
    tried = Tried(first, second)
    for _ in range(3):
        await tried.ask()
    assert (len(first.users), len(second.users)) == (1, 3)


async def test_what_came_of_asking_is_counted_by_provider() -> None:
    tried = Tried(Scripted("first", DOWN), Scripted("second"))
    for _ in range(3):
        await tried.ask()
    assert tried.chain.outcomes == {("first", "failed"): 1, ("first", "left_alone"): 2, ("second", "granted"): 3}


async def test_when_none_is_left_the_status_of_the_last_one_asked_is_told() -> None:
    assert (await Tried(Scripted("a", REFUSED), Scripted("b", ProviderFailed(502, "b"))).fail()).http_status == 502


async def test_status_of_one_that_was_asked_is_told_although_others_were_left_alone() -> None:
    second = Scripted("b", DOWN)
    tried = Tried(Scripted("a"), second)
    await_first = Scripted("a")
    await_first.failure = REFUSED
    tried.chain.adopt(tried.rules(await_first, second))
    assert (await tried.fail()).http_status == 503
    tried.clock.advance(10)
    second.failure = LOST
    assert (await tried.fail()).http_status is None


def hanging(name: str) -> Scripted:
    provider = Scripted(name)
    provider.gate.clear()
    return provider


async def test_all_together_have_one_deadline() -> None:
    each = SourceRules(provider_seconds=0.04)
    tried = Tried(*map(hanging, "abcdefghijklmnopqrstuvwxyz"), deadline=0.05, each=each)
    begun = asyncio.get_running_loop().time()
    assert (await tried.fail()).http_status is None
    assert asyncio.get_running_loop().time() - begun < 25 * 0.04


async def test_past_the_deadline_one_that_needs_no_time_still_answers() -> None:
    each = SourceRules(provider_seconds=0.04)
    tried = Tried(hanging("a"), hanging("b"), Scripted("local"), deadline=0.05, each=each)
    assert await tried.ask() == "local-1"


async def test_without_providers_there_are_no_credentials() -> None:
    assert (await Tried().fail()).http_status is None


# --- what operators are told


async def test_one_provider_in_trouble_is_told_and_the_chain_is_not_down() -> None:
    first = Scripted("first", REFUSED)
    tried = Tried(first, Scripted("second"))
    await tried.ask()
    problem = "first gives no credentials (it refuses): look at [turn.first] in relay.toml"
    assert (tried.conditions.problems, tried.conditions.down) == ({"turn.first": problem}, {})
    tried.clock.advance(10)
    await tried.ask()
    assert tried.conditions.problems == {}


async def test_chain_is_down_when_every_provider_is_left_alone_and_up_with_the_first_that_works() -> None:
    first, second = Scripted("first", DOWN), Scripted("second", DOWN)
    tried = Tried(first, second)
    await tried.fail()
    assert set(tried.conditions.down) == {"turn"}
    assert set(tried.conditions.problems) == {"turn.first", "turn.second", "turn"}
    tried.clock.advance(10)
    first.failure = DOWN
    await tried.ask()
    assert tried.conditions.down == {}
    assert set(tried.conditions.problems) == {"turn.first"}


async def test_chain_is_down_as_soon_as_the_latest_call_of_every_provider_failed() -> None:
    each = SourceRules(provider_seconds=5, attempts=1, breaker=BreakerRules(calls=10, open_seconds=10))
    tried = Tried(Scripted("first", DOWN), Scripted("second", LOST), each=each)
    assert await tried.fail() is LOST
    assert set(tried.conditions.down) == {"turn"}
    assert set(tried.conditions.problems) == {"turn.first", "turn.second", "turn"}
    assert await tried.ask() == "first-2"
    assert tried.conditions.problems == {}


async def test_chain_is_up_again_without_anybody_asking() -> None:
    first = Scripted("first", DOWN)
    tried = Tried(first)
    await tried.fail()
    async with within(20), tried.running():
        await idle()
        assert first.users == ["u"], "left alone for as long as the settings say"
        tried.clock.advance(10)
        tried.chain.adopt(tried.rules(first))  # the clock does not wake it
        await first.wait_asked(2)
        await idle()
        assert tried.conditions.problems == {}
    assert first.users == ["u", ""], "asked for nobody"


async def test_one_that_computes_is_found_to_be_away_without_anybody_asking() -> None:
    first = Scripted("first", DOWN, DOWN)
    tried = Tried(first)
    rules = replace(tried.rules(first), computed=frozenset({"first"}))
    tried.chain.adopt(rules)
    async with within(20), tried.running():
        for asked, down in enumerate(({"turn"}, {"turn"}, set[str]()), start=1):
            tried.clock.advance(10)
            tried.chain.adopt(rules)
            await first.wait_asked(asked)
            await idle()
            assert set(tried.conditions.down) == down


async def idle() -> None:
    """Let what is ready to run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_empty_chain_is_not_in_trouble() -> None:
    tried = Tried()
    await tried.fail()
    assert tried.conditions.problems == {}


# --- other settings


async def test_other_rules_count_from_the_next_request() -> None:
    tried = Tried(Scripted("first"))
    tried.chain.adopt(tried.rules(Scripted("second")))
    assert tried.chain.names == ("second",)
    assert await tried.ask() == "second-1"


async def test_request_under_way_ends_under_the_rules_that_it_began_with() -> None:
    first = Scripted("first")
    first.gate.clear()
    tried = Tried(first)
    async with within(20), asyncio.TaskGroup() as tasks:
        held = tasks.create_task(tried.ask())
        await first.wait_asked(1)
        tried.chain.adopt(tried.rules(Scripted("second")))
        first.gate.set()
        assert await held == "first-1"


async def test_provider_that_stays_keeps_what_is_known_of_it() -> None:
    first, second = Scripted("first", DOWN), Scripted("second")
    tried = Tried(first, second)
    await tried.ask()
    tried.chain.adopt(tried.rules(second, first))
    assert set(tried.conditions.problems) == {"turn.first"}
    tried.chain.adopt(tried.rules(first, second))
    assert await tried.ask() == "second-2"
    assert len(first.users) == 1


async def test_provider_that_changed_is_asked_again_at_once_and_one_that_went_is_in_no_trouble() -> None:
    tried = Tried(Scripted("first", DOWN), Scripted("second", DOWN))
    await tried.fail()
    tried.chain.adopt(tried.rules(Scripted("first")))
    assert tried.conditions.problems == {}
    assert await tried.ask() == "first-1"


# --- the pool


async def test_pool_answers_while_the_provider_is_slow_and_is_filled_again() -> None:
    first = Scripted("first")
    tried = Tried(first, pooled="first")
    async with tried.running():
        await first.wait_asked(2)
        await first.wait_done(2)
        first.gate.clear()
        assert [await tried.ask(), await tried.ask()] == ["first-1", "first-2"]
        await first.wait_asked(4)
        first.gate.set()
        await first.wait_done(4)
        assert {await tried.ask(), await tried.ask()} == {"first-3", "first-4"}
        assert set(first.users) == {""}


async def test_pool_answers_also_while_the_provider_is_left_alone() -> None:
    first = Scripted("first", None, None)
    first.failure = DOWN
    tried = Tried(first, pooled="first")
    async with tried.running():
        await first.wait_done(2)
        assert await tried.ask() == "first-1"
        await first.wait_done(3)
        assert set(tried.conditions.down) == {"turn"}
        assert await tried.ask() == "first-2"
        await tried.fail()


async def test_who_makes_credentials_for_one_user_has_no_pool() -> None:
    local, remote = Scripted("local"), Scripted("remote")
    tried = Tried(local, remote, pooled="remote")
    async with tried.running():
        await remote.wait_done(2)
        assert local.users == []
        assert await tried.ask("somebody") == "local-1"
    assert local.users == ["somebody"]


async def test_pool_of_a_provider_that_changed_is_thrown_away_and_that_of_one_that_stays_is_kept() -> None:
    stays, changes = Scripted("stays"), Scripted("changes")
    tried = Tried(changes, stays, pooled="stays changes")
    async with tried.running():
        await stays.wait_done(2)
        await changes.wait_done(2)
        other = Scripted("changes")
        other.gate.clear()
        tried.chain.adopt(tried.rules(stays, other))
        assert [await tried.ask(), await tried.ask()] == ["stays-1", "stays-2"]
        await other.wait_asked(2)
        tried.chain.adopt(tried.rules(other))
        other.gate.set()
        await other.wait_done(2)
        assert await tried.ask() == "changes-1"
    assert len(changes.users) == 2


async def test_many_at_once_never_get_the_same_credential() -> None:
    first = Scripted("first")
    pool = PoolRules(size=8, max_age_seconds=100, told_seconds=1000)
    tried = Tried(first, each=SourceRules(pool=pool), pooled="first")
    async with tried.running():
        await first.wait_done(8)
        async with within(20), asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(tried.ask()) for _ in range(100)]
    assert len({one.result() for one in asked}) == 100


async def test_pool_that_grew_too_old_is_fetched_anew_without_anybody_asking() -> None:
    first = Scripted("first")
    pool = PoolRules(size=1, max_age_seconds=0.05, told_seconds=1000)
    tried = Tried(first, each=SourceRules(pool=pool), pooled="first")
    async with tried.running():
        await first.wait_done(1)
        tried.clock.advance(0.1)
        await first.wait_done(2)
        assert await tried.ask() == "first-2"
