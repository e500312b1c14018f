"""Token buckets in whole milliseconds: the arithmetic that every limiter shares.

A balance is kept as the milliseconds of refill it is worth, so that no fraction of a permit is ever rounded away
(protocol.md §4). Nothing here reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """A limiter's figures: `burst` permits at most, one more back every `refill_ms` milliseconds."""

    burst: int
    refill_ms: int

    def __post_init__(self) -> None:
        if self.burst < 1 or self.refill_ms < 1:
            raise ValueError("burst and refill_ms are whole numbers above zero")

    @property
    def full_ms(self) -> int:
        """Worth of a full bucket, in milliseconds of refill; also the time that an empty one takes to fill."""
        return self.burst * self.refill_ms


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account had left at `updated_ms`, under the `refill_ms` in force at that time."""

    worth_ms: int
    refill_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class Permit:
    """One permit to be taken from (limiter, account) in the transaction that uses it."""

    limiter: str
    account: int
    bucket: Bucket
    now_ms: int


def full(bucket: Bucket, now_ms: int) -> Balance:
    """Return the balance of somebody who has taken nothing yet."""
    return Balance(bucket.full_ms, bucket.refill_ms, now_ms)


def refilled(balance: Balance, bucket: Bucket, now_ms: int) -> Balance:
    """Return the balance at `now_ms` under today's figures.

    A clock that stepped back earns nothing and restarts the count from the new time, so nobody is locked out until the
    clock has caught up. Changed figures keep the share of permits, never more than the burst.
    """
    elapsed_ms = max(0, now_ms - balance.updated_ms)
    worth_ms = balance.worth_ms
    if balance.refill_ms != bucket.refill_ms:
        worth_ms = worth_ms * bucket.refill_ms // balance.refill_ms
    return Balance(min(bucket.full_ms, worth_ms + elapsed_ms), bucket.refill_ms, now_ms)


def take(balance: Balance, bucket: Bucket, permits: int = 1) -> Balance | None:
    """Return the balance less `permits`, or None when it does not hold that many. A refusal leaves no debt.

    Negative `permits` are given back, never beyond the burst.
    """
    left_ms = balance.worth_ms - permits * bucket.refill_ms
    if permits > 0 and left_ms < 0:
        return None
    return Balance(min(bucket.full_ms, left_ms), bucket.refill_ms, balance.updated_ms)


def wait_ms(balance: Balance, bucket: Bucket, permits: int = 1) -> int:
    """Return the honest wait until `permits` are there: 0 when they are."""
    return max(0, permits * bucket.refill_ms - balance.worth_ms)


def whole_permits(balance: Balance) -> int:
    """Return how many permits can be taken at once."""
    return balance.worth_ms // balance.refill_ms
