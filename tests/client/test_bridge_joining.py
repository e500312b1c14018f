"""Getting in: the work that a bridge asks of newcomers, and the code of an invite."""

from __future__ import annotations

import json
from typing import Any

import pytest

from client import bridge as asking
from client.bridge import BridgeLimits
from client.errors import BridgeRefusal, BridgeSilent
from nips.event import VerifiedEvent
from nips.nip13 import committed_work
from nips.nip59 import Rumor
from tests.support.deadline import within
from tests.support.fake_bridge import PATIENT, client_of, deliver, relay_of, response_to, say_nothing
from tests.support.fake_relay import FakeRelay, FakeSession

IMPATIENT = BridgeLimits(retry_seconds=0.05)


def asks_for(bits: int) -> dict[str, Any]:
    """Return the refusal of a bridge that wants so much work."""
    return {"code": "BRIDGE_POW_REQUIRED", "status": 402, "message": "Work.", "retry": False, "pow_bits": bits}


class Toll:
    """A bridge that wants work, at one price after the other; it notes what it is sent."""

    def __init__(self, *prices: int) -> None:
        self.prices = list(prices)
        self.wraps: list[VerifiedEvent] = []
        self.requests: list[Rumor] = []

    async def __call__(self, session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        self.wraps.append(wrap)
        self.requests.append(request)
        while self.prices and committed_work(wrap) >= self.prices[0]:
            self.prices.pop(0)
        if self.prices:
            await deliver(session, response_to(request, error=asks_for(self.prices[0])))
        else:
            await deliver(session, response_to(request, result={"in": True}))

    @property
    def work(self) -> list[int]:
        """Of each wrap."""
        return [committed_work(wrap) for wrap in self.wraps]


async def test_same_request_comes_again_with_the_work_that_was_asked() -> None:
    bridge = Toll(8)
    async with within(30), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        assert await client.call("account.get") == {"in": True}
    assert bridge.work == [0, 8]
    assert len({request.id for request in bridge.requests}) == 1
    assert len({wrap.pubkey for wrap in bridge.wraps}) == 2


async def test_price_that_rose_meanwhile_is_paid_too() -> None:
    bridge = Toll(6, 9)
    async with within(30), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        assert await client.call("account.get") == {"in": True}
    assert bridge.work == [0, 6, 9]


async def test_nobody_works_for_more_than_they_said() -> None:
    bridge, limits = Toll(9), BridgeLimits(max_pow_bits=8)
    async with within(30), FakeRelay(relay_of(bridge)) as relay, client_of(relay, limits=limits) as client:
        with pytest.raises(BridgeRefusal) as caught:
            await client.call("account.get")
    assert (caught.value.refusal.code, caught.value.refusal.pow_bits) == ("BRIDGE_POW_REQUIRED", 9)
    assert bridge.work == [0]


async def test_work_that_takes_too_long_ends_with_what_the_bridge_asked_for() -> None:
    limits = BridgeLimits(max_pow_bits=200)
    async with within(30), FakeRelay(relay_of(Toll(200))) as relay, client_of(relay, limits=limits) as client:
        with pytest.raises(BridgeRefusal) as caught:
            await client.call("account.get", timeout_seconds=0.5)
    assert caught.value.refusal.pow_bits == 200


async def test_one_wrap_with_work_goes_to_all_relays() -> None:
    one, other = Toll(8), Toll(8)

    async def second(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        # Only takes note: else the first one's answer would end the call before both have the work.
        other.wraps.append(wrap)
        if committed_work(wrap):
            await deliver(session, response_to(request, result={"in": True}))

    async def first(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        one.wraps.append(wrap)
        if not committed_work(wrap):
            await deliver(session, response_to(request, error=asks_for(8)))

    async with (
        within(30),
        FakeRelay(relay_of(first)) as here,
        FakeRelay(relay_of(second)) as there,
        client_of(here, there) as client,
    ):
        assert await client.call("account.get") == {"in": True}
    assert other.work == [0, 8]
    assert set(one.work) <= {0, 8}
    assert len({wrap.id for wrap in (*one.wraps, *other.wraps) if committed_work(wrap)}) == 1


async def test_silence_is_answered_with_ever_more_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "UNASKED_BITS", 4)
    bridge = Toll()

    async def drowned(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        bridge.wraps.append(wrap)
        if committed_work(wrap) >= 8:
            await deliver(session, response_to(request, result={"in": True}))

    async with within(30), FakeRelay(relay_of(drowned)) as relay, client_of(relay, limits=IMPATIENT) as client:
        assert await client.call("account.get") == {"in": True}
    assert bridge.work == [0, 4, 6, 8]


async def test_who_is_known_there_repeats_without_work() -> None:
    bridge = Toll()

    async def forgetful(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        bridge.wraps.append(wrap)
        if len(bridge.wraps) != 2:
            await deliver(session, response_to(request, result={"in": True}))

    async with within(30), FakeRelay(relay_of(forgetful)) as relay, client_of(relay, limits=IMPATIENT) as client:
        await client.call("account.get")
        await client.call("account.get")
    assert bridge.work == [0, 0, 0]


async def test_who_sets_the_most_to_zero_never_works() -> None:
    limits = BridgeLimits(retry_seconds=0.02, max_pow_bits=0)
    async with within(30), FakeRelay(relay_of(say_nothing)) as relay, client_of(relay, limits=limits) as client:
        with pytest.raises(BridgeSilent):
            await client.call("account.get", timeout_seconds=0.2)


async def test_invite_is_shown_until_the_bridge_let_us_in() -> None:
    shown: list[str | None] = []

    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        shown.append(json.loads(request.content).get("invite"))
        await deliver(session, response_to(request, result={"in": True}))

    async with (
        within(30),
        FakeRelay(relay_of(bridge)) as relay,
        client_of(relay, limits=PATIENT, invite="the code") as client,
    ):
        await client.call("bridge.info")
        await client.call("account.get", invite="another")
        await client.call("account.get")
    assert shown == ["the code", "another", None]
