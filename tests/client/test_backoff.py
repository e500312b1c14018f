"""Backoff: full jitter under a ceiling that doubles, capped, and starts anew after a good connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.backoff import Backoff, BackoffLimits

LIMITS = BackoffLimits(first_seconds=1, cap_seconds=10, lived_seconds=60)


def test_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(LIMITS)
    assert [backoff.next_delay(open_seconds=0, fraction=1.0) for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_jitter_is_full() -> None:
    backoff = Backoff(LIMITS)
    assert backoff.next_delay(open_seconds=0, fraction=0.0) == 0
    assert backoff.next_delay(open_seconds=0, fraction=0.25) == 0.5


@pytest.mark.parametrize(("open_seconds", "delay"), [(0.0, 8), (59.9, 8), (60.0, 1), (1e6, 1)])
def test_only_a_connection_that_lived_starts_anew(open_seconds: float, delay: float) -> None:
    backoff = Backoff(LIMITS)
    for _ in range(3):
        backoff.next_delay(open_seconds=0, fraction=1.0)
    assert backoff.next_delay(open_seconds=open_seconds, fraction=1.0) == delay


def test_failures_are_counted_since_the_last_good_connection() -> None:
    backoff = Backoff(LIMITS)
    for _ in range(3):
        backoff.next_delay(open_seconds=0, fraction=1.0)
    assert backoff.failures == 3
    backoff.next_delay(open_seconds=60, fraction=1.0)
    assert backoff.failures == 1


@given(st.integers(0, 5000), st.floats(0, 1))
def test_delay_stays_within_the_cap_for_ever(failures: int, fraction: float) -> None:
    backoff = Backoff(LIMITS)
    backoff.failures = failures
    assert 0 <= backoff.next_delay(open_seconds=0, fraction=fraction) <= LIMITS.cap_seconds
