"""On what terms a key gets an account: a budget and beyond it work, or the code of an invite.

The budget is a balance like those of accounts, taken in the transaction that makes the account; so a restart hands out
nothing. What is refused costs the least: as long as the budget is known to be used up, nobody without work causes as
much as a look at the storage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from bridge.conditions import Conditions
from bridge.errors import Full, PowRequired, RateLimited, Unauthorized
from bridge.permits import AccountPermits, KeyLimits
from bridge.settings.accounts import Admission
from bridge.work import Demand, WorkRules, after_payment, after_refund, asked_bits, enough_bits
from client.clock import Clock
from client.entropy import Entropy
from nips.keys import PublicKey
from storage.account_interface import Account, Accounts, AdmissionFailed, Device, NewAccount
from storage.interface import Permit, Permits
from storage.permits import Balance, Bucket

BUDGET = "new_accounts"
"""Limiter of the budget, which the bridge as a whole has."""

WHOLE_BRIDGE = 0
"""Stands for the bridge where an account's number is asked for; those are 63 bits of a keyed hash."""

ROOM = "accounts"
"""Name of the condition that nobody new gets an account, because there are `max_accounts`."""

READ_SECONDS = 1.0
"""How long what was read of the budget is good enough to try."""

FULL_MS = 5000
"""How long it is taken for granted that there is no room for another account."""


def _nobody_told() -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a request brings along for the case that its author is new."""

    invite: str | None = None
    work_bits: int = 0
    """Work to which its wrap commits (NIP-13)."""
    on_paid: Callable[[], None] = _nobody_told
    """To be told as soon as the terms are met, before the account is made."""
    is_registration: bool = False
    """It asks to register its author's own key."""


@dataclass(frozen=True, slots=True)
class JoiningRules:
    """Figures of joining."""

    max_accounts: int
    budget: Bucket
    guesses: Bucket
    """Wrong codes."""
    work: WorkRules


