"""Deadlines without a clock: what is due, and when the next one is."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Alarms(Generic[Key]):
    """At most one alarm for each key, on any clock that the caller keeps to."""

    def __init__(self) -> None:
        self._when: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._when)

    def set(self, key: Key, when: float) -> None:
        """Set or move the alarm of a key."""
        self._when[key] = when
        heapq.heappush(self._heap, (when, next(self._order), key))
        # Entries that were moved or cleared stay in the heap; it is built anew before they outnumber the rest.
        if len(self._heap) > 2 * len(self._when) + 64:
            self._heap = [(due, next(self._order), key) for key, due in self._when.items()]
            heapq.heapify(self._heap)

    def clear(self, key: Key) -> None:
        """Take the alarm of a key away, if there is one."""
        self._when.pop(key, None)

    def next(self) -> float | None:
        """Return when the earliest alarm is due, or None."""
        while self._heap and self._when.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> Key | None:
        """Return the key whose alarm is due first and take the alarm away, or None when none is due."""
        when = self.next()
        if when is None or when > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._when[key]
        return key
