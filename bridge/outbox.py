"""Getting answers out: live ones to whoever listens here, the rest to relays that are not ours.

A stored answer for our own relay needs no outbox: it is among the recipient's gift wraps as soon as it is recorded.
Everything else waits as a row until its destination has it, refuses it for good, or its time is over.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bridge.logs import where
from bridge.replies import ReplyWriter
from bridge.responses import read_response
from client.clock import Clock
from client.publications import Outcome, Verdict
from nips import kinds
from nips.event import VerifiedEvent, parse_event, verify_event
from nips.keys import PublicKey
from storage import interface as store
from storage.errors import StorageError
from storage.interface import HERE, OutboxRow, QueuedReply, StoredReply

log = logging.getLogger(__name__)

BATCH = 16
"""Wraps published to one relay at a time."""

PAUSE_SECONDS = 1.0
"""Wait after the storage failed."""


class Deliverer(Protocol):
    """Our own relay, as far as it delivers to live subscriptions."""

    def deliver(self, event: VerifiedEvent) -> int:
        """Send an event to every subscription that may see it; return how many got it."""
        ...

    def is_listening(self, pubkey: str, kind: int) -> bool:
        """Tell whether a subscription would get a wrap of this kind for this key now."""
        ...


class Publisher(Protocol):
    """A link to a relay that is not ours."""

    async def publish(self, event: VerifiedEvent) -> Verdict:
        """Publish an event and return the relay's verdict."""
        ...


@dataclass(frozen=True, slots=True)
class OutboxRules:
    """Figures of the outbox."""

    max_live_waiting: int
    """Live answers that wait in memory for their askers; the oldest is given up first."""
    first_retry_seconds: int
    last_retry_seconds: int


@dataclass(frozen=True, slots=True)
class _Lane:
    """What is known about the way to one relay."""

    url: str
    publisher: Publisher
    waker: asyncio.Event = field(default_factory=asyncio.Event)
    """Something was queued."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing is due."""


