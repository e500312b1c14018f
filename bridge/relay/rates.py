"""How fast: token buckets in memory, for a connection, for an address, and for what each recipient is sent."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field

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


def per_day(amount: int) -> Bucket:
    """Return the bucket of so many a day, all of them at once if need be."""
    return per_second(amount / 86_400, burst=amount)


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


@dataclass(frozen=True, slots=True)
class MailboxBuckets:
    """What one recipient may be sent."""

    recipient: Bucket = field(default_factory=lambda: per_second(50, burst=2500))
    """By everybody."""
    sender: Bucket = field(default_factory=lambda: per_second(10, burst=500))
    """From one address."""
    kept: Bucket = field(default_factory=lambda: per_day(2500))
    """From one address, of what is kept."""


class MailboxRates:
    """What recipients are sent, by whom; of more than `maximum` pairs the one longest idle is forgotten.

    To make us forget a pair, somebody has to name `maximum` other recipients first, and pays for each out of the rate
    of their address.
    """

    __slots__ = ("_buckets", "_maximum", "_recipients", "_senders")

    def __init__(self, buckets: MailboxBuckets, *, maximum: int) -> None:
        self._buckets = buckets
        self._maximum = maximum
        self._recipients: OrderedDict[str, Rate] = OrderedDict()
        self._senders: OrderedDict[tuple[str, str], tuple[Rate, Rate]] = OrderedDict()

    def __len__(self) -> int:
        return max(len(self._recipients), len(self._senders))

    def take(self, recipient: str, sender: str, monotonic: float, *, is_kept: bool) -> float:
        """Take a permit for a wrap from an address and return 0, or return the seconds until there is one."""
        buckets, pair = self._buckets, (recipient, sender)
        shared = self._recipients.pop(recipient, None) or Rate(buckets.recipient)
        known_pair = self._senders.pop(pair) if pair in self._senders else None
        rate, kept = known_pair or (Rate(buckets.sender, shared), Rate(buckets.kept))
        self._recipients[recipient], self._senders[pair] = shared, (rate, kept)
        for known in (self._recipients, self._senders):
            if len(known) > self._maximum:
                known.popitem(last=False)
        wait = rate.take(monotonic)
        if not wait and is_kept and (wait := kept.take(monotonic)):
            rate.give_back()
        return wait

    def not_kept(self, recipient: str, sender: str) -> None:
        """Give back what was taken for the room of a wrap that then took none."""
        if known := self._senders.get((recipient, sender)):
            known[1].give_back()


def _balance_now(balance: Balance | None, bucket: Bucket, monotonic: float) -> Balance:
    now = math.floor(monotonic * _UNITS_PER_SECOND)
    return full(bucket, now) if balance is None else refilled(balance, bucket, now)
