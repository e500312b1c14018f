"""The one place that reads the clock. Everything else is told what time it is."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What time it is."""

    def now(self) -> int:
        """Return whole seconds since the epoch."""
        ...

    def now_ms(self) -> int:
        """Return whole milliseconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never step back, for measuring and for deadlines."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return whole seconds since the epoch."""
        return int(time.time())

    def now_ms(self) -> int:
        """Return whole milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds that never step back."""
        return time.monotonic()
