"""Wraps addressed to the bridge: accepted durably, opened, handed to the dispatcher (protocol.md §1, steps 5 and 6).

From the moment `accept` returns, an authentic request is answered, crash or not: the wrap leaves the store only
together with its answer. A wrap that does not open is let go without a sign.

While the storage is in trouble a request is tried again and again, ever more slowly. Whatever else goes wrong is
answered as a fault of ours; and one that cannot even be told so is given up, because what fails the same way each time
would fill the inbox, start after start, until nobody else fits in.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass

from bridge.dispatcher import Dispatcher, is_passing
from bridge.envelope import check_addressee
from bridge.errors import Dropped
from bridge.logs import where
from client.clock import Clock
from nips.errors import InvalidWrap
from nips.event import VerifiedEvent, parse_event
from nips.keys import SecretKey
from nips.nip59 import open_wrap
from storage.errors import StorageError, StorageKeyMissing
from storage.interface import Added, InboxEntry, InboxId, Storage, Unreadable

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class InboxRules:
    """Figures of the inbox."""

    max_waiting: int
    concurrency: int
    seen_seconds: int
    """How long a wrap's id is remembered: at least as long as a relay takes the wrap again."""
    unsigned_seals: bool


@dataclass(frozen=True, slots=True)
class _Waiting:
    wrap: VerifiedEvent
    link: str
    received_at: int

    @property
    def id(self) -> InboxId:
        return InboxId(self.wrap.id, self.link)


class Inbox:
    """Takes wraps in and sees each through to its answer."""

    def __init__(
        self, secret: SecretKey, *, storage: Storage, dispatcher: Dispatcher, clock: Clock, rules: InboxRules
    ) -> None:
        self._secret = secret
        self._storage = storage
        self._dispatcher = dispatcher
        self._clock = clock
        self._rules = rules
        # As long as the table that it mirrors, which holds `max_waiting` rows at most.
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()

    @property
    def waiting(self) -> int:
        """How many wraps nobody works on yet."""
        return self._queue.qsize()

    async def accept(self, wrap: VerifiedEvent, *, link: str) -> Added:
        """Keep a wrap for answering; the caller has checked form, signature, recipient and times."""
        now = self._clock.now()
        waiting = _Waiting(wrap, link, now)
        try:
            added = await self._storage.inbox.add(
                InboxEntry(wrap.id, link, now, wrap.to_json()),
                seen_until=now + self._rules.seen_seconds,
                max_waiting=self._rules.max_waiting,
            )
        except asyncio.CancelledError:
            # Nobody waits any more, but the wrap may be kept all the same, and sent again it is a duplicate: so it is
            # answered as if it was kept, which at worst repeats an answer. A full queue says that it was not.
            if self._queue.qsize() < self._rules.max_waiting:
                self._queue.put_nowait(waiting)
            raise
        if added is Added.ADDED:
            self._queue.put_nowait(waiting)
        return added

    async def recover(self) -> int:
        """Take up what an earlier run left unanswered and return how many; call before anything is accepted."""
        after = count = 0
        while entries := await self._storage.inbox.waiting(after=after):
            after = entries[-1][0]
            for number, entry in entries:
                if isinstance(entry, Unreadable):
                    await self._pass_over(number, entry)
                    continue
                try:
                    wrap = _stored_wrap(entry)
                except ValueError as error:
                    log.error("wrap given up", extra={"facts": {"wrap": entry.wrap_id[:8], **where(error)}})
                    await self._storage.inbox.drop([entry.id])
                    continue
                self._queue.put_nowait(_Waiting(wrap, entry.link, entry.received_at))
                count += 1
        return count

    async def _pass_over(self, number: int, entry: Unreadable) -> None:
        facts = {"entry": number, "reason": str(entry.reason)}
        if isinstance(entry.reason, StorageKeyMissing):
            # The next start may have the key.
            log.error("wrap not readable", extra={"facts": facts})
        else:
            log.error("wrap given up", extra={"facts": facts})
            await self._storage.inbox.discard(number)

    async def run(self) -> None:
        """Answer until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._rules.concurrency):
                workers.create_task(self._work())

    async def drain(self) -> None:
        """Return when everything accepted so far is answered."""
        await self._queue.join()

    async def _work(self) -> None:
        delay = FIRST_RETRY_SECONDS
        while True:
            waiting = await self._queue.get()
            try:
                if await self._see_through(waiting):
                    delay = FIRST_RETRY_SECONDS
                    continue
                await asyncio.sleep(delay)
                delay = min(2 * delay, LAST_RETRY_SECONDS)
                # At the end of the queue, so that what fails for a reason of its own holds up nobody else.
                self._queue.put_nowait(waiting)
            finally:
                self._queue.task_done()

    async def _see_through(self, waiting: _Waiting) -> bool:
        """Tell whether a wrap is done with: False while the storage is in trouble."""
        wrap = {"wrap": waiting.wrap.id[:8]}
        try:
            try:
                await self._answer(waiting)
            except Exception as error:
                if is_passing(error):
                    raise
                log.error("wrap given up", extra={"facts": {**wrap, **where(error)}})
                await self._storage.inbox.drop([waiting.id])
        except StorageError as error:
            log.warning("answer not stored, trying again", extra={"facts": {**wrap, **where(error)}})
            return False
        return True

    async def _answer(self, waiting: _Waiting) -> None:
        wrap = waiting.wrap
        try:
            rumor = open_wrap(wrap, self._secret, unsigned_seals=self._rules.unsigned_seals)
            check_addressee(rumor, self._secret.public_key)
        except (InvalidWrap, Dropped) as reason:
            log.debug("wrap dropped", extra={"facts": {"wrap": wrap.id[:8], "reason": str(reason)}})
            await self._storage.inbox.drop([waiting.id])
            return
        async with self._dispatcher.arrivals.enter(
            rumor, wrap_kind=wrap.kind, received_at=waiting.received_at, wrap_id=wrap.id, link=waiting.link
        ) as arrival:
            if arrival is not None:
                await self._dispatcher.answer(arrival)
                arrival.is_answered = True


def _stored_wrap(entry: InboxEntry) -> VerifiedEvent:
    # It was verified before it was stored, and the store authenticates what it returns.
    event = parse_event(json.loads(entry.wrap_json))
    return VerifiedEvent(event.id, event.pubkey, event.created_at, event.kind, event.tags, event.content, event.sig)
