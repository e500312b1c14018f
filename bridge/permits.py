"""Who may still take how much: permits per (limiter, account), and the lighter limits of those without an account.

Balances of accounts are durable and are charged in the transaction that answers. In between, a permit is only
promised: promises are counted here, so that a hundred requests at once cannot start more work than there are permits.

Refusals and repeats take no permit, but each is an answer that is wrapped and written down. They have a budget of their
own, in memory, that nobody who asks honestly gets to see the end of; those without an account have another, so that
however many of them come, accounts are answered.

All figures come from one `PermitRules`, and count from the next request on when others are adopted. What somebody has
left stays as many permits as it was, up to the new burst.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bridge.errors import RateLimited
from client.clock import Clock
from storage.interface import Permit, Permits
from storage.permits import Balance, Bucket, full, refilled, take, wait_ms, whole_permits


@dataclass(frozen=True, slots=True)
class PermitRules:
    """The figures of all limiters."""

    accounts: Mapping[str, Bucket]
    """Of the contract's limiters, per account. A stranger has those of `info` and `invalid`, in memory."""
    strangers: Bucket
    """Of all strangers together."""
    free: Bucket
    """Of answers that take no permit, per account, and per key of those without one."""
    free_together: Bucket
    """Of such answers to accounts, together."""
    max_keys: int
    """Keys that each limiter remembers in memory."""
    least_work: int
    """Bits of work from which on strangers have a limit of their own."""


class AccountPermits:
    """Promises and charges permits of accounts."""

    def __init__(self, permits: Permits, buckets: Mapping[str, Bucket], clock: Clock) -> None:
        self.buckets = dict(buckets)
        self._permits = permits
        self._clock = clock
        self._promised: dict[tuple[str, int], int] = {}

    def adopt(self, buckets: Mapping[str, Bucket]) -> None:
        """Count by other figures. What was promised before is charged by those that it was promised under."""
        self.buckets = dict(buckets)

    @contextmanager
    def promise(self, limiter: str, account: int, balances: Mapping[str, Balance]) -> Iterator[Permit]:
        """Hold one permit while the work runs; raise `RateLimited` when all are taken or promised.

        The balances on record need not be of now, since the commit looks again.
        """
        bucket, now_ms, key = self.buckets[limiter], self._clock.now_ms(), (limiter, account)
        recorded = balances.get(limiter)
        balance = refilled(recorded, bucket, now_ms) if recorded else full(bucket, now_ms)
        wanted = self._promised.get(key, 0) + 1
        # After the clock stepped back only the commit can begin to count from the new time, so it has to come to one.
        is_ahead = recorded is not None and recorded.updated_ms > now_ms
        if (missing_ms := wait_ms(balance, bucket, wanted)) and not is_ahead:
            raise RateLimited(limiter, missing_ms)
        self._promised[key] = wanted
        try:
            yield Permit(limiter, account, bucket, now_ms)
        finally:
            self._promised[key] -= 1
            if not self._promised[key]:
                del self._promised[key]

    async def remaining(self, account: int) -> dict[str, int]:
        """Return the whole permits that an account has left, by limiter, promised ones not counted."""
        now_ms = self._clock.now_ms()
        stored = await self._permits.balances(account)
        return {limiter: self._left(stored.get(limiter), limiter, account, now_ms) for limiter in self.buckets}

    def _left(self, balance: Balance | None, limiter: str, account: int, now_ms: int) -> int:
        bucket = self.buckets[limiter]
        current = refilled(balance, bucket, now_ms) if balance else full(bucket, now_ms)
        return max(0, whole_permits(current) - self._promised.get((limiter, account), 0))


