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


class Rate:
    """The bucket of one connection, or of all that share it."""

    __slots__ = ("_balance", "_bucket", "_shared")

    def __init__(self, bucket: Bucket, shared: Rate | None = None) -> None:
        """Take the bucket of the others, from which each permit is taken too."""
        self._bucket = bucket
        self._shared = shared
        self._balance: Balance | None = None

    def take(self, monotonic: float) -> float:
        """Take one permit and return 0, or return the seconds until there is one."""
        wait, self._balance = _take(self._balance, self._bucket, monotonic)
        return wait if wait or self._shared is None else self._shared.take(monotonic)


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


def _take(balance: Balance | None, bucket: Bucket, monotonic: float) -> tuple[float, Balance]:
    now = math.floor(monotonic * _UNITS_PER_SECOND)
    balance = full(bucket, now) if balance is None else refilled(balance, bucket, now)
    left = take(balance, bucket)
    if left is None:
        return wait_ms(balance, bucket) / _UNITS_PER_SECOND, balance
    return 0.0, left
