"""Ids of events accepted lately, to tell repeats of what is stored nowhere."""

from __future__ import annotations

from collections import OrderedDict


class SeenIds:
    """A bounded, time-limited set; beyond `maximum` the id remembered first is forgotten first."""

    __slots__ = ("_maximum", "_until")

    def __init__(self, *, maximum: int) -> None:
        self._maximum = maximum
        self._until: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def has(self, event_id: str, now: int) -> bool:
        """Tell whether an id is still remembered."""
        return self._until.get(event_id, now) > now

    def remember(self, event_id: str, *, until: int, now: int) -> None:
        """Remember an id until a time, and forget those at the old end whose time is over."""
        self._until[event_id] = until
        self._until.move_to_end(event_id)
        while self._until and (len(self._until) > self._maximum or next(iter(self._until.values())) <= now):
            self._until.popitem(last=False)
