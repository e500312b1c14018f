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
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bridge.destinations import Deliverer, Publisher
from bridge.errors import SealingFailed
from bridge.held import HeldRows
from bridge.lanes import BATCH, PAUSE_SECONDS, Lane, Surroundings
from bridge.logs import where
from bridge.replies import ReplyWriter
from bridge.responses import read_response
from client.clock import Clock
from nips import kinds
from nips.event import VerifiedEvent, parse_event, verify_event
from nips.keys import PublicKey
from nips.nip59 import Rumor
from storage import interface as store
from storage.errors import StorageError
from storage.interface import HERE, InboxId, OutboxRow, QueuedReply, StoredReply

log = logging.getLogger(__name__)

SETTLE_SECONDS = 1.0
"""How long a wrap that was answered live may still come again: its OK may have been lost, and the answer with it."""


GONE = "restricted: a key that was proved here does not act for its account any more"
"""Why connections are closed, as their clients read it."""


@dataclass(frozen=True, slots=True)
class OutboxRules:
    """Figures of the outbox."""

    max_live_waiting: int
    """Live answers that wait in memory for their askers; the rest, oldest first, only in the store."""
    max_live_waiting_each: int
    """The same for one asker."""
    first_retry_seconds: int
    last_retry_seconds: int


@dataclass(slots=True)
class _Way:
    travellers: int = 0
    is_cut: bool = False


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
        around = Surroundings(outbox, here, self._wrap, clock, rules.first_retry_seconds, rules.last_retry_seconds)
        self._lanes = {url: Lane(url, publisher, around) for url, publisher in publishers.items()}
        self._clock = clock
        self._rules = rules
        self._held = HeldRows(most=rules.max_live_waiting, most_each=rules.max_live_waiting_each)
        self._offered_up_to = 0
        self._ways: dict[str, _Way] = {}
        """To whom answers are on their way right now."""
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

    @contextmanager
    def storing(self, replies: Sequence[StoredReply | QueuedReply]) -> Iterator[None]:
        """Hold while replies are recorded and sent."""
        with ExitStack() as held:
            held.enter_context(self._here.storing(reply.wrap.id for reply in replies if isinstance(reply, StoredReply)))
            for recipient in {reply.recipient for reply in replies}:
                held.enter_context(self._way_to(recipient))
            yield

    def part_with(self, keys: Collection[str]) -> None:
        """Let no answer reach keys that may not act any more, and close their connections."""
        self.forget(keys)
        self.dismiss(keys)

    def forget(self, keys: Iterable[str], *, answering: str | None = None) -> None:
        """Let no answer reach keys whose rows are gone from the store: none that is held, nor any that is on its way.

        What they ask from now on is answered like anybody's; so is what the key asked that is being answered.
        """
        for key in keys:
            self._held.take(key)
            self._came.pop(key, None)
            for lane in self._lanes.values():
                lane.forget(key)
            if key in self._ways and key != answering:
                self._ways[key].is_cut = True

    def dismiss(self, keys: Iterable[str]) -> None:
        """Close the connections that proved keys which may not act any more."""
        self._here.dismiss(keys, GONE)

    async def send(self, replies: Sequence[StoredReply | QueuedReply], numbers: Sequence[int], response: Rumor) -> None:
        """Deliver a response that was just recorded; `numbers` are the rows of its queued replies, in their order."""
        rows = iter(numbers)
        for reply in replies:
            if self._is_cut(reply.recipient):
                continue
            if isinstance(reply, StoredReply):
                self._here.deliver(reply.wrap)
            elif reply.destination == HERE:
                row = _row(next(rows), reply)
                self._offered_up_to = max(self._offered_up_to, row.number)
                await self._offer_soon(row, response)
            else:
                next(rows)
                self._lanes[reply.destination].wake()

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
                await self._send_later(reply, response)
        now = asyncio.get_running_loop().time()
        self._done_with.extend((now, wrap, seen_until) for wrap in wraps)
        self._is_done_with_some.set()

    async def _send_later(self, reply: QueuedReply, response: Rumor) -> None:
        if self._is_cut(reply.recipient):
            return
        numbers = await self._outbox.add([reply])
        if self._is_cut(reply.recipient):
            await self._outbox.delivered(numbers)  # it may have been too late to be erased with the others
        else:
            await self.send([reply], numbers, response)

    async def _reaches(self, reply: QueuedReply, response: Rumor) -> bool:
        try:
            wrap = await self._replies.wrap_live(response, PublicKey(reply.recipient))
            return not self._is_cut(reply.recipient) and self._here.hand_over(wrap)
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
                tasks.create_task(lane.run())

    async def flush(self) -> None:
        """Return when nothing is due anywhere; call while `run` runs and nothing new is sent."""
        for lane in self._lanes.values():
            await lane.idle.wait()
        await self._deliver_waiting()
        await self._remove()
        await self._settle(asyncio.get_running_loop().time())

    @contextmanager
    def _way_to(self, recipient: str) -> Iterator[None]:
        way = self._ways.setdefault(recipient, _Way())
        way.travellers += 1
        try:
            yield
        finally:
            way.travellers -= 1
            if not way.travellers:
                del self._ways[recipient]

    def _is_cut(self, recipient: str) -> bool:
        return recipient in self._ways and self._ways[recipient].is_cut

    def _hold(self, row: OutboxRow) -> None:
        if not self._is_cut(row.recipient):
            self._held.hold(row, self._clock.now())

    def _deliver_soon(self, pubkey: str) -> None:
        self._came[pubkey] = None
        self._has_come.set()

    async def _offer_soon(self, row: OutboxRow, response: Rumor) -> None:
        try:
            await self._offer(row, response)
        except SealingFailed as error:
            log.warning("live answer not sealed, trying again", extra={"facts": where(error)})
            self._hold(row)
            self._deliver_soon(row.recipient)

    async def _offer(self, row: OutboxRow, response: Rumor | None = None) -> None:
        if row.expires_at > self._clock.now() and not await self._try(row, response):
            self._hold(row)

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
        if self._is_cut(row.recipient):
            return True
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
                with self._way_to(pubkey):
                    await self._deliver_all(pubkey)
            except BaseException:
                self._deliver_soon(pubkey)
                raise

    async def _deliver_all(self, pubkey: str) -> None:
        await self._deliver_held(pubkey)
        if self._held.left_out_until > self._clock.now():
            # While nothing is removed, a row that was delivered is in `_delivered` as long as it can be read.
            async with self._removing:
                await self._deliver_from_store(pubkey)

    async def _deliver_held(self, pubkey: str) -> None:
        # All are taken out before any is offered: one that has to be held again may push others out.
        rows = deque(self._held.take(pubkey))
        try:
            while rows:
                await self._offer(rows[0])
                rows.popleft()
        finally:
            for row in rows:
                self._hold(row)

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