class Newcomers:
    """Makes accounts, of whoever meets the terms."""

    def __init__(
        self,
        accounts: Accounts,
        permits: Permits,
        rules: JoiningRules,
        *,
        conditions: Conditions,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._accounts = accounts
        self._permits = permits
        self._conditions = conditions
        self._clock = clock
        self._entropy = entropy
        self._rules = rules
        self._budget = AccountPermits(permits, {BUDGET: rules.budget}, clock)
        self._guesses = KeyLimits("guesses", rules.guesses, max_keys=1)
        self._demand = Demand()
        self._dry_until_ms = self._full_until_ms = 0
        self._counted: float | None = None
        self._read: tuple[float, Mapping[str, Balance]] | None = None

    def adopt(self, rules: JoiningRules) -> None:
        """Go on under other figures; what was taken, guessed and paid so far still counts."""
        self._rules = rules
        self._budget.adopt({BUDGET: rules.budget})
        self._guesses.adopt(rules.guesses, max_keys=1)
        self._dry_until_ms = self._full_until_ms = 0
        self._counted = None

    async def pow_bits(self, admission: Admission) -> int:
        """Return the work that a new account costs at the moment; 0: none."""
        now_ms = self._clock.now_ms()
        if admission is Admission.OPEN:
            is_free = not self._is_dry(now_ms) and (await self._budget.remaining(WHOLE_BRIDGE))[BUDGET] > 0
        else:
            is_free = admission is not Admission.INVITE or not self._guesses.wait_ms("", now_ms)
        return 0 if is_free else asked_bits(self._demand, self._rules.work, now_ms)

    async def join_freely(self, key: PublicKey) -> tuple[Account, Device]:
        """Make the account of a key that needs nothing else, or return the one that it has; raise `Unavailable`."""
        joined = await self._join(key)
        assert not isinstance(joined, AdmissionFailed)
        return joined

    async def join_openly(self, key: PublicKey, offer: Offer) -> tuple[Account, Device]:
        """Make the account of a key out of the budget, or for work; raise `PowRequired`, `Unavailable`."""
        if not self._is_dry(self._clock.now_ms()):
            try:
                return await self._join_on_budget(key, offer)
            except RateLimited as dry:
                self._dry_until_ms = self._clock.now_ms() + dry.wait_ms
                self._read = None
        joined = await self._join_for_work(key, offer)
        assert not isinstance(joined, AdmissionFailed)
        return joined

    async def join_invited(self, key: PublicKey, offer: Offer) -> tuple[Account, Device]:
        """Make the account of a key that brings a code; raise `Unauthorized`, `PowRequired`, `Unavailable`.

        A wrong code is refused like none. Beyond so many wrong ones, each further code costs work, right or wrong:
        were they refused instead, whoever guesses would shut out those who were invited.
        """
        if offer.invite is None:
            raise Unauthorized("no invite")
        is_worked = self._guesses.wait_ms("", self._clock.now_ms()) > 0
        if is_worked:
            joined = await self._join_for_work(key, offer, invite=offer.invite)
        else:
            joined = await self._join(key, invite=offer.invite)
        if isinstance(joined, AdmissionFailed):
            # Of those that are on their way at once, the last ones may find none left.
            with suppress(RateLimited):
                if not is_worked:
                    self._guesses.charge("", self._clock.now_ms())
            raise Unauthorized("no such invite")
        return joined

    async def _join_on_budget(self, key: PublicKey, offer: Offer) -> tuple[Account, Device]:
        balances = await self._recent_balances()
        with self._budget.promise(BUDGET, WHOLE_BRIDGE, balances) as permit:
            offer.on_paid()
            joined = await self._join(key, budget=permit)
        if isinstance(joined, AdmissionFailed):
            raise RateLimited(BUDGET, self._rules.budget.refill_ms)
        return joined

    async def _recent_balances(self) -> Mapping[str, Balance]:
        # Whoever comes in a rush need not look each time: should there be less by now, the commit finds it out.
        now = self._clock.monotonic()
        if self._read is None or now - self._read[0] >= READ_SECONDS:
            self._read = now, await self._permits.balances(WHOLE_BRIDGE)
        return self._read[1]

    async def _join(
        self, key: PublicKey, *, invite: str | None = None, budget: Permit | None = None
    ) -> tuple[Account, Device] | AdmissionFailed:
        self._require_room()
        device_id = str(UUID(bytes=self._entropy.draw(16), version=4))
        new = NewAccount(key, self._entropy.draw(16), device_id, self._clock.now())
        joined = await self._accounts.admit(new, max_accounts=self._rules.max_accounts, invite=invite, budget=budget)
        if joined is AdmissionFailed.FULL:
            raise self._no_room()
        if joined is AdmissionFailed.REVOKED:
            raise Unauthorized("a device that was revoked")
        if not isinstance(joined, AdmissionFailed):
            self._conditions.set(ROOM, None)
        return joined

    def _require_room(self) -> None:
        """Raise `Full` while it is taken for granted that there is no room."""
        now_ms = self._clock.now_ms()
        if now_ms < self._full_until_ms <= now_ms + FULL_MS:
            raise Full

    def _no_room(self) -> Full:
        self._full_until_ms = self._clock.now_ms() + FULL_MS
        self._conditions.set(ROOM, "nobody new gets one: raise accounts.max_accounts or delete some")
        return Full()

    async def _count_room(self) -> None:
        """Look for room as often as it is worth it, so that nobody is asked for work that comes to nothing."""
        self._require_room()
        now = self._clock.monotonic()
        if self._counted is None or 1000 * (now - self._counted) >= FULL_MS:
            self._counted = now
            if await self._accounts.count() >= self._rules.max_accounts:
                raise self._no_room()

    async def _join_for_work(
        self, key: PublicKey, offer: Offer, *, invite: str | None = None
    ) -> tuple[Account, Device] | AdmissionFailed:
        await self._count_room()
        now_ms, rules = self._clock.now_ms(), self._rules.work
        if offer.work_bits < enough_bits(self._demand, rules, now_ms):
            raise PowRequired(asked_bits(self._demand, rules, now_ms))
        # Before the account is made, so that many at once do not all come in at the price of the first.
        self._demand = after_payment(self._demand, rules, now_ms)
        offer.on_paid()
        joined: tuple[Account, Device] | AdmissionFailed | None = None
        try:
            joined = await self._join(key, invite=invite)
        finally:
            if not isinstance(joined, tuple):
                self._demand = after_refund(self._demand, rules)
        return joined

    def _is_dry(self, now_ms: int) -> bool:
        # A clock that stepped back makes nobody wait for longer than one permit takes to come back.
        return now_ms < self._dry_until_ms <= now_ms + self._rules.budget.refill_ms
