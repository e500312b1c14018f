"""How fast: token buckets in memory, one for a connection or an address, a bounded map of them for recipients."""

from __future__ import annotations

import math
from collections import OrderedDict

from storage.permits import Balance, Bucket, full, refilled, take, wait_ms

# The arithmetic of `storage.permits` counts in whole units of time. Milliseconds would cap a connection at 1 000
# frames a second, so buckets that live in memory count in microseconds.
_UNITS_PER_SECOND = 1_000_000


def per_second(rate: float, *, burst: int) -> Bucket:
    """Return the bucket of so many a second in the long run, `burst` at once; for this module only."""
    return Bucket(burst, max(1, round(_UNITS_PER_SECOND / rate)))


def kib(size: int) -> int:
    """Return how many KiB bytes are, begun ones included: the permits of a bucket of bytes."""
    return -(-size // 1024)


def bytes_per_second(rate: float, *, burst: int) -> Bucket:
    """Return the bucket of so many bytes, whose permits are KiB."""
    return per_second(rate / 1024, burst=kib(burst))


class Rate:
    """The bucket of one connection, or of all that share it.

    The last quarter of a shared bucket is for those who have used less than half of their own, so that whoever floods
    does not use up what quiet neighbours need. What the shared bucket refuses counts in their own all the same: it
    would otherwise fill up while they flood on, and make them look quiet.
    """

    __slots__ = ("_balance", "_bucket", "_shared")

    def __init__(self, bucket: Bucket, shared: Rate | None = None) -> None:
        """Take the bucket of the others, from which each permit is taken too."""
        self._bucket = bucket
        self._shared = shared
        self._balance: Balance | None = None

    def take(self, monotonic: float, permits: int = 1) -> float:
        """Take permits and return 0, or return the seconds until they are there."""
        return self._take(permits, monotonic, spared=0)

    def give_back(self, permits: int = 1) -> None:
        """Put back what was taken in vain."""
        if self._balance is not None:
            self._balance = take(self._balance, self._bucket, -permits)
        if self._shared is not None:
            self._shared.give_back(permits)

    def _take(self, permits: int, monotonic: float, *, spared: int) -> float:
        balance = self._balance = _balance_now(self._balance, self._bucket, monotonic)
        if wait := wait_ms(balance, self._bucket, permits + spared):
            return wait / _UNITS_PER_SECOND
        self._balance = take(balance, self._bucket, permits)
        if self._shared is None:
            return 0.0
        is_quiet = 2 * balance.worth_ms > self._bucket.full_ms
        return self._shared._take(permits, monotonic, spared=0 if is_quiet else self._shared._bucket.burst // 4)


class Rates:
    """The buckets of many keys; beyond `maximum` the one longest idle is forgotten, and starts full again.

    To make us forget a recipient, somebody has to name `maximum` others first, and pays for each out of the rate of
    their connections.
    """

    __slots__ = ("_balances", "_bucket", "_maximum")

    def __init__(self, bucket: Bucket, *, maximum: int) -> None:
        self._bucket = bucket
        self._maximum = maximum
        self._balances: OrderedDict[str, Balance] = OrderedDict()

    def __len__(self) -> int:
        return len(self._balances)

    def take(self, key: str, monotonic: float) -> float:
        """Take one permit of a key and return 0, or return the seconds until there is one."""
        wait, self._balances[key] = _take(self._balances.pop(key, None), self._bucket, monotonic)
        if len(self._balances) > self._maximum:
            self._balances.popitem(last=False)
        return wait


def _balance_now(balance: Balance | None, bucket: Bucket, monotonic: float) -> Balance:
    now = math.floor(monotonic * _UNITS_PER_SECOND)
    return full(bucket, now) if balance is None else refilled(balance, bucket, now)


def _take(balance: Balance | None, bucket: Bucket, monotonic: float) -> tuple[float, Balance]:
    balance = _balance_now(balance, bucket, monotonic)
    left = take(balance, bucket)
    if left is None:
        return wait_ms(balance, bucket) / _UNITS_PER_SECOND, balance
    return 0.0, left
