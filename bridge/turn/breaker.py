"""Whether a provider is worth asking, by how its latest calls ended. Pure: the time is an argument.

closed ──(enough of the latest calls failed)──► open ──(a while passed)──► one probe at a time
  ▲                                               ▲                              │
  └──────────(so many succeeded in a row)─────────┼──────────────────────────────┤
                                                  └─────────(one failed)─────────┘
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When to leave a provider alone, and when to take it up again."""

    calls: int = 10
    """Latest calls that count; half of them suffice for a verdict."""
    failure_percent: float = 50
    open_seconds: float = 10
    probes: int = 2
    """Calls that must succeed one after the other."""


class Breaker:
    """Gives a ticket for each call that may be made, and takes each back once, with how the call ended."""

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self._outcomes: deque[bool] = deque(maxlen=rules.calls)
        self._opened_at: float | None = None
        self._has_probe = False
        self._good_probes = 0
        # Calls that began before the state last changed say nothing about it.
        self._period = 0

    def adopt(self, rules: BreakerRules) -> None:
        """Judge by other rules from the next outcome on; what happened so far still counts."""
        self._rules = rules
        self._outcomes = deque(self._outcomes, maxlen=rules.calls)

    @property
    def is_closed(self) -> bool:
        """Whether the provider counts as well."""
        return self._opened_at is None

    def may_ask(self, now: float) -> bool:
        """Tell whether `ask` would give a ticket."""
        if self._opened_at is None:
            return True
        return not self._has_probe and now - self._opened_at >= self._rules.open_seconds

    def ask(self, now: float) -> int | None:
        """Return a ticket for a call, or None while none may be made."""
        if not self.may_ask(now):
            return None
        self._has_probe = self._opened_at is not None
        return self._period

    def succeeded(self, ticket: int) -> None:
        """Note that a call ended well."""
        if ticket != self._period:
            return
        if self._opened_at is None:
            self._outcomes.append(True)
            return
        self._has_probe = False
        self._good_probes += 1
        if self._good_probes >= self._rules.probes:
            self._opened_at = None
            self._outcomes.clear()
            self._period += 1

    def failed(self, ticket: int, now: float) -> None:
        """Note that a call failed."""
        if ticket != self._period:
            return
        if self._opened_at is None:
            self._outcomes.append(False)
        if self._opened_at is not None or self._is_too_bad():
            self._open(now)

    def gave_up(self, ticket: int) -> None:
        """Note that a call was broken off by us, which says nothing about the provider."""
        if ticket == self._period:
            self._has_probe = False

    def _is_too_bad(self) -> bool:
        seen = len(self._outcomes)
        failures = self._outcomes.count(False)
        return 2 * seen >= self._rules.calls and 100 * failures >= self._rules.failure_percent * seen

    def _open(self, now: float) -> None:
        self._opened_at = now
        self._has_probe = False
        self._good_probes = 0
        self._period += 1
