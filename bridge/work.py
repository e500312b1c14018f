"""How much work (NIP-13) a new account costs once a budget is used up: it rises with demand and falls by itself.

Only work that made an account raises it. Were it raised by those who ask without any, or in vain, whoever sends much
could make it dear for others. In the long run `accounts_per_bit` accounts come in for each `calm_ms`, at whatever they
cost then; short of `max_bits`, beyond which it does not rise.

Nothing here reads a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

GRACE_BITS = 2
"""How far below what is asked now work may be that was asked for a moment ago.

Without an end to it, wraps that were mined in advance would all pass at the price of the first.
"""


@dataclass(frozen=True, slots=True)
class WorkRules:
    """Figures of the work that is asked."""

    min_bits: int
    max_bits: int
    accounts_per_bit: int
    """Accounts made for work, after which it is one bit more."""
    calm_ms: int
    """Time after which it is one bit less."""
    grace_ms: int
    """How long what was asked is still enough after it rose."""

    @property
    def bit(self) -> int:
        """Debt that makes one bit."""
        return self.accounts_per_bit * self.calm_ms

    @property
    def most(self) -> int:
        """Debt beyond which nothing is added: the highest price lasts for `calm_ms` after the last payment."""
        return (self.max_bits - self.min_bits + 1) * self.bit - 1


@dataclass(frozen=True, slots=True)
class Demand:
    """What was paid lately, and what was asked before it."""

    debt: int = 0
    """Each account adds `calm_ms`, each millisecond takes away `accounts_per_bit`."""
    updated_ms: int = 0
    earlier: tuple[tuple[int, int], ...] = ()
    """(bits, until when they are enough), fewer bits first; no more of them than there are prices."""


def asked_bits(demand: Demand, rules: WorkRules, now_ms: int) -> int:
    """Return the bits that somebody new is told."""
    return rules.min_bits + _debt(demand, rules, now_ms) // rules.bit


def enough_bits(demand: Demand, rules: WorkRules, now_ms: int) -> int:
    """Return the bits that are taken: those that are asked, or a little fewer if these were asked just before."""
    asked = asked_bits(demand, rules, now_ms)
    told = [bits for bits, until_ms in demand.earlier if now_ms < until_ms <= now_ms + rules.grace_ms]
    return max(min([asked, *told]), asked - GRACE_BITS, rules.min_bits)


def after_payment(demand: Demand, rules: WorkRules, now_ms: int) -> Demand:
    """Return the demand once work was taken."""
    before = asked_bits(demand, rules, now_ms)
    debt = min(rules.most, _debt(demand, rules, now_ms) + rules.calm_ms)
    paid = Demand(debt, now_ms, demand.earlier)
    if asked_bits(paid, rules, now_ms) == before:
        return paid
    # What asked for as much or more than this, and lasts less long, says nothing any more.
    kept = [told for told in demand.earlier if told[0] < before and now_ms < told[1] <= now_ms + rules.grace_ms]
    return replace(paid, earlier=(*kept, (before, now_ms + rules.grace_ms)))


def after_refund(demand: Demand, rules: WorkRules) -> Demand:
    """Return the demand once work was taken that made no account."""
    return replace(demand, debt=max(0, demand.debt - rules.calm_ms))


def _debt(demand: Demand, rules: WorkRules, now_ms: int) -> int:
    # A clock that steps back takes nothing away, and the count goes on from the new time with the next payment.
    passed_ms = max(0, now_ms - demand.updated_ms)
    return min(rules.most, max(0, demand.debt - passed_ms * rules.accounts_per_bit))
