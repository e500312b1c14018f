"""Work in wraps: as much as was asked, in a wrap that is otherwise like any other."""

from __future__ import annotations

import pytest

from client.mining import WorkedWraps, wrap_with_work
from nips import kinds
from nips.event import verify_event
from nips.nip13 import committed_work
from nips.nip59 import WrapWindow, check_times, make_rumor, open_wrap, seal_rumor
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.entropy import SeededEntropy
from tests.support.wraps import AUTHOR, BRIDGE, drawn

HERE, THERE = "wss://here.example", "wss://there.example"
RUMOR = make_rumor(AUTHOR.public_key, created_at=1, kind=kinds.BRIDGE_REQUEST, tags=[], content="{}")
SEAL = seal_rumor(RUMOR, AUTHOR, BRIDGE.public_key, created_at=1, nonce=drawn("nonce"), aux=drawn("aux"))


def worked(clock: FixedClock, kind: int = kinds.EPHEMERAL_GIFT_WRAP) -> WorkedWraps:
    wraps = WorkedWraps(
        SEAL, BRIDGE.public_key, kind=kind, clock=clock, entropy=SeededEntropy("worked"), expires_at=None
    )
    wraps.bits = 6
    return wraps


@pytest.mark.parametrize("kind", [kinds.GIFT_WRAP, kinds.EPHEMERAL_GIFT_WRAP])
@pytest.mark.parametrize("bits", [1, 8, 18])
async def test_wrap_has_the_work_and_opens_to_the_same_rumor(kind: int, bits: int) -> None:
    clock = FixedClock()
    async with within(60):
        wrap = await wrap_with_work(
            SEAL, BRIDGE.public_key, kind=kind, bits=bits, clock=clock, entropy=SeededEntropy(bits), expires_at=2**31
        )
    assert committed_work(wrap) == bits
    assert [tag[0] for tag in wrap.tags] == ["p", "expiration", "nonce"]
    assert open_wrap(verify_event(wrap), BRIDGE) == RUMOR
    check_times(wrap, now=clock.now(), window=WrapWindow())


async def test_live_wrap_is_of_the_time_at_which_it_was_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    class Passing(FixedClock):
        def now(self) -> int:
            self.advance(30)
            return super().now()

    clock = Passing()
    monkeypatch.setattr("client.mining.ATTEMPTS", 10)
    began = clock.now()
    wrap = await wrap_with_work(
        SEAL, BRIDGE.public_key, kind=kinds.EPHEMERAL_GIFT_WRAP, bits=8, clock=clock, entropy=SeededEntropy("slow")
    )
    assert wrap.created_at > began + 60
    assert clock.now() - wrap.created_at == 30


async def test_one_wrap_is_mined_for_all_relays_and_another_to_ask_one_again() -> None:
    wraps = worked(FixedClock())
    first = await wraps.wrap_for(HERE)
    assert await wraps.wrap_for(THERE) is first
    second = await wraps.wrap_for(HERE)
    assert second.id != first.id
    assert await wraps.wrap_for(THERE) is second


@pytest.mark.parametrize(("kind", "is_same"), [(kinds.GIFT_WRAP, True), (kinds.EPHEMERAL_GIFT_WRAP, False)])
async def test_live_wrap_that_is_old_is_mined_anew(kind: int, is_same: bool) -> None:
    clock = FixedClock()
    wraps = worked(clock, kind)
    first = await wraps.wrap_for(HERE)
    clock.advance(31)
    assert (await wraps.wrap_for(THERE) is first) == is_same


async def test_wrap_with_less_than_is_asked_by_now_is_mined_anew() -> None:
    wraps = worked(FixedClock())
    await wraps.wrap_for(HERE)
    wraps.bits = 7
    assert committed_work(await wraps.wrap_for(THERE)) == 7
