"""Getting answers out: live ones to whoever listens here, the rest to relays that are not ours.

A stored answer for our own relay needs no outbox: it is among the recipient's gift wraps as soon as it is recorded.
Everything else waits as a row until its destination has it, refuses it for good, or its time is over. A stored answer
that another relay refuses for good is kept on our own instead, so that nothing that was charged is lost.

A live answer counts as delivered only when a connection got it that has proved its asker's key. Whoever else may
listen (`compat.read_without_auth`) is sent it too, but takes it from nobody.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from bridge.destinations import Deliverer, Publisher
from bridge.errors import SealingFailed
from bridge.held import HeldRows
from bridge.logs import where
from bridge.replies import ReplyWriter
from bridge.responses import read_response
from client.clock import Clock
from client.publications import Outcome, Verdict
from nips import kinds
from nips.event import VerifiedEvent, parse_event, verify_event
from nips.keys import PublicKey
from nips.messages import prefix_of
from nips.nip59 import Rumor
from storage import interface as store
from storage.errors import StorageError
from storage.interface import HERE, InboxId, OutboxRow, QueuedReply, StoredReply

log = logging.getLogger(__name__)

BATCH = 16
"""Wraps published to one relay at a time."""

PAUSE_SECONDS = 1.0
"""Wait after the storage failed."""

SETTLE_SECONDS = 1.0
"""How long a wrap that was answered live may still come again: its OK may have been lost, and the answer with it."""


@dataclass(frozen=True, slots=True)
class OutboxRules:
    """Figures of the outbox."""

    max_live_waiting: int
    """Live answers that wait in memory for their askers; the rest, oldest first, only in the store."""
    max_live_waiting_each: int
    """The same for one asker."""
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
        inbox: store.Inbox,
        replies: ReplyWriter,
        here: Deliverer,
        publishers: Mapping[str, Publisher],
        clock: Clock,
        rules: OutboxRules,
    ) -> None:
        self._outbox = outbox
        self._inbox = inbox
        self._replies = replies
        self._here = here
        self._lanes = {url: _Lane(url, publisher) for url, publisher in publishers.items()}
        self._clock = clock
        self._rules = rules
        self._held = HeldRows(most=rules.max_live_waiting, most_each=rules.max_live_waiting_each)
        self._offered_up_to = 0
        self._tried: set[int] = set()
        """Rows that are being wrapped for whoever listens."""
        self._came: dict[str, None] = {}
        self._has_come = asyncio.Event()
        self._delivered: list[int] = []
        self._done_with: deque[tuple[float, InboxId, int]] = deque(maxlen=rules.max_live_waiting)
        """Wraps that were answered live: when, and until when they are remembered. To forget one does no harm."""
        self._is_done_with_some = asyncio.Event()
        self._has_delivered = asyncio.Event()
        self._removing = asyncio.Lock()

    @property
    def held(self) -> int:
        """How many live answers wait in memory for their askers."""
        return len(self._held)

    def storing(self, replies: Sequence[StoredReply | QueuedReply]) -> AbstractContextManager[None]:
        """Hold while replies are recorded and sent."""
        return self._here.storing(reply.wrap.id for reply in replies if isinstance(reply, StoredReply))

    async def send(self, replies: Sequence[StoredReply | QueuedReply], numbers: Sequence[int], response: Rumor) -> None:
        """Deliver a response that was just recorded; `numbers` are the rows of its queued replies, in their order."""
        rows = iter(numbers)
        for reply in replies:
            if isinstance(reply, StoredReply):
                self._here.deliver(reply.wrap)
            elif reply.destination == HERE:
                row = _row(next(rows), reply)
                self._offered_up_to = max(self._offered_up_to, row.number)
                await self._offer_soon(row, response)
            else:
                next(rows)
                lane = self._lanes[reply.destination]
                lane.idle.clear()
                lane.waker.set()

    def can_deliver(self, replies: Sequence[StoredReply | QueuedReply]) -> bool:
        """Tell whether these are live answers only, and somebody here may be listening for each."""
        return all(
            isinstance(reply, QueuedReply) and reply.destination == HERE and self._here.has_listeners(reply.recipient)
            for reply in replies
        )

    async def send_now(
        self,
        replies: Sequence[StoredReply | QueuedReply],
        response: Rumor,
        *,
        wraps: Sequence[InboxId],
        seen_until: int,
    ) -> None:
        """Deliver live answers that have no row; one that does not reach its asker gets a row now.

        Only then are the wraps that asked done with: whatever breaks off before, they may come again.
        """
        for reply in replies:
            if isinstance(reply, QueuedReply) and not await self._reaches(reply, response):
                await self.send([reply], await self._outbox.add([reply]), response)
        now = asyncio.get_running_loop().time()
        self._done_with.extend((now, wrap, seen_until) for wrap in wraps)
        self._is_done_with_some.set()

    async def _reaches(self, reply: QueuedReply, response: Rumor) -> bool:
        try:
            return self._here.hand_over(await self._replies.wrap_live(response, PublicKey(reply.recipient)))
        except Exception as error:  # noqa: BLE001 - whatever went wrong, its row will be tried again
            log.warning("live answer not delivered at once", extra={"facts": where(error)})
            return False

    async def recover(self) -> None:
        """Take up live answers that an earlier run did not deliver."""
        now, limit = self._clock.now(), self._rules.max_live_waiting
        self._offered_up_to = await self._outbox.last_number()
        rows = await self._outbox.waiting(destination=HERE, now=now, limit=limit)
        for row in rows:
            self._held.hold(row, now)
        if len(rows) == limit:
            self._held.left_out_until = max(self._held.left_out_until, now + self._replies.times.live_seconds)

    def listener_came(self, pubkey: str) -> None:
        """Deliver what waits for a key, now that it listens."""
        if pubkey in self._held.recipients or self._held.left_out_until > self._clock.now():
            self._deliver_soon(pubkey)

    async def run(self) -> None:
        """Keep every destination supplied until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_whenever(self._has_delivered, self._remove, "delivered answers not removed"))
            tasks.create_task(self._settle_in_time())
            tasks.create_task(_whenever(self._has_come, self._deliver_waiting, "live answers not delivered"))
            for lane in self._lanes.values():
                tasks.create_task(self._supply(lane))

    async def flush(self) -> None:
        """Return when nothing is due anywhere; call while `run` runs and nothing new is sent."""
        for lane in self._lanes.values():
            await lane.idle.wait()
        await self._deliver_waiting()
        await self._remove()
        await self._settle(asyncio.get_running_loop().time())

    def _deliver_soon(self, pubkey: str) -> None:
        self._came[pubkey] = None
        self._has_come.set()

    async def _offer_soon(self, row: OutboxRow, response: Rumor) -> None:
        try:
            await self._offer(row, response)
        except SealingFailed as error:
            log.warning("live answer not sealed, trying again", extra={"facts": where(error)})
            self._held.hold(row, self._clock.now())
            self._deliver_soon(row.recipient)

    async def _offer(self, row: OutboxRow, response: Rumor | None = None) -> None:
        if row.expires_at > self._clock.now() and not await self._try(row, response):
            self._held.hold(row, self._clock.now())

    async def _try(self, row: OutboxRow, response: Rumor | None = None) -> bool:
        """Deliver to whoever listens; tell whether the row is done with."""
        # Asked first, because most answers to nobody need not be wrapped.
        if not self._here.is_listening(row.recipient, row.wrap_kind):
            return False
        self._tried.add(row.number)
        try:
            wrap = await self._wrap(row, response)
        finally:
            self._tried.discard(row.number)
        if not self._here.hand_over(wrap):
            return False
        self._delivered.append(row.number)
        self._has_delivered.set()
        return True

    async def _deliver_waiting(self) -> None:
        """Deliver what waits for those who came: first what is held, then what had to be left out."""
        self._has_come.clear()
        while self._came:
            pubkey, _ = self._came.popitem()
            try:
                await self._deliver_held(pubkey)
                if self._held.left_out_until > self._clock.now():
                    # While nothing is removed, a row that was delivered is in `_delivered` as long as it can be read.
                    async with self._removing:
                        await self._deliver_from_store(pubkey)
            except BaseException:
                self._deliver_soon(pubkey)
                raise

    async def _deliver_held(self, pubkey: str) -> None:
        # All are taken out before any is offered: one that has to be held again may push others out.
        rows = deque(self._held.take(pubkey))
        try:
            while rows:
                await self._offer(rows[0])
                rows.popleft()
        finally:
            for row in rows:
                self._held.hold(row, self._clock.now())

    async def _deliver_from_store(self, pubkey: str) -> None:
        after = 0
        while rows := await self._outbox.waiting_for(pubkey, now=self._clock.now(), after=after, limit=BATCH):
            after = rows[-1].number
            # What is numbered higher is on its way to `send`.
            unknown = [row for row in rows if row.number <= self._offered_up_to and row.number not in self._held]
            done = self._tried.union(self._delivered)
            for row in unknown:
                if row.number not in done:
                    await self._try(row)

    async def _remove(self) -> None:
        # One at a time, so that flushing also waits for what is being removed already.
        async with self._removing:
            self._has_delivered.clear()
            numbers, self._delivered = self._delivered, []
            try:
                if numbers:
                    await self._outbox.delivered(numbers)
            except BaseException:
                self._delivered += numbers
                self._has_delivered.set()
                raise

    async def _settle_in_time(self) -> None:
        while True:
            await self._is_done_with_some.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            try:
                await self._settle(asyncio.get_running_loop().time() - SETTLE_SECONDS)
            except StorageError as error:
                log.warning("answered requests not settled", extra={"facts": where(error)})

    async def _settle(self, until: float) -> None:
        """Remember the wraps whose answers were delivered by a time, since they would be answered again."""
        wraps, latest = [], 0
        while self._done_with and self._done_with[0][0] <= until:
            _, wrap, seen_until = self._done_with.popleft()
            wraps.append(wrap)
            latest = max(latest, seen_until)
        if not self._done_with:
            self._is_done_with_some.clear()
        if wraps:
            await self._inbox.settle(wraps, seen_until=latest)

    async def _supply(self, lane: _Lane) -> None:
        while True:
            pause = PAUSE_SECONDS
            try:
                pause = await self._supply_once(lane)
            except StorageError as error:
                log.warning("answers not published", extra={"facts": {"relay": lane.url, **where(error)}})
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
            # Trouble is collected, not raised in the group: in early 3.11, as Debian 12 has it, a group that fails
            # leaves its task half cancelled, and the next deadline would end the lane.
            troubles: list[StorageError] = []
            async with asyncio.TaskGroup() as attempts:
                for row in due:
                    attempts.create_task(self._attempt(row, lane, troubles))
            if troubles:
                raise troubles[0]

    async def _attempt(self, row: OutboxRow, lane: _Lane, troubles: list[StorageError]) -> None:
        try:
            await self._publish(row, lane)
        except StorageError as error:
            troubles.append(error)

    async def _publish(self, row: OutboxRow, lane: _Lane) -> None:
        try:
            verdict = await lane.publisher.publish(await self._wrap(row))
        except Exception as error:  # noqa: BLE001 - one answer's fault must not keep the others from their relays
            log.error("answer not published", extra={"facts": {"number": row.number, **where(error)}})
            verdict = Verdict(Outcome.FAILED)
        if verdict.is_accepted:
            await self._outbox.delivered([row.number])
        elif verdict.is_final:
            await self._take_back(row, lane.url, verdict)
        else:
            delay = min(self._rules.first_retry_seconds << min(row.attempts, 20), self._rules.last_retry_seconds)
            await self._outbox.postpone(row.number, next_attempt_at=self._clock.now() + delay)

    async def _take_back(self, row: OutboxRow, url: str, verdict: Verdict) -> None:
        """Keep a refused answer on our own relay; a live one is given up, since whoever waits for it asks again."""
        is_kept = row.wrap_kind == kinds.GIFT_WRAP
        if is_kept:
            wrap = await self._wrap(row)
            with self._here.storing([wrap.id]):
                await self._outbox.keep_here(row, wrap)
                self._here.deliver(wrap)
        else:
            await self._outbox.delivered([row.number])
        # The relay's own words stay out: they may be anything.
        prefix = prefix_of(verdict.message)
        facts = {"relay": url, "prefix": prefix.value if prefix else "unknown", "kept_here": is_kept}
        log.warning("answer refused by a relay", extra={"facts": facts})

    async def _wrap(self, row: OutboxRow, response: Rumor | None = None) -> VerifiedEvent:
        if row.wrap_kind == kinds.EPHEMERAL_GIFT_WRAP:
            return await self._replies.wrap_live(response or read_response(row.payload_json), PublicKey(row.recipient))
        return verify_event(parse_event(json.loads(row.payload_json)))


async def _whenever(due: asyncio.Event, work: Callable[[], Awaitable[None]], complaint: str) -> None:
    while True:
        await due.wait()
        try:
            await work()
        except (StorageError, SealingFailed) as error:
            log.warning(complaint, extra={"facts": {"error": type(error).__name__}})
            await asyncio.sleep(PAUSE_SECONDS)


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
