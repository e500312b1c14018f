"""Credentials of one provider that were fetched before anybody asked. In memory only; each is given away once.

What is told to a client (`told_seconds`) is always covered by what is left of the real lifetime. The age counts from
before the request to the provider was sent, and by both clocks: one stands still while the machine sleeps, the other
may be set back.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from bridge.turn.provider import TurnCredentials

_LEAST_SHARE = 0.1
"""Of the longest time to keep credentials. What may wait for less would be fetched, and paid for, over and over."""


@dataclass(frozen=True, slots=True)
class PoolRules:
    """How many are kept and for how long; no pool with size 0."""

    size: int = 0
    max_age_seconds: float = 3600
    told_seconds: int = 43_200
    """How long clients are told to use credentials."""
    max_concurrent: int = 4
    """Requests that fill it at the same time."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time by both clocks."""

    now: int
    monotonic: float

    def age(self, at: Moment) -> float:
        """Return how much older this is at another moment, by the clock that says more."""
        return max(at.now - self.now, at.monotonic - self.monotonic)


@dataclass(frozen=True, slots=True)
class _Kept:
    credentials: TurnCredentials
    since: Moment


class Pool:
    """Gives the oldest first."""

    def __init__(self, rules: PoolRules) -> None:
        self._rules = rules
        self._kept: deque[_Kept] = deque()

    def __repr__(self) -> str:
        return f"Pool({len(self._kept)} kept)"

    def adopt(self, rules: PoolRules) -> None:
        """Keep by other rules; what is too much is let go."""
        self._rules = rules
        while len(self._kept) > rules.size:
            self._kept.popleft()

    def take(self, at: Moment) -> TurnCredentials | None:
        """Return credentials that nobody had before, with what is left of their lifetime, or None."""
        self._let_go(at)
        if not self._kept:
            return None
        kept = self._kept.popleft()
        valid = kept.credentials.valid_seconds
        left = None if valid is None else int(valid - kept.since.age(at))
        return replace(kept.credentials, valid_seconds=left)

    def add(self, credentials: TurnCredentials, since: Moment) -> bool:
        """Keep credentials that were asked for at a moment, if there is room; tell whether they live long enough."""
        kept = _Kept(credentials, since)
        if self._allowed_age(kept) < _LEAST_SHARE * self._rules.max_age_seconds:
            return False
        if len(self._kept) < self._rules.size:
            self._kept.append(kept)
        return True

    def missing(self, at: Moment) -> int:
        """Return how many could be added."""
        self._let_go(at)
        return max(0, self._rules.size - len(self._kept))

    def seconds_left(self, at: Moment) -> float | None:
        """Return when the oldest will be too old, or None when there is none."""
        return max(0.0, self._allowed_age(self._kept[0]) - self._kept[0].since.age(at)) if self._kept else None

    def _let_go(self, at: Moment) -> None:
        while self._kept and self._kept[0].since.age(at) > self._allowed_age(self._kept[0]):
            self._kept.popleft()

    def _allowed_age(self, kept: _Kept) -> float:
        valid = kept.credentials.valid_seconds
        if valid is None:
            return self._rules.max_age_seconds
        return min(self._rules.max_age_seconds, valid - self._rules.told_seconds)
