"""Wrapping: every wrap opens, none repeats anything, and times lie where relays and readers want them."""

from __future__ import annotations

import pytest

from client.wrapping import BACKDATE_SECONDS, LIVE_SECONDS, wrap_rumor
from nips import kinds
from nips.event import VerifiedEvent
from nips.nip59 import Rumor, WrapWindow, check_times, make_rumor, open_wrap
from tests.support.clock import FixedClock
from tests.support.entropy import SeededEntropy
from tests.support.wraps import AUTHOR, BRIDGE, NOW


def a_rumor() -> Rumor:
    return make_rumor(AUTHOR.public_key, created_at=NOW, kind=24390, tags=[("p", BRIDGE.public_key)], content="{}")


def wraps(kind: int, back_seconds: int, count: int) -> list[VerifiedEvent]:
    entropy, clock = SeededEntropy(1), FixedClock(NOW)
    return [
        wrap_rumor(
            a_rumor(),
            AUTHOR,
            BRIDGE.public_key,
            kind=kind,
            clock=clock,
            entropy=entropy,
            back_seconds=back_seconds,
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("kind", sorted(kinds.WRAPS))
def test_wrap_opens_to_the_same_rumor(kind: int) -> None:
    (wrap,) = wraps(kind, LIVE_SECONDS, 1)
    assert wrap.kind == kind
    assert open_wrap(wrap, BRIDGE) == a_rumor()
    check_times(wrap, now=NOW, window=WrapWindow())


def test_nothing_outside_tells_that_two_wraps_hold_one_rumor() -> None:
    one, two = wraps(kinds.GIFT_WRAP, BACKDATE_SECONDS, 2)
    assert len({one.pubkey, two.pubkey, AUTHOR.public_key}) == 3
    assert one.content != two.content
    assert one.created_at != two.created_at


@pytest.mark.parametrize(
    ("kind", "asked", "most"),
    [
        (kinds.GIFT_WRAP, BACKDATE_SECONDS, BACKDATE_SECONDS),
        (kinds.GIFT_WRAP, LIVE_SECONDS, LIVE_SECONDS),
        (kinds.EPHEMERAL_GIFT_WRAP, BACKDATE_SECONDS, 0),
        (kinds.EPHEMERAL_GIFT_WRAP, 0, 0),
    ],
)
def test_wrap_is_stamped_in_the_recent_past(kind: int, asked: int, most: int) -> None:
    ages = [NOW - wrap.created_at for wrap in wraps(kind, asked, 20)]
    assert 0 <= min(ages) <= max(ages) <= most
    assert most == 0 or len(set(ages)) > 5


def test_wrap_says_when_it_expires() -> None:
    entropy, clock = SeededEntropy(1), FixedClock(NOW)
    wrap = wrap_rumor(
        a_rumor(),
        AUTHOR,
        BRIDGE.public_key,
        kind=kinds.GIFT_WRAP,
        clock=clock,
        entropy=entropy,
        expires_at=NOW + 60,
    )
    assert wrap.first_tag("expiration") == str(NOW + 60)
