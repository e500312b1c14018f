"""Wraps addressed to the bridge: accepted durably, opened, handed to the dispatcher (protocol.md §1, steps 5 and 6).

From the moment `accept` returns, an authentic request is answered, crash or not. Most are answered so soon that their
wrap is never written down by itself: `accept` then returns when the answer is on record, which spares a commit. What
takes longer is kept meanwhile, and leaves the store only together with its answer. A wrap that does not open is let go
without a sign.

While the storage is in trouble a request is tried again and again, ever more slowly. Whatever else goes wrong is
answered as a fault of ours; and one that cannot even be told so is given up, because what fails the same way each time
would fill the inbox, start after start, until nobody else fits in.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from bridge.askers import Askers, Seat
from bridge.dispatcher import Dispatcher, is_passing
from bridge.envelope import check_addressee
from bridge.errors import Dropped, SealingFailed
from bridge.line import NOWHERE, Line, Origin
from bridge.logs import where
from bridge.sealing import Sealing
from bridge.tallies import DEFERRED, SEEN, RequestTallies
from bridge.waiting import Fate, Waiting
from client.clock import Clock
from nips.errors import InvalidWrap
from nips.event import VerifiedEvent, parse_event
from nips.keys import PublicKey
from nips.nip13 import committed_work
from nips.nip59 import Rumor
from storage.errors import StorageError, StorageKeyMissing
from storage.interface import HERE, Added, InboxEntry, InboxId, Storage, Unreadable

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
    keep_after_seconds: float
    """How long a request may be worked on before its wrap is written down."""
    stranger_patience_seconds: float
    """How long a wrap may wait that came from an address where no account is known to be."""
    stranger_concurrency: int
    """Workers at once for wraps from where no account is known to be."""
    concurrency_each: int
    """Workers at once for the requests of one key."""
    max_waiting_each: int
    """Requests of one key that wait for one of those."""
    max_known_accounts: int
    """Keys of accounts that are remembered, to know where they are."""


class Inbox:
    """Takes wraps in and sees each through to its answer."""

    def __init__(
        self,
        bridge: PublicKey,
        *,
        sealing: Sealing,
        storage: Storage,
        dispatcher: Dispatcher,
        clock: Clock,
        tallies: RequestTallies,
        rules: InboxRules,
    ) -> None:
        self._bridge = bridge
        self._sealing = sealing
        self._storage = storage
        self._dispatcher = dispatcher
        self._clock = clock
        self._tallies = tallies
        self._rules = rules
        # Connections and links bound how many wraps they bring at once.
        self._accepting: dict[InboxId, asyncio.Event] = {}
        # As long as the table that it mirrors, which holds `max_waiting` rows at most, and as many as are worked on.
        self._line = Line[Waiting](
            strangers_at_once=min(rules.stranger_concurrency, rules.concurrency), monotonic=clock.monotonic
        )
        self._askers = Askers[Waiting](at_once_each=rules.concurrency_each, waiting_each=rules.max_waiting_each)
        self._accounts: OrderedDict[PublicKey, None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many wraps nobody works on yet."""
        return self._line.waiting + self._askers.waiting

    async def accept(self, wrap: VerifiedEvent, *, link: str, origin: Origin = NOWHERE) -> Added:
        """See that a wrap is answered; the caller has checked form, signature, recipient and times."""
        account = next((key for key in origin.keys if key in self._accounts), None)
        waiting = Waiting(
            wrap,
            link,
            self._clock.now(),
            self._clock.monotonic(),
            is_kept=False,
            source=account or origin.sender or link,
            is_known=account is not None,
            is_held=account is None and bool(origin.sender),
        )
        # Copies of a wrap wait for the first, so that they find what became of it.
        while (first := self._accepting.get(waiting.id)) is not None:
            await first.wait()
        under_way = self._accepting[waiting.id] = asyncio.Event()
        try:
            # What comes from other relays has nobody who waits for OK.
            if waiting.is_held and self._is_crowded(waiting):
                return Added.FULL
            if link == HERE and (waiting.is_held or self._is_soon(waiting)):
                return await self._answer_first(waiting)
            return await self._keep_first(waiting)
        finally:
            del self._accepting[waiting.id]
            under_way.set()

    def _is_soon(self, waiting: Waiting) -> bool:
        # Those whose senders have gone meanwhile wait all the same, so their number has to end somewhere.
        is_first = not self._line.waiting_of(waiting) and self._line.waiting < self._rules.max_waiting
        return is_first or self._line.waiting_like(waiting) < self._rules.concurrency

    async def _answer_first(self, waiting: Waiting) -> Added:
        match await self._fate_of(waiting):
            case Fate.DONE:
                return Added.ADDED
            case Fate.KNOWN:
                return Added.DUPLICATE
            case Fate.TURNED_AWAY:
                return Added.FULL
            case Fate.TROUBLE:
                return await self._keep_first(waiting)
            case Fate.LATE:
                added = await self._keep(waiting)
                # A duplicate of itself: it was answered just before it would have been kept.
                return Added.ADDED if added is Added.DUPLICATE else added

    async def _fate_of(self, waiting: Waiting) -> Fate:
        loop = asyncio.get_running_loop()
        waiting.fate = loop.create_future()
        if waiting.is_held:
            waiting.patience = loop.call_later(self._rules.stranger_patience_seconds, self._turn_away, waiting)
        else:
            waiting.patience = loop.call_later(self._rules.keep_after_seconds, waiting.tell, Fate.LATE)
        self._line.put(waiting)
        try:
            return await waiting.fate
        except asyncio.CancelledError:
            if waiting.is_held:
                # Its connection is gone, and nothing was promised.
                self._line.withdraw(waiting)
            raise
        finally:
            waiting.patience.cancel()

    def _turn_away(self, waiting: Waiting) -> None:
        if self._line.withdraw(waiting):
            waiting.tell(Fate.TURNED_AWAY)

    def _begin(self, waiting: Waiting) -> None:
        """Count the time of what was held from now on, like that of all others."""
        if waiting.is_held and waiting.patience is not None and waiting.fate is not None:
            waiting.patience.cancel()
            keep_after = self._rules.keep_after_seconds
            waiting.patience = waiting.fate.get_loop().call_later(keep_after, waiting.tell, Fate.LATE)
            waiting.is_held = False

    async def _keep_first(self, waiting: Waiting) -> Added:
        if self._is_crowded(waiting):
            return Added.FULL
        try:
            added = await self._keep(waiting)
        except asyncio.CancelledError:
            # Nobody waits any more, but the wrap may be kept all the same, and sent again it is a duplicate: so it is
            # answered as if it was kept, which at worst repeats an answer. A full queue says that it was not.
            if self._line.waiting < self._rules.max_waiting:
                self._line.put(waiting)
            raise
        if added is Added.ADDED:
            self._line.put(waiting)
        return added

    async def _keep(self, waiting: Waiting) -> Added:
        waiting.is_kept = True
        wrap, received_at = waiting.wrap, waiting.received_at
        try:
            added = await self._storage.inbox.add(
                InboxEntry(wrap.id, waiting.link, received_at, wrap.to_json()),
                seen_until=self._seen_until(waiting),
                max_waiting=self._room_for(waiting),
            )
        except StorageError:
            waiting.is_kept = False
            raise
        waiting.is_kept = added is Added.ADDED
        return added

    def _is_crowded(self, waiting: Waiting) -> bool:
        """Tell whether too many of its source wait, or, if that is no account, of all sources."""
        most = -(-self._rules.max_waiting // 2)
        return self._line.waiting_of(waiting) >= most or (
            waiting.is_held and self._line.waiting >= self._room_for(waiting)
        )

    def _room_for(self, waiting: Waiting) -> int:
        # The last quarter is for accounts, as far as they are known before the wrap is open.
        most = self._rules.max_waiting
        return most if waiting.is_known else most - most // 4

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
                since, link = self._clock.monotonic(), entry.link
                self._line.put(Waiting(wrap, link, entry.received_at, since, is_kept=True, source=link))
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
        await self._line.finished()

    async def _work(self) -> None:
        delay = FIRST_RETRY_SECONDS
        while True:
            waiting = await self._line.get()
            self._begin(waiting)
            try:
                fate = await self._see_through(waiting)
                if fate is None:
                    self._line.leave(waiting)
                    continue
                if fate is not Fate.TROUBLE:
                    delay = FIRST_RETRY_SECONDS
                elif waiting.is_kept:
                    await asyncio.sleep(delay)
                    delay = min(2 * delay, LAST_RETRY_SECONDS)
                    # At the end of the line, so that what fails for a reason of its own holds up nobody else.
                    self._line.leave(waiting)
                    self._line.again(waiting)
                    continue
                waiting.tell(fate)
                self._line.done(waiting)
            except asyncio.CancelledError:
                # We stop: who still waits for OK keeps the wrap, and the next start answers it.
                waiting.tell(Fate.LATE)
                raise

    async def _see_through(self, waiting: Waiting) -> Fate | None:
        """Return what became of a wrap, or None while it waits until others of its author's are done."""
        wrap = {"wrap": waiting.wrap.id[:8]}
        try:
            try:
                return await self._open_and_answer(waiting)
            except Exception as error:
                if is_passing(error):
                    raise
                log.error("wrap given up", extra={"facts": {**wrap, **where(error)}})
                return await self._let_go(waiting)
        except (StorageError, SealingFailed) as error:
            log.warning("answer not stored, trying again", extra={"facts": {**wrap, **where(error)}})
            self._tallies.end(None, DEFERRED, self._clock.monotonic() - waiting.since)
            return Fate.TROUBLE

    async def _open_and_answer(self, waiting: Waiting) -> Fate | None:
        rumor = waiting.rumor or await self._open(waiting.wrap)
        if rumor is None:
            return await self._let_go(waiting)
        seat = Seat.TAKEN if waiting.has_seat else self._askers.enter(rumor.pubkey, waiting)
        if seat is Seat.WAITS:
            waiting.rumor = rumor
            return None
        try:
            return await self._answer(waiting, rumor, is_crowded=seat is Seat.REFUSED)
        finally:
            waiting.has_seat = False
            if seat is Seat.TAKEN and (following := self._askers.leave(rumor.pubkey)) is not None:
                following.has_seat = True
                self._line.again(following)

    async def _open(self, wrap: VerifiedEvent) -> Rumor | None:
        """Return the rumor that a wrap brings us, if it does."""
        try:
            rumor = await self._sealing.open(wrap)
            check_addressee(rumor, self._bridge)
        except (InvalidWrap, Dropped) as reason:
            log.debug("wrap dropped", extra={"facts": {"wrap": wrap.id[:8], "reason": str(reason)}})
            self._tallies.drop()
            return None
        return rumor

    async def _answer(self, waiting: Waiting, rumor: Rumor, *, is_crowded: bool) -> Fate:
        wrap = waiting.wrap
        async with self._dispatcher.arrivals.enter(
            rumor,
            wrap_kind=wrap.kind,
            received_at=waiting.received_at,
            wrap_id=wrap.id,
            link=waiting.link,
            hold=waiting.hold,
            source=waiting.source,
            work_bits=committed_work(wrap),
        ) as arrival:
            if arrival is None:
                return Fate.DONE
            arrival.on_account = partial(self._know, waiting, rumor.pubkey)
            arrival.is_crowded = is_crowded
            await self._dispatcher.answer(arrival)
            arrival.is_answered = True
            outcome = SEEN if arrival.was_seen else arrival.outcome
            seconds = self._clock.monotonic() - waiting.since
            self._tallies.end(arrival.method, outcome, seconds, is_admitted=arrival.is_admitted)
            return Fate.KNOWN if arrival.was_seen else Fate.DONE

    def _know(self, waiting: Waiting, account: PublicKey) -> None:
        """Remember that a key is an account's, to know from where its wraps come."""
        self._accounts[account] = None
        self._accounts.move_to_end(account)
        if len(self._accounts) > self._rules.max_known_accounts:
            self._accounts.popitem(last=False)
        waiting.source = account
        self._line.promote(waiting)

    async def _let_go(self, waiting: Waiting) -> Fate:
        is_new = await self._storage.inbox.drop([waiting.id])
        return Fate.DONE if is_new else Fate.KNOWN

    def _seen_until(self, waiting: Waiting) -> int:
        return waiting.received_at + self._rules.seen_seconds


def _stored_wrap(entry: InboxEntry) -> VerifiedEvent:
    # It was verified before it was stored, and the store authenticates what it returns.
    event = parse_event(json.loads(entry.wrap_json))
    return VerifiedEvent(event.id, event.pubkey, event.created_at, event.kind, event.tags, event.content, event.sig)
