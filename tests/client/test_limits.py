"""Limits: every one is a bound, and those that depend on each other fit."""

from __future__ import annotations

import dataclasses

import pytest

from client.backoff import BackoffLimits
from client.limits import ConnectionLimits, LinkLimits
from client.wrapping import LIVE_SECONDS
from nips.nip59 import WrapWindow


@pytest.mark.parametrize("limits", [LinkLimits(), ConnectionLimits(), BackoffLimits()], ids=lambda x: type(x).__name__)
def test_everything_is_bounded_by_default(limits: object) -> None:
    values = dataclasses.asdict(limits).items()  # type: ignore[call-overload]
    assert all(0 < value < 1_000_000 for _, value in values if not isinstance(value, dict))


def test_live_wrap_is_fresh_when_its_last_chance_to_arrive_is_over() -> None:
    assert LIVE_SECONDS + ConnectionLimits().publish_seconds < WrapWindow().ephemeral_seconds


def test_there_is_time_to_authenticate_while_publishing() -> None:
    assert LinkLimits().auth_seconds < ConnectionLimits().publish_seconds
