"""What became of requests, how often, and how long it took: counted in memory, for metrics, status and notices.

Nothing here is about anybody: methods and outcomes are words of the contract, so there are only so many.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bridge.errors import Full, NoProvider
from protocol.catalogue import Catalogue

BOUNDS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper ends of the classes of durations; what takes longer is in one more."""

OK: Final = "ok"
REPEATED: Final = "repeated"
"""Answered with what was answered before."""
SEEN: Final = "seen"
"""The same wrap came again, and nothing was done."""
SILENCE: Final = "silence"
"""Not answered, because its sender had too many answers that take no permit."""
DEFERRED: Final = "deferred"
"""Tried in vain and to be tried again: storage or sealing was in trouble."""
_UNJUDGED: Final = frozenset({SEEN, SILENCE})
OTHER: Final = "other"
"""Stands for a method or outcome that the contract does not have."""

_CHOSEN: Final = frozenset(refusal.outcome for refusal in (Full, NoProvider) if refusal.outcome)
"""Refusals with the code of a fault that are the operator's choice."""

OWN_FAULT_STATUS: Final = 500
"""Statuses from here on are our own faults (protocol.md §4)."""


@dataclass(slots=True)
class Durations:
    """How long things took."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_SECONDS) + 1))
    total_seconds: float = 0.0

    @property
    def amount(self) -> int:
        """How many there were."""
        return sum(self.counts)

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.total_seconds += seconds

    def up_to(self) -> Iterator[tuple[float, int]]:
        """Yield how many took at most each of `BOUNDS_SECONDS`, then infinity with all."""
        total = 0
        for bound, count in zip((*BOUNDS_SECONDS, float("inf")), self.counts, strict=True):
            total += count
            yield bound, total


class RequestTallies:
    """Counts requests by method and outcome."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.durations: dict[tuple[str, str], Durations] = {}
        """By method and outcome: a code of the contract, or one of the words above."""
        self.dropped = 0
        """Wraps with nothing in them that could be answered."""
        self.ended = 0
        """Requests that came to an end, and attempts that were put off."""
        self.own_faults = 0
        """Those of them that failed by our own fault."""
        self.judged = 0
        """Those of them whose share of faults says how we do: faults, and what accounts were answered that were let in.

        Whoever is refused says nothing about us, and anybody may be refused any number of times.
        """
        self.deferred = 0
        """Those of them that were put off."""
        self._methods = frozenset(catalogue.methods)
        self._outcomes = frozenset({*catalogue.refusals, OK, REPEATED, SEEN, SILENCE, DEFERRED, *_CHOSEN})
        self._faults = frozenset(
            {DEFERRED, *(code for code, entry in catalogue.refusals.items() if entry.status >= OWN_FAULT_STATUS)}
        )

    def end(self, method: str | None, outcome: str, seconds: float, *, is_admitted: bool = False) -> None:
        """Count a request that was done with, or put off, so long after it came."""
        key = method if method in self._methods else OTHER, outcome if outcome in self._outcomes else OTHER
        durations = self.durations.get(key)
        if durations is None:
            durations = self.durations[key] = Durations()
        durations.add(seconds)
        self.ended += 1
        is_fault = outcome in self._faults
        self.own_faults += is_fault
        self.judged += is_fault or (is_admitted and outcome not in _UNJUDGED)
        self.deferred += outcome == DEFERRED

    def by_outcome(self) -> dict[str, int]:
        """Return how many requests came to each end."""
        amounts: Counter[str] = Counter()
        for (_, outcome), durations in self.durations.items():
            amounts[outcome] += durations.amount
        return dict(amounts)

    def drop(self) -> None:
        """Count a wrap that nothing could be made of."""
        self.dropped += 1
