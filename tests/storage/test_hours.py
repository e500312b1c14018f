"""Deadlines in whole hours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage.hours import hour_after, hour_of

times = st.integers(0, 2**40)


def test_whole_hour_stays_what_it_is() -> None:
    assert hour_after(7200) == 2
    assert hour_after(7201) == 3
    assert hour_of(7199) == 1
    assert hour_of(7200) == 2


@given(deadline=times)
def test_nothing_is_over_before_its_deadline(deadline: int) -> None:
    assert hour_of(deadline - 1) < hour_after(deadline)


@given(deadline=times)
def test_everything_is_over_within_an_hour_after_it(deadline: int) -> None:
    assert hour_of(deadline + 3599) >= hour_after(deadline)
