"""Stored events for one reader: in pages, so that no more of them is in memory at once, or only their number."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from bridge.relay.limits import QueryLimits
from bridge.relay.turns import Share, Turns
from bridge.relay.visibility import View, asks_for_others
from client.clock import Clock
from nips.messages import Hint
from storage.relay_interface import GiftWraps, Position, PublicEvents, StoredEvent

_Query = Callable[[Position | None, int], Coroutine[Any, Any, Sequence[StoredEvent]]]
"""Read so many events from one place, those after a position."""

_Turn = Callable[[], AbstractAsyncContextManager[None]]
"""Waits for a turn to read, and has it while its block runs."""


class StoredEvents:
    """What the relay keeps, as a reader may see it."""

    def __init__(
        self, *, gift_wraps: GiftWraps, public_events: PublicEvents, clock: Clock, limits: QueryLimits
    ) -> None:
        self._gift_wraps = gift_wraps
        self._public_events = public_events
        self._clock = clock
        self._limits = limits
        self._turns = Turns(
            at_once=limits.max_reads, at_once_each=limits.max_reads_per_address, monotonic=clock.monotonic
        )

    def read(self, view: View, share: Share) -> Reading:
        """Return what a view shows, up to its limit or ours; each page is one turn."""
        limit = view.wanted.limit
        most = self._limits.default_limit if limit is None else min(limit, self._limits.max_limit)
        return Reading(
            [_Source(query) for query in self._queries(view)],
            turn=partial(self._turns.turn, share),
            most=most,
            page=self._limits.page,
            is_partial=view.is_partial,
        )

    async def count(self, views: Sequence[View], share: Share) -> int:
        """Count what any of the views shows, in one turn; an event that several show counts once, limits do not."""
        now = self._clock.now()
        wraps = [(view.wanted, view.recipients) for view in views if view.recipients]
        others = [view.wanted for view in views if asks_for_others(view.wanted)]
        async with self._turns.turn(share):
            return await self._gift_wraps.count(wraps, now=now) + await self._public_events.count(others, now=now)

    def _queries(self, view: View) -> Iterable[_Query]:
        wanted = replace(view.wanted, limit=None)
        if view.recipients:
            yield lambda after, limit: self._gift_wraps.query(
                wanted, recipients=view.recipients, now=self._clock.now(), limit=limit, after=after
            )
        if asks_for_others(wanted):
            yield lambda after, limit: self._public_events.query(
                wanted, now=self._clock.now(), limit=limit, after=after
            )


class Reading:
    """One view's events on their way: newest first, ties by lowest id. None is read twice.

    One more than is shown is read, so that it is known whether there is more (NIP-67).
    """

    def __init__(
        self, sources: Sequence[_Source], *, turn: _Turn, most: int, page: int, is_partial: bool = False
    ) -> None:
        self._sources = sources
        self._turn = turn
        self._left = most
        self._page = page
        self._is_partial = is_partial

    @property
    def is_finished(self) -> bool:
        """Tell whether all that can match was shown; while nothing has been read it is not known, and false.

        False, too, where wraps could match that this reader may not see: NIP-67's `finish` says that there is no more.
        """
        return not self._is_partial and all(source.is_empty for source in self._sources)

    @property
    def left_out(self) -> StoredEvent | None:
        """The next event, which was not shown."""
        return min((source.read[0] for source in self._sources if source.read), key=_order, default=None)

    async def pages(self) -> AsyncGenerator[Sequence[StoredEvent]]:
        """Yield the events."""
        while self._left > 0:
            size = min(self._page, self._left)
            async with self._turn():
                for source in self._sources:
                    await source.read_ahead(size + 1)
            page = [event for _ in range(size) if (event := self._take()) is not None]
            if page:
                yield page
            self._left -= len(page)
            if len(page) < size:
                return

    def _take(self) -> StoredEvent | None:
        filled = [source.read for source in self._sources if source.read]
        return min(filled, key=lambda events: _order(events[0])).popleft() if filled else None


def hint_about(readings: Sequence[Reading], *, sent: Collection[str]) -> Hint | None:
    """Return what can be said for certain of the stored events behind several views, some of which overlap (NIP-67)."""
    if all(reading.is_finished for reading in readings):
        return Hint.FINISH
    left_out = [reading.left_out for reading in readings]
    # What one view had no room for, another may have shown; what comes after that is not known.
    return Hint.MORE if any(event is not None and event.id not in sent for event in left_out) else None


@dataclass(slots=True)
class _Source:
    """One of the places that events are read from."""

    query: _Query
    read: deque[StoredEvent] = field(default_factory=deque)
    """Read, and not shown yet."""
    _after: Position | None = None
    _is_over: bool = False

    @property
    def is_empty(self) -> bool:
        return self._is_over and not self.read

    async def read_ahead(self, amount: int) -> None:
        missing = amount - len(self.read)
        if missing <= 0 or self._is_over:
            return
        found = await self.query(self._after, missing)
        self._is_over = len(found) < missing
        if found:
            self._after = found[-1].position
            self.read.extend(found)


def _order(event: StoredEvent) -> tuple[int, str]:
    return -event.created_at, event.id