class Outbox:
    """Delivers answers."""

    def __init__(
        self,
        *,
        outbox: store.Outbox,
        replies: ReplyWriter,
        here: Deliverer,
        publishers: Mapping[str, Publisher],
        clock: Clock,
        rules: OutboxRules,
    ) -> None:
        self._outbox = outbox
        self._replies = replies
        self._here = here
        self._lanes = {url: _Lane(url, publisher) for url, publisher in publishers.items()}
        self._clock = clock
        self._rules = rules
        self._waiting: dict[int, OutboxRow] = {}
        self._by_recipient: dict[str, dict[int, None]] = {}
        self._has_delivered = asyncio.Event()
        self._delivered: list[int] = []

    async def send(self, replies: Sequence[StoredReply | QueuedReply], numbers: Sequence[int]) -> None:
        """Deliver what was just recorded; `numbers` are the outbox rows of the queued replies, in their order."""
        rows = iter(numbers)
        for reply in replies:
            if isinstance(reply, StoredReply):
                self._here.deliver(reply.wrap)
            elif reply.destination == HERE:
                self._offer(_row(next(rows), reply))
            else:
                next(rows)
                lane = self._lanes[reply.destination]
                lane.idle.clear()
                lane.waker.set()

    async def recover(self) -> None:
        """Take up live answers that an earlier run did not deliver."""
        now = self._clock.now()
        for row in await self._outbox.waiting(destination=HERE, now=now, limit=self._rules.max_live_waiting):
            self._hold(row)

    def listener_came(self, pubkey: str) -> None:
        """Deliver what waits for a key, now that it listens."""
        # All are taken out before any is offered: one that has to be held again may push others out.
        rows = [self._waiting.pop(number) for number in self._by_recipient.pop(pubkey, ())]
        for row in rows:
            self._offer(row)

    async def run(self) -> None:
        """Keep every destination supplied until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._forget_delivered())
            for lane in self._lanes.values():
                tasks.create_task(self._supply(lane))

    async def flush(self) -> None:
        """Return when nothing is due anywhere; call while `run` runs and nothing new is sent."""
        for lane in self._lanes.values():
            await lane.idle.wait()
        if self._delivered:
            await self._forget()

    def _offer(self, row: OutboxRow) -> None:
        if row.expires_at <= self._clock.now():
            return
        # Asked first, because most answers to nobody need not be wrapped.
        if self._here.is_listening(row.recipient, row.wrap_kind) and self._here.deliver(self._wrap(row)):
            self._delivered.append(row.number)
            self._has_delivered.set()
        else:
            self._hold(row)

    def _hold(self, row: OutboxRow) -> None:
        self._waiting[row.number] = row
        self._by_recipient.setdefault(row.recipient, {})[row.number] = None
        now = self._clock.now()
        oldest = next(iter(self._waiting.values()))
        while oldest.expires_at <= now or len(self._waiting) > self._rules.max_live_waiting:
            self._drop(oldest)
            if not self._waiting:
                return
            oldest = next(iter(self._waiting.values()))

    def _drop(self, row: OutboxRow) -> None:
        del self._waiting[row.number]
        held = self._by_recipient[row.recipient]
        del held[row.number]
        if not held:
            del self._by_recipient[row.recipient]

    async def _forget_delivered(self) -> None:
        while True:
            await self._has_delivered.wait()
            try:
                await self._forget()
            except StorageError as error:
                log.warning("delivered answers not removed", extra={"facts": {"error": type(error).__name__}})
                await asyncio.sleep(PAUSE_SECONDS)

    async def _forget(self) -> None:
        self._has_delivered.clear()
        numbers, self._delivered = self._delivered, []
        try:
            await self._outbox.delivered(numbers)
        except BaseException:
            self._delivered += numbers
            self._has_delivered.set()
            raise

    async def _supply(self, lane: _Lane) -> None:
        while True:
            pause = PAUSE_SECONDS
            try:
                pause = await self._supply_once(lane)
            except* StorageError as errors:
                facts = {"relay": lane.url, **where(errors.exceptions[0])}
                log.warning("answers not published", extra={"facts": facts})
            try:
                async with asyncio.timeout(pause):
                    await lane.waker.wait()
            except TimeoutError:
                continue

    async def _supply_once(self, lane: _Lane) -> float:
        """Publish all that is due; return the seconds until something else is."""
        while True:
            lane.waker.clear()
            lane.idle.clear()
            now = self._clock.now()
            rows = await self._outbox.waiting(destination=lane.url, now=now, limit=BATCH)
            due = [row for row in rows if row.next_attempt_at <= now]
            if not due:
                # Something may have been queued while we read.
                if not lane.waker.is_set():
                    lane.idle.set()
                return max(1, min((row.next_attempt_at - now for row in rows), default=self._rules.last_retry_seconds))
            async with asyncio.TaskGroup() as attempts:
                for row in due:
                    attempts.create_task(self._attempt(row, lane.publisher))

    async def _attempt(self, row: OutboxRow, publisher: Publisher) -> None:
        try:
            verdict = await publisher.publish(self._wrap(row))
        except Exception as error:  # noqa: BLE001 - one answer's fault must not keep the others from their relays
            log.error("answer not published", extra={"facts": {"number": row.number, **where(error)}})
            verdict = Verdict(Outcome.FAILED)
        if verdict.is_final:
            await self._outbox.delivered([row.number])
            return
        delay = min(self._rules.first_retry_seconds << min(row.attempts, 20), self._rules.last_retry_seconds)
        await self._outbox.postpone(row.number, next_attempt_at=self._clock.now() + delay)

    def _wrap(self, row: OutboxRow) -> VerifiedEvent:
        if row.wrap_kind == kinds.EPHEMERAL_GIFT_WRAP:
            return self._replies.wrap_live(read_response(row.payload_json), PublicKey(row.recipient))
        return verify_event(parse_event(json.loads(row.payload_json)))


def _row(number: int, reply: QueuedReply) -> OutboxRow:
    return OutboxRow(
        number,
        reply.destination,
        reply.recipient,
        reply.wrap_kind,
        reply.payload_json,
        reply.expires_at,
        attempts=0,
        next_attempt_at=reply.next_attempt_at,
    )
