"""NIP-40: an event is gone at its time, not after it."""

from __future__ import annotations

import pytest

from nips.errors import InvalidEvent
from nips.event import VerifiedEvent, sign_event
from nips.nip40 import expiration, is_expired
from tests.support.wraps import AUTHOR, NOW, drawn


def _expiring(*values: str, more: tuple[str, ...] = ()) -> VerifiedEvent:
    tags = [("expiration", value) for value in values] + ([more] if more else [])
    return sign_event(AUTHOR, created_at=NOW, kind=1059, tags=tags, content="", aux=drawn("aux"))


def test_event_without_the_tag_never_expires() -> None:
    assert expiration(_expiring()) is None
    assert not is_expired(_expiring(), 2**53)


def test_event_is_expired_from_its_second_on() -> None:
    event = _expiring(str(NOW))
    assert expiration(event) == NOW
    assert [is_expired(event, NOW + late) for late in (-1, 0, 1)] == [False, True, True]


def test_earliest_of_several_times_counts() -> None:
    assert expiration(_expiring("300", "100", "200")) == 100


def test_times_run_from_zero_to_sixteen_digits() -> None:
    assert is_expired(_expiring("0"), 0)
    assert expiration(_expiring("9" * 16)) == 9_999_999_999_999_999


def test_tag_without_a_value_says_nothing() -> None:
    assert expiration(_expiring(more=("expiration",))) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "1_000",
        " 1",
        "1\n",
        "0x1",
        "soon",
        "\u0661",
        "\uff11",
        "\u00b2",
        "9" * 17,
        "9" * 5000,
    ],
)
def test_time_of_another_form_is_refused(value: str) -> None:
    for event in (_expiring(value), _expiring("100", value)):
        with pytest.raises(InvalidEvent, match="expiration"):
            expiration(event)
        with pytest.raises(InvalidEvent, match="expiration"):
            is_expired(event, NOW)
