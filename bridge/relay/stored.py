"""Stored events for one view, page by page: no more of them is in memory at once than one page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from bridge.relay.limits import QueryLimits
from bridge.relay.turns import Share, Turns
from bridge.relay.visibility import View, asks_for_others
from client.clock import Clock
from nips.filter import Filter
from storage.relay_interface import GiftWraps, PublicEvents, StoredEvent


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

    async def pages(self, view: View, share: Share) -> AsyncGenerator[Sequence[StoredEvent]]:
        """Yield what a view shows, newest first, ties by lowest id, up to its limit or ours; each page is one turn."""
        limits, wanted = self._limits, view.wanted
        left = limits.default_limit if wanted.limit is None else min(wanted.limit, limits.max_limit)
        cursor = replace(wanted, limit=None)
        # Events of the second that the last page ended in; the next page begins in that second again.
        edge: set[str] = set()
        while left > 0:
            size = min(limits.page, left)
            asked = size + len(edge)
            async with self._turns.turn(share):
                found = await self._read(view, cursor, asked)
            page = [event for event in found if event.id not in edge][:size]
            if page:
                yield page
            if len(found) < asked:
                return
            left -= len(page)
            last = page[-1].created_at
            edge = {event.id for event in page if event.created_at == last} | (edge if last == cursor.until else set())
            cursor = replace(cursor, until=last)

    async def _read(self, view: View, cursor: Filter, limit: int) -> list[StoredEvent]:
        found: list[StoredEvent] = []
        now = self._clock.now()
        if view.recipients:
            found += await self._gift_wraps.query(cursor, recipients=view.recipients, now=now, limit=limit)
        if asks_for_others(view.wanted):
            found += await self._public_events.query(cursor, now=now, limit=limit)
        found.sort(key=lambda event: (-event.created_at, event.id))
        return found[:limit]
