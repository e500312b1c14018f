"""The bridge's side of its workers: starts them, shares jobs out among them and replaces those that end.

A job goes to the worker with the fewest, and among equals to the first, which has kept most keys. If that one ends
first, the job goes to another once, and then fails as `SealingFailed`: whoever asked tries again later, as when the
storage is in trouble.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from bridge.errors import SealingFailed
from bridge.workers.child import Child, ChildEnded
from bridge.workers.jobs import Start, opening, read_opened, read_wrapped, wrapping
from client.backoff import Backoff, BackoffLimits
from client.clock import Clock
from client.wrapping import LIVE_SECONDS
from nips.event import VerifiedEvent
from nips.keys import PublicKey
from nips.nip59 import Rumor

log = logging.getLogger(__name__)

TRIES = 2
"""How many workers may end with a job before it fails."""


RESTART = BackoffLimits(first_seconds=0.1, cap_seconds=30)
"""A worker that ends is started again soon, one that ends again and again ever later."""


@dataclass(frozen=True, slots=True)
class PoolRules:
    """Figures of the pool."""

    workers: int
    max_waiting_each: int
    """Jobs that one worker has at once; whoever has a further one waits."""
    timeout_seconds: float
    """A worker that has jobs and answers none for so long is killed, and a job that finds no worker fails."""
    restart: BackoffLimits = RESTART


class WorkerPool:
    """Opens and seals in processes of its own (`bridge.sealing.Sealing`)."""

    def __init__(self, start: Start, *, rules: PoolRules, clock: Clock) -> None:
        self._rules = rules
        self._clock = clock
        self._room = asyncio.Event()
        self._children = [
            Child(
                start.to_frame(),
                max_waiting=rules.max_waiting_each,
                timeout_seconds=rules.timeout_seconds,
                on_room=self._room.set,
            )
            for _ in range(rules.workers)
        ]

    @property
    def children(self) -> Sequence[Child]:
        """The workers, whether they run at the moment or not."""
        return self._children

    @property
    def workers(self) -> int:
        """How many of them are ready."""
        return sum(child.is_ready for child in self._children)

    async def open(self, wrap: VerifiedEvent) -> Rumor:
        """Return the rumor inside a wrap for us; raise `InvalidWrap` if there is none that counts."""
        return read_opened(await self._done(opening(wrap)))

    async def wrap(
        self,
        rumor: Rumor,
        recipient: PublicKey,
        *,
        kind: int,
        back_seconds: int = LIVE_SECONDS,
        expires_at: int | None = None,
    ) -> VerifiedEvent:
        """Return a fresh wrap of our rumor."""
        job = wrapping(rumor, recipient, kind=kind, back_seconds=back_seconds, expires_at=expires_at)
        return read_wrapped(await self._done(job))

    async def run(self) -> None:
        """Keep the workers running until cancelled, and end them then."""
        async with asyncio.TaskGroup() as tasks:
            for number, child in enumerate(self._children):
                tasks.create_task(self._keep_running(number, child))

    async def _done(self, job: bytes) -> bytes:
        for _ in range(TRIES):
            child = self._with_room() or await self._wait_for_room()
            try:
                return await child.do(job)
            except ChildEnded:
                continue
        raise SealingFailed(f"{TRIES} workers ended with the same job")

    def _with_room(self) -> Child | None:
        return min((child for child in self._children if child.has_room), key=Child.__len__, default=None)

    async def _wait_for_room(self) -> Child:
        try:
            async with asyncio.timeout(self._rules.timeout_seconds):
                while (child := self._with_room()) is None:
                    self._room.clear()
                    await self._room.wait()
                return child
        except TimeoutError:
            raise SealingFailed("no worker has room") from None

    async def _keep_running(self, number: int, child: Child) -> None:
        backoff = Backoff(self._rules.restart)
        while True:
            started = self._clock.monotonic()
            try:
                reason = f"status {await child.run()}"
            except OSError as error:
                reason = type(error).__name__
            delay = backoff.next_delay(open_seconds=self._clock.monotonic() - started, fraction=1.0)
            log.error("worker ended", extra={"facts": {"worker": number, "reason": reason, "retry_in_seconds": delay}})
            await asyncio.sleep(delay)
