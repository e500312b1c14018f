"""A clock that stands still until a test moves it."""

from __future__ import annotations


class FixedClock:
    """Tells one time, in all its forms."""

    def __init__(self, seconds: float = 1_800_000_000) -> None:
        self._ms = round(seconds * 1000)
        self._monotonic_ms = 0

    def now(self) -> int:
        """Return whole seconds since the epoch."""
        return self._ms // 1000

    def now_ms(self) -> int:
        """Return whole milliseconds since the epoch."""
        return self._ms

    def monotonic(self) -> float:
        """Return seconds since this clock was made; setting it back does not show here."""
        return self._monotonic_ms / 1000

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds < 0:
            raise ValueError("time does not pass backwards; `set_back` is for clocks that are corrected")
        self._ms += round(seconds * 1000)
        self._monotonic_ms += round(seconds * 1000)

    def set_back(self, seconds: float) -> None:
        """Correct the clock to an earlier time, as an operator or NTP does."""
        self._ms -= round(seconds * 1000)
