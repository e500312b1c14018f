"""One provider after the other, within a time."""

from __future__ import annotations

import asyncio

import pytest

from bridge.errors import ProviderFailed
from bridge.turn.chain import ChainRules, ProviderChain
from bridge.turn.provider import TurnCredentials
from tests.support.deadline import within

USER = "0" * 32


class Scripted:
    """Gives credentials named after itself, or fails, or never answers."""

    def __init__(self, name: str, failure: ProviderFailed | None = None, *, hangs: bool = False) -> None:
        self.name = name
        self.asked = 0
        self._failure = failure
        self._hangs = hangs

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        self.asked += 1
        if self._hangs:
            await asyncio.Event().wait()
        if self._failure is not None:
            raise self._failure
        return TurnCredentials(self.name, "word", ())


def a_chain(*providers: Scripted, deadline_seconds: float = 10, provider_seconds: float = 4) -> ProviderChain:
    return ProviderChain(ChainRules(providers, deadline_seconds=deadline_seconds, provider_seconds=provider_seconds))


async def test_the_first_provider_is_asked_and_no_other() -> None:
    first, second = Scripted("first"), Scripted("second")
    granted = await a_chain(first, second).credentials(user=USER, now=1)
    assert (granted.provider, granted.credentials.username) == ("first", "first")
    assert (first.asked, second.asked) == (1, 0)


@pytest.mark.parametrize("failure", [ProviderFailed(503, "down"), ProviderFailed(401, "no"), ProviderFailed(None, "?")])
async def test_the_next_takes_over_from_one_that_fails(failure: ProviderFailed) -> None:
    chain = a_chain(Scripted("first", failure), Scripted("second"))
    assert (await chain.credentials(user=USER, now=1)).provider == "second"


async def test_the_next_takes_over_from_one_that_hangs() -> None:
    chain = a_chain(Scripted("first", hangs=True), Scripted("second"), provider_seconds=0.02)
    async with within(20):
        assert (await chain.credentials(user=USER, now=1)).provider == "second"


async def test_when_none_is_left_the_status_of_the_last_is_told() -> None:
    chain = a_chain(Scripted("first", ProviderFailed(401, "a")), Scripted("second", ProviderFailed(502, "b")))
    with pytest.raises(ProviderFailed) as failed:
        await chain.credentials(user=USER, now=1)
    assert failed.value.http_status == 502


async def test_all_together_have_one_deadline() -> None:
    late = Scripted("late")
    chain = a_chain(
        Scripted("a", hangs=True), Scripted("b", hangs=True), late, deadline_seconds=0.05, provider_seconds=0.04
    )
    with pytest.raises(ProviderFailed):
        async with within(20):
            await chain.credentials(user=USER, now=1)
    assert late.asked == 0


async def test_without_providers_there_are_no_credentials() -> None:
    with pytest.raises(ProviderFailed):
        await a_chain().credentials(user=USER, now=1)


async def test_other_rules_count_from_the_next_request() -> None:
    chain = a_chain(Scripted("first"))
    chain.adopt(ChainRules((Scripted("second"),)))
    assert chain.names == ("second",)
    assert (await chain.credentials(user=USER, now=1)).provider == "second"
