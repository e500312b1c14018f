"""How much of the workers one key may have: its requests beyond that wait outside, and hold up nobody else's.

Only once a wrap is open it shows whose it is. A request that has to wait gives its worker back, and gets another when
one of the same key is done; so somebody whose requests take long waits for themselves alone.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar

T = TypeVar("T")


class Seat(Enum):
    """What becomes of one more request of a key."""

    TAKEN = auto()
    """It is worked on; `leave` follows."""
    WAITS = auto()
    """It is kept here until one of the same key leaves."""
    REFUSED = auto()
    """Too many of that key wait already."""


@dataclass(slots=True)
class _Asker(Generic[T]):
    seated: int = 0
    waiting: deque[T] = field(default_factory=deque)


class Askers(Generic[T]):
    """Seats by key; there are only those keys in it whose requests are worked on."""

    def __init__(self, *, at_once_each: int, waiting_each: int) -> None:
        self._at_once = at_once_each
        self._most_waiting = waiting_each
        self._askers: dict[str, _Asker[T]] = {}
        self.waiting = 0
        """How many wait, of all keys."""

    def __len__(self) -> int:
        return len(self._askers)

    def enter(self, key: str, request: T) -> Seat:
        """Give a request of a key a seat, or let it wait for one, as far as there is room."""
        asker = self._askers.setdefault(key, _Asker())
        if asker.seated < self._at_once:
            asker.seated += 1
            return Seat.TAKEN
        if len(asker.waiting) >= self._most_waiting:
            return Seat.REFUSED
        asker.waiting.append(request)
        self.waiting += 1
        return Seat.WAITS

    def leave(self, key: str) -> T | None:
        """Give a seat up; return the request that has it from now on, if one waits."""
        asker = self._askers[key]
        if asker.waiting:
            self.waiting -= 1
            return asker.waiting.popleft()
        asker.seated -= 1
        if not asker.seated:
            del self._askers[key]
        return None
