"""The books of a soak run, in bounded memory: what was done, what went wrong, how often each request was answered."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_WORDS = 200
"""Different things that are counted by name; beyond that they are counted together."""

MAX_OPEN = 20_000
"""Requests that are watched at once."""


class Tally:
    """Counts by name, of a bounded number of names."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, name: str, amount: int = 1) -> None:
        """Count something."""
        known = name in self.counts or len(self.counts) < MAX_WORDS
        self.counts[name if known else "other"] += amount


@dataclass(slots=True)
class _Asked:
    at: float
    is_acknowledged: bool = False
    wraps: set[str] = field(default_factory=set)


class Requests:
    """Requests that are watched for a while: each that was acknowledged gets one answering wrap, not more."""

    def __init__(self, *, watch_seconds: float) -> None:
        self._watch_seconds = watch_seconds
        self._open: OrderedDict[str, _Asked] = OrderedDict()
        self.asked = 0
        self.acknowledged = 0
        self.answered_once = 0
        self.unanswered = 0
        self.answered_twice = 0

    def __len__(self) -> int:
        return len(self._open)

    def ask(self, rumor: str, now: float) -> None:
        """Begin to watch a request."""
        self.asked += 1
        self._open[rumor] = _Asked(now)
        while len(self._open) > MAX_OPEN:
            self._judge(self._open.popitem(last=False)[1])

    def acknowledge(self, rumor: str) -> None:
        """Note that its wrap got OK true."""
        if rumor in self._open:
            self._open[rumor].is_acknowledged = True

    def answer(self, rumor: str, wrap: str) -> None:
        """Note a wrap that answers it; the same wrap read twice is one answer."""
        if rumor in self._open:
            self._open[rumor].wraps.add(wrap)

    def settle(self, now: float) -> None:
        """Judge those that were watched for long enough; `now` of infinity means all."""
        while self._open:
            rumor, asked = next(iter(self._open.items()))
            if asked.at + self._watch_seconds > now:
                return
            del self._open[rumor]
            self._judge(asked)

    def _judge(self, asked: _Asked) -> None:
        self.acknowledged += asked.is_acknowledged
        if len(asked.wraps) > 1:
            self.answered_twice += 1
        elif asked.wraps and asked.is_acknowledged:
            self.answered_once += 1
        elif asked.is_acknowledged:
            self.unanswered += 1


class Kept:
    """How many rows of a table there may be, by what was acknowledged and how long such a row is kept."""

    def __init__(self, due: Callable[[float], float]) -> None:
        """Take what tells from the time of an acknowledgement when its row has to be gone."""
        self._due = due
        self._by_second: deque[tuple[int, int]] = deque()
        self._amount = 0

    def add(self, now: float) -> None:
        """Count a row that may be made now."""
        second = int(now)
        if self._by_second and self._by_second[-1][0] == second:
            self._by_second[-1] = (second, self._by_second[-1][1] + 1)
        else:
            self._by_second.append((second, 1))
        self._amount += 1

    def allowed(self, now: float) -> int:
        """Return the most rows that retention leaves by now."""
        while self._by_second and self._due(self._by_second[0][0] + 1) <= now:
            self._amount -= self._by_second.popleft()[1]
        return self._amount
