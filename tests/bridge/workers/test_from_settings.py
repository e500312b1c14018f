"""The settings decide who opens and seals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.sealing import LocalSealing, Sealing
from bridge.settings.tree import Settings
from bridge.workers.from_settings import build_sealing
from bridge.workers.pool import WorkerPool
from nips.errors import InvalidWrap
from nips.event import parse_event, verify_event
from tests.support.clock import FixedClock
from tests.support.entropy import SeededEntropy
from tests.support.wraps import AUTHOR, BRIDGE, NOW, a_rumor, a_seal, a_wrap, without

SETTINGS = Settings()


def built(settings: Settings) -> Sealing:
    return build_sealing(settings, BRIDGE, clock=FixedClock(NOW), entropy=SeededEntropy(1))


def test_bridge_does_it_itself_until_told_otherwise() -> None:
    assert isinstance(built(SETTINGS), LocalSealing)


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_workers_as_told(workers: int) -> None:
    pool = built(replace(SETTINGS, inbox=replace(SETTINGS.inbox, workers=workers)))
    assert isinstance(pool, WorkerPool)
    assert len(pool.children) == workers


async def test_what_is_tolerated_is_a_setting() -> None:
    wrap = verify_event(parse_event(a_wrap(without(a_seal(a_rumor()), ["sig"]))))
    tolerant, strict = (replace(SETTINGS, compat=replace(SETTINGS.compat, unsigned_seals=it)) for it in (True, False))
    assert (await built(tolerant).open(wrap)).pubkey == AUTHOR.public_key
    with pytest.raises(InvalidWrap):
        await built(strict).open(wrap)
