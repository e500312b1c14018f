"""The way to one relay that is not ours: what is due there goes out, a bounded number of wraps at a time.

What the relay refuses for good is kept on our own instead; what it does not answer is tried again, ever more slowly.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from bridge.destinations import Deliverer, Publisher
from bridge.logs import where
from client.clock import Clock
from client.publications import Outcome, Verdict
from nips import kinds
from nips.event import VerifiedEvent
from nips.messages import prefix_of
from storage import interface as store
from storage.errors import StorageError
from storage.interface import OutboxRow

log = logging.getLogger(__name__)

BATCH = 16
"""Wraps published to one relay at a time."""

PAUSE_SECONDS = 1.0
"""Wait after the storage failed."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all lanes share."""

    outbox: store.Outbox
    here: Deliverer
    wrap: Callable[[OutboxRow], Awaitable[VerifiedEvent]]
    """Return the wrap of a row."""
    clock: Clock
    first_retry_seconds: int
    last_retry_seconds: int


class Lane:
    """What is known about the way to one relay."""

    def __init__(self, url: str, publisher: Publisher, around: Surroundings) -> None:
        self.idle = asyncio.Event()
        """Nothing is due."""
        self._url = url
        self._publisher = publisher
        self._around = around
        self._waker = asyncio.Event()
        self._attempts: dict[asyncio.Task[None], str] = {}
        """Those in progress, and for whom."""

    def wake(self) -> None:
        """Look again what is due: something was queued."""
        self.idle.clear()
        self._waker.set()

    def forget(self, recipient: str) -> None:
        """Publish nothing more for somebody whose rows are gone from the store, nor what still waits for its relay."""
        for attempt, whose in self._attempts.items():
            if whose == recipient:
                attempt.cancel()

    async def run(self) -> None:
        """Keep the relay supplied until cancelled."""
        while True:
            pause = PAUSE_SECONDS
            try:
                pause = await self._supply()
            except StorageError as error:
                log.warning("answers not published", extra={"facts": {"relay": self._url, **where(error)}})
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._waker.wait()

    async def _supply(self) -> float:
        """Publish all that is due; return the seconds until something else is."""
        while True:
            self._waker.clear()
            self.idle.clear()
            now = self._around.clock.now()
            rows = await self._around.outbox.waiting(destination=self._url, now=now, limit=BATCH)
            due = [row for row in rows if row.next_attempt_at <= now]
            if not due:
                # Something may have been queued while we read.
                if not self._waker.is_set():
                    self.idle.set()
                waits = (row.next_attempt_at - now for row in rows)
                return max(1, min(waits, default=self._around.last_retry_seconds))
            # Trouble is collected, not raised in the group: in early 3.11, as Debian 12 has it, a group that fails
            # leaves its task half cancelled, and the next deadline would end the lane.
            troubles: list[StorageError] = []
            async with asyncio.TaskGroup() as attempts:
                for row in due:
                    attempt = attempts.create_task(self._attempt(row, troubles))
                    self._attempts[attempt] = row.recipient
                    attempt.add_done_callback(self._attempts.pop)
            if troubles:
                raise troubles[0]

    async def _attempt(self, row: OutboxRow, troubles: list[StorageError]) -> None:
        try:
            await self._publish(row)
        except StorageError as error:
            troubles.append(error)

    async def _publish(self, row: OutboxRow) -> None:
        around = self._around
        try:
            verdict = await self._publisher.publish(await around.wrap(row))
        except Exception as error:  # noqa: BLE001 - one answer's fault must not keep the others from their relays
            log.error("answer not published", extra={"facts": {"number": row.number, **where(error)}})
            verdict = Verdict(Outcome.FAILED)
        if verdict.is_accepted:
            await around.outbox.delivered([row.number])
        elif verdict.is_final:
            await self._take_back(row, verdict)
        else:
            delay = min(around.first_retry_seconds << min(row.attempts, 20), around.last_retry_seconds)
            await around.outbox.postpone(row.number, next_attempt_at=around.clock.now() + delay)

    async def _take_back(self, row: OutboxRow, verdict: Verdict) -> None:
        """Keep a refused answer on our own relay; a live one is given up, since whoever waits for it asks again."""
        is_kept = row.wrap_kind == kinds.GIFT_WRAP
        if is_kept:
            wrap = await self._around.wrap(row)
            with self._around.here.storing([wrap.id]):
                if await self._around.outbox.keep_here(row, wrap):
                    self._around.here.deliver(wrap)
        else:
            await self._around.outbox.delivered([row.number])
        # The relay's own words stay out: they may be anything.
        prefix = prefix_of(verdict.message)
        facts = {"relay": self._url, "prefix": prefix.value if prefix else "unknown", "kept_here": is_kept}
        log.warning("answer refused by a relay", extra={"facts": facts})
