"""Events between the storage and their delivery.

A reader may find an event in the storage before whoever stored it has got to delivering it. A subscription that has
been sent such an event has to know it when it comes, so that it comes once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UnderWay:
    """Ids of events that are being stored and will be delivered; as many as writes may wait for the storage."""

    def __init__(self) -> None:
        self._ids: Counter[str] = Counter()

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    @contextmanager
    def storing(self, event_ids: Iterable[str]) -> Iterator[None]:
        """Count events in, from before they are stored until after they are delivered."""
        counted = tuple(event_ids)
        self._ids.update(counted)
        try:
            yield
        finally:
            for event_id in counted:
                self._ids[event_id] -= 1
                if not self._ids[event_id]:
                    del self._ids[event_id]
