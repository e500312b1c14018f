"""When something that is wrong becomes an incident, and when it is over. Pure: what time it is comes with the question.

An incident begins after trouble has lasted for a while without a pause, and is over after calm has lasted for a while
without one. So whatever comes and goes in between is one incident, and is told once. Trouble that soon comes back asks
for twice as much calm each time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MOST_CALM_SECONDS: Final = 86_400.0
SOON: Final = 4
"""Trouble that is back within so many times the calm that was asked for is the same trouble coming and going."""


class Change(StrEnum):
    """What is worth telling."""

    BEGAN = "began"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class IncidentRules:
    """How long things last before they are told."""

    delay_seconds: float
    calm_seconds: float


class Incident:
    """One thing that may be wrong, now and again."""

    def __init__(self, *, is_open: bool = False, returns: int = 0) -> None:
        """Take up one that an earlier run told, if `is_open`."""
        self.is_open = is_open
        self.returns = returns
        """How often it came back soon."""
        self._since: float | None = None
        """Since when it is the other way round than `is_open` says."""
        self._ended_at: float | None = None

    @property
    def is_forgettable(self) -> bool:
        """Tell whether a new one would be no different."""
        return not self.is_open and self._since is None and self._ended_at is None

    def calm_seconds(self, rules: IncidentRules) -> float:
        """Return how long calm has to last now."""
        return max(rules.calm_seconds, min(MOST_CALM_SECONDS, rules.calm_seconds * (1 << min(self.returns, 20))))

    def observe(self, is_bad: bool, now: float, rules: IncidentRules) -> Change | None:
        """Take note of how it is at a time of a clock that never steps back; return what is to be told."""
        self._forget_the_last(now, rules)
        if is_bad is self.is_open:
            self._since = None
            return None
        if self._since is None:
            self._since = now
        if now - self._since < (self.calm_seconds(rules) if self.is_open else rules.delay_seconds):
            return None
        self._since = None
        return self._end(now) if self.is_open else self._begin()

    def _begin(self) -> Change:
        if self._ended_at is not None:
            self.returns += 1
        self.is_open = True
        return Change.BEGAN

    def _end(self, now: float) -> Change:
        self.is_open, self._ended_at = False, now
        return Change.ENDED

    def _forget_the_last(self, now: float, rules: IncidentRules) -> None:
        is_long_ago = self._ended_at is not None and now - self._ended_at > SOON * self.calm_seconds(rules)
        if is_long_ago and not self.is_open and self._since is None:
            self._ended_at, self.returns = None, 0


class FaultWindow:
    """The share of requests that failed by our fault lately, from counts that only grow."""

    MOST_SAMPLES: Final = 120

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=self.MOST_SAMPLES)

    def add(self, now: float, *, ended: int, faults: int, window_seconds: float) -> tuple[int, int]:
        """Take note of the counts; return how many requests ended within the window, and how many of them failed."""
        samples = self._samples
        # More often than this is no better: the window would not fit.
        if not samples or now - samples[-1][0] >= window_seconds / (self.MOST_SAMPLES - 2):
            samples.append((now, ended, faults))
        while len(samples) > 1 and now - samples[1][0] >= window_seconds:
            samples.popleft()
        _, ended_before, faults_before = samples[0]
        return ended - ended_before, faults - faults_before
