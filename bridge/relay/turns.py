"""Who reads next: reading stored events is shared among addresses, not among requests.

A request that takes long to answer costs us what its sender does not pay. So only a few are answered at once, and the
next turn goes to the address that has had the least time so far: however many connections, requests or values somebody
comes with, whoever asks for little waits for the reads in progress and hardly for anything else. Time that an address
leaves unused is not saved up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Share:
    """What one address has had, and what it waits for."""

    __slots__ = ("had_seconds", "reading", "waiting")

    def __init__(self) -> None:
        self.had_seconds = 0.0
        """Where it stands in the order; only differences mean anything."""
        self.reading = 0
        self.waiting: deque[asyncio.Future[None]] = deque()


class Turns:
    """Gives turns; those who wait are bounded by their connections, each of which waits for one."""

    def __init__(self, *, at_once: int, at_once_each: int, monotonic: Callable[[], float]) -> None:
        self._free = at_once
        self._each = at_once_each
        self._monotonic = monotonic
        self._queue: dict[Share, None] = {}
        self._line = 0.0
        """Where those stand who have their turn. Whoever comes joins there and not further ahead."""

    @asynccontextmanager
    async def turn(self, share: Share) -> AsyncIterator[None]:
        """Wait for a turn of an address and have it while the block runs."""
        await self._wait(share)
        began = self._monotonic()
        try:
            yield
        finally:
            share.had_seconds += self._monotonic() - began
            self._end(share)

    async def _wait(self, share: Share) -> None:
        if not share.reading and not share.waiting:
            share.had_seconds = max(share.had_seconds, self._line)
        given = asyncio.get_running_loop().create_future()
        share.waiting.append(given)
        self._queue[share] = None
        self._give()
        try:
            await given
        except asyncio.CancelledError:
            if given.cancelled():
                self._forget(share, given)
            else:
                self._end(share)
            raise

    def _give(self) -> None:
        while self._free and (able := [share for share in self._queue if share.reading < self._each]):
            share = min(able, key=lambda one: one.had_seconds)
            given = share.waiting[0]
            self._forget(share, given)
            if given.cancelled():
                continue  # whoever waited has not been told yet that they were sent away
            self._line = max(self._line, share.had_seconds)
            self._free -= 1
            share.reading += 1
            given.set_result(None)

    def _end(self, share: Share) -> None:
        self._free += 1
        share.reading -= 1
        self._give()

    def _forget(self, share: Share, given: asyncio.Future[None]) -> None:
        if given in share.waiting:
            share.waiting.remove(given)
        if not share.waiting:
            self._queue.pop(share, None)
