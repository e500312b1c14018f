"""Token buckets in whole milliseconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.permits import Balance, Bucket, full, refilled, take, wait_ms, whole_permits

T0 = 1_800_000_000_000

buckets = st.builds(Bucket, burst=st.integers(1, 10_000), refill_ms=st.integers(1, 10_000_000))
steps = st.integers(0, 10**10)


def taken(balance: Balance | None, bucket: Bucket, permits: int) -> Balance:
    """Take permits that must be there."""
    assert balance is not None
    left = take(balance, bucket, permits)
    assert left is not None
    return left


def test_one_permit_bucket_passes_once() -> None:
    bucket = Bucket(burst=1, refill_ms=1000)
    left = taken(full(bucket, T0), bucket, 1)
    assert take(left, bucket) is None


def test_bucket_of_sixty_passes_twice_twenty_five() -> None:
    bucket = Bucket(burst=60, refill_ms=1000)
    left = taken(taken(full(bucket, T0), bucket, 25), bucket, 25)
    assert take(left, bucket, 25) is None
    assert whole_permits(left) == 10


def test_bucket_of_a_thousand_refills_by_the_millisecond() -> None:
    bucket = Bucket(burst=1000, refill_ms=1)
    left = taken(full(bucket, T0), bucket, 200)
    assert whole_permits(left) == 800
    left = taken(refilled(left, bucket, T0 + 50), bucket, 100)
    assert whole_permits(left) == 750
    assert wait_ms(left, bucket, 751) == 1
    assert whole_permits(left) == 750
    assert bucket.full_ms - left.worth_ms == 250
    assert refilled(left, bucket, T0 + 50 + 249).worth_ms < bucket.full_ms
    assert refilled(left, bucket, T0 + 50 + 250).worth_ms == bucket.full_ms


def test_giving_back_never_exceeds_the_burst() -> None:
    bucket = Bucket(burst=10, refill_ms=1000)
    left = taken(full(bucket, T0), bucket, 3)
    assert whole_permits(taken(left, bucket, -2)) == 9
    assert whole_permits(taken(left, bucket, -50)) == 10


def test_smaller_burst_applies_at_once() -> None:
    before, after = Bucket(burst=100, refill_ms=1000), Bucket(burst=10, refill_ms=1000)
    assert whole_permits(refilled(full(before, T0), after, T0)) == 10


def test_larger_burst_applies_at_once() -> None:
    before, after = Bucket(burst=10, refill_ms=1000), Bucket(burst=100, refill_ms=1000)
    grown = refilled(full(before, T0), after, T0)
    assert whole_permits(grown) == 10
    assert whole_permits(refilled(grown, after, T0 + 90_000)) == 100


@pytest.mark.parametrize("refill_ms", [500, 2000])
def test_changed_rate_keeps_the_permits(refill_ms: int) -> None:
    before, after = Bucket(burst=10, refill_ms=1000), Bucket(burst=10, refill_ms=refill_ms)
    left = taken(full(before, T0), before, 4)
    assert whole_permits(refilled(left, after, T0)) == 6
    assert whole_permits(refilled(left, after, T0 + refill_ms)) == 7


def test_fraction_of_a_permit_is_kept() -> None:
    bucket = Bucket(burst=2, refill_ms=1000)
    left = taken(taken(full(bucket, T0), bucket, 1), bucket, 1)
    left = refilled(left, bucket, T0 + 900)
    assert take(left, bucket) is None
    assert wait_ms(left, bucket) == 100
    left = taken(refilled(left, bucket, T0 + 1100), bucket, 1)
    assert wait_ms(left, bucket) == 900


def test_refusal_leaves_no_debt() -> None:
    bucket = Bucket(burst=1, refill_ms=1000)
    left = taken(full(bucket, T0), bucket, 1)
    for _ in range(10):
        assert take(left, bucket) is None
    assert wait_ms(left, bucket) == 1000


def test_clock_that_steps_back_earns_nothing_and_locks_nobody_out() -> None:
    bucket = Bucket(burst=3, refill_ms=1000)
    left = taken(full(bucket, T0), bucket, 3)
    back = refilled(left, bucket, T0 - 3_600_000)
    assert whole_permits(back) == 0
    assert whole_permits(refilled(back, bucket, T0 - 3_600_000 + 1000)) == 1


def test_clock_back_and_forward_again_stays_within_the_burst() -> None:
    bucket = Bucket(burst=3, refill_ms=1000)
    left = taken(full(bucket, T0), bucket, 3)
    again = refilled(refilled(left, bucket, T0 - 3_600_000), bucket, T0)
    assert again.worth_ms <= bucket.full_ms
    assert again.updated_ms == T0


@pytest.mark.parametrize("figures", [(0, 1), (1, 0), (-1, 1), (1, -1)])
def test_bucket_of_nothing_is_refused(figures: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Bucket(*figures)


@given(bucket=buckets, permits=st.integers(1, 10_000), first=steps, second=steps)
def test_refilling_in_two_steps_equals_one(bucket: Bucket, permits: int, first: int, second: int) -> None:
    left = take(full(bucket, T0), bucket, min(permits, bucket.burst))
    assert left is not None
    in_two = refilled(refilled(left, bucket, T0 + first), bucket, T0 + first + second)
    assert in_two == refilled(left, bucket, T0 + first + second)


@given(bucket=buckets, worth=st.integers(0, 10**11), permits=st.integers(1, 10_000))
def test_wait_is_honest(bucket: Bucket, worth: int, permits: int) -> None:
    permits = min(permits, bucket.burst)
    balance = Balance(min(worth, bucket.full_ms), bucket.refill_ms, T0)
    wait = wait_ms(balance, bucket, permits)
    assert take(refilled(balance, bucket, T0 + wait), bucket, permits) is not None
    if wait:
        assert take(refilled(balance, bucket, T0 + wait - 1), bucket, permits) is None


@given(before=buckets, after=buckets, worth=st.integers(0, 10**11), shift=st.integers(-(10**10), 10**10))
def test_worth_stays_between_nothing_and_the_burst(before: Bucket, after: Bucket, worth: int, shift: int) -> None:
    balance = Balance(min(worth, before.full_ms), before.refill_ms, T0)
    moved = refilled(balance, after, T0 + shift)
    assert 0 <= moved.worth_ms <= after.full_ms
    assert moved.updated_ms == T0 + shift