class KeyLimits:
    """Buckets by key in memory, at most `max_keys` of them: for limits that protect only ourselves.

    When there are too many keys, the one that was quiet longest is forgotten, which gives it a full bucket again.
    """

    def __init__(self, limiter: str, bucket: Bucket, *, max_keys: int) -> None:
        self._limiter = limiter
        self._bucket = bucket
        self._max_keys = max_keys
        self._balances: OrderedDict[str, Balance] = OrderedDict()

    def __len__(self) -> int:
        return len(self._balances)

    def adopt(self, bucket: Bucket, *, max_keys: int) -> None:
        """Count by other figures."""
        self._bucket = bucket
        self._max_keys = max_keys
        while len(self._balances) > max_keys:
            self._balances.popitem(last=False)

    @contextmanager
    def taken(self, key: str, now_ms: int) -> Iterator[None]:
        """Take one permit of a key, or raise `RateLimited`; it is given back when what it was taken for fails."""
        self.charge(key, now_ms)
        try:
            yield
        except BaseException:
            self.give_back(key)
            raise

    @contextmanager
    def taken_of_shared(self, key: str, shared: KeyLimits, shared_key: str, now_ms: int) -> Iterator[None]:
        """Take one permit of a key and one of what it shares with others, or raise `RateLimited`.

        The last quarter of what is shared is for those who have used less than half of their own. What is refused there
        counts in their own all the same: it would otherwise fill up while they flood on, and make them look quiet.
        """
        is_quiet = self._is_quiet(key, now_ms)
        self.charge(key, now_ms)
        shared.charge(shared_key, now_ms, spared=0 if is_quiet else shared._bucket.burst // 4)
        try:
            yield
        except BaseException:
            shared.give_back(shared_key)
            self.give_back(key)
            raise

    def _is_quiet(self, key: str, now_ms: int) -> bool:
        known = self._balances.get(key)
        return known is None or 2 * refilled(known, self._bucket, now_ms).worth_ms > self._bucket.full_ms

    def charge(self, key: str, now_ms: int, *, spared: int = 0) -> None:
        """Take one permit of a key, or raise `RateLimited`; so many have to be left then."""
        known = self._balances.pop(key, None)
        balance = refilled(known, self._bucket, now_ms) if known else full(self._bucket, now_ms)
        wait = wait_ms(balance, self._bucket, 1 + spared)
        left = None if wait else take(balance, self._bucket)
        self._balances[key] = left or balance
        if len(self._balances) > self._max_keys:
            self._balances.popitem(last=False)
        if left is None:
            raise RateLimited(self._limiter, wait)

    def wait_ms(self, key: str, now_ms: int) -> int:
        """Return the wait until there is a permit; 0: there is one."""
        known = self._balances.get(key)
        return wait_ms(refilled(known, self._bucket, now_ms), self._bucket) if known else 0

    def give_back(self, key: str) -> None:
        """Put back one permit of a key."""
        balance = self._balances.get(key)
        if balance is not None:
            # Other figures may have been adopted since it was taken.
            current = refilled(balance, self._bucket, balance.updated_ms)
            self._balances[key] = take(current, self._bucket, -1) or current


# An id has 256 bits.
_AMOUNTS_OF_WORK = 257


class StrangerLimits:
    """Limits on keys without an account: each by itself, and all of them together, because keys are free.

    What they have together they have once for each bit of work on the wrap, from `least_work` on, and once without. So
    whoever floods uses up only what others could have for the same work, and a newcomer gets past it with one bit more.
    Of each of these, what comes from one source (an address, another relay) has at most half.
    """

    def __init__(self, rules: PermitRules) -> None:
        self._calls = KeyLimits("info", rules.accounts["info"], max_keys=rules.max_keys)
        self._malformed = KeyLimits("invalid", rules.accounts["invalid"], max_keys=rules.max_keys)
        self._refused = KeyLimits("free", rules.free, max_keys=rules.max_keys)
        self._together = KeyLimits("strangers", rules.strangers, max_keys=_AMOUNTS_OF_WORK)
        self._sources = KeyLimits("strangers", _half(rules.strangers), max_keys=rules.max_keys)
        self._least_work = rules.least_work

    def adopt(self, rules: PermitRules) -> None:
        """Count by other figures."""
        self._calls.adopt(rules.accounts["info"], max_keys=rules.max_keys)
        self._malformed.adopt(rules.accounts["invalid"], max_keys=rules.max_keys)
        self._refused.adopt(rules.free, max_keys=rules.max_keys)
        self._together.adopt(rules.strangers, max_keys=_AMOUNTS_OF_WORK)
        self._sources.adopt(_half(rules.strangers), max_keys=rules.max_keys)
        self._least_work = rules.least_work

    @contextmanager
    def call(self, key: str, now_ms: int, *, source: str, work_bits: int = 0) -> Iterator[None]:
        """Take the permits for one call, or raise `RateLimited`; a call that fails costs nothing."""
        with self._all(self._calls, key, now_ms, source, work_bits):
            yield

    @contextmanager
    def malformed(self, key: str, now_ms: int, *, source: str, work_bits: int = 0) -> Iterator[None]:
        """Take the permits for one answer to a malformed request, or raise `RateLimited`."""
        with self._all(self._malformed, key, now_ms, source, work_bits):
            yield

    @contextmanager
    def refusal(self, key: str, now_ms: int, *, source: str, work_bits: int = 0) -> Iterator[None]:
        """Take the permits for one refusal or repeat, or raise `RateLimited`; beyond them there is silence."""
        with self._all(self._refused, key, now_ms, source, work_bits):
            yield

    @contextmanager
    def _all(self, own: KeyLimits, key: str, now_ms: int, source: str, work_bits: int) -> Iterator[None]:
        worked = str(work_bits if work_bits >= self._least_work else 0)
        shared = self._sources.taken_of_shared(f"{worked} {source}", self._together, worked, now_ms)
        # Together first: what is refused there leaves no trace of its key.
        with shared, own.taken(key, now_ms):
            yield


def _half(bucket: Bucket) -> Bucket:
    return Bucket(max(1, bucket.burst // 2), 2 * bucket.refill_ms)


class FreeLimits:
    """Limits on answers that take no permit, refusals and repeats: of each account, and of all together.

    Beyond them there is silence. Any answer that says "too many" would itself be one more of what there are too many
    of, and keys are free: whoever wants to fill the disk or drown others would only have to ask for refusals. A request
    that met silence was not acted on and cost nothing, so that its asker, as after any lost answer, may send it again.
    """

    def __init__(self, rules: PermitRules) -> None:
        self._each = KeyLimits("free", rules.free, max_keys=rules.max_keys)
        self._together = KeyLimits("free_together", rules.free_together, max_keys=1)

    def adopt(self, rules: PermitRules) -> None:
        """Count by other figures."""
        self._each.adopt(rules.free, max_keys=rules.max_keys)
        self._together.adopt(rules.free_together, max_keys=1)

    @contextmanager
    def answer(self, account: int, now_ms: int) -> Iterator[None]:
        """Take the permits for one answer to an account, or raise `RateLimited`; one that fails costs nothing."""
        with self._each.taken_of_shared(str(account), self._together, "", now_ms):
            yield
