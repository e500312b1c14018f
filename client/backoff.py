"""How long to wait before connecting again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BackoffLimits:
    """The growth of the delays."""

    first_seconds: float = 1.0
    """Longest delay after the first failure; it doubles with each further one."""
    cap_seconds: float = 300.0
    """Longest delay ever."""
    lived_seconds: float = 60.0
    """A connection that was open for so long counts as good: the delays start anew after it."""


class Backoff:
    """Exponential delays with full jitter: evenly spread from nothing to the current longest.

    Clients that lost the same relay together so come back spread out, instead of together.
    """

    def __init__(self, limits: BackoffLimits) -> None:
        self._limits = limits
        self.failures = 0
        """Connections since the last good one that failed, or were lost too soon."""

    def next_delay(self, *, open_seconds: float, fraction: float) -> float:
        """Return the seconds to wait after a connection that was open for `open_seconds`, 0 when it never was.

        `fraction` is a random number from 0 to 1.
        """
        if open_seconds >= self._limits.lived_seconds:
            self.failures = 0
        # 2**1000 is no longer a float; no cap is as far away as 2**64.
        longest = min(self._limits.cap_seconds, self._limits.first_seconds * 2.0 ** min(self.failures, 64))
        self.failures += 1
        return longest * fraction
