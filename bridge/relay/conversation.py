"""One client's connection, carried out: what the session decides, done with storage, inbox and the other connections.

Frames go in and texts come out, one at a time: whoever sends them asks for the next only when the last is on its way,
so nothing is read from the storage that a slow reader has no room for.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from bridge.relay.admission import KNOWN, Admission, Keeping, Verdict
from bridge.relay.faults import note_fault
from bridge.relay.proved import ProvedKeys
from bridge.relay.refusals import Blocked, is_foreseen, words_for
from bridge.relay.session import Admit, Authenticated, Farewell, Moment, Open, Reply, Session, Shut, Tally
from bridge.relay.stored import StoredEvents, hint_about
from bridge.relay.subscriptions import Push, Subscription, Subscriptions
from bridge.relay.turns import Share
from client.clock import Clock
from nips.errors import InvalidEvent
from nips.event import Event
from nips.messages import Prefix, write_closed, write_counted, write_end_of_stored, write_ok

log = logging.getLogger(__name__)

ACCEPTED = "accepted"

OnListening = Callable[[str], None]
"""Told a public key whose wraps begin to flow."""

Serving = AsyncGenerator[str]
"""Answers that are read from the storage, as they come; close it when they can no longer be sent."""

Coming = Coroutine[Any, Any, str]
"""An answer that has to wait for the storage. It never raises."""


@dataclass(frozen=True, slots=True)
class Backstage:
    """What all conversations of one relay share."""

    admission: Admission
    stored: StoredEvents
    subscriptions: Subscriptions
    proved: ProvedKeys
    clock: Clock
    on_listening: OnListening
    verdicts: Counter[str] = field(default_factory=Counter)
    """How often each verdict on an event was given: `ACCEPTED`, or the prefix of its words."""


class Conversation:
    """Drives one session."""

    def __init__(
        self, session: Session, backstage: Backstage, push: Push, share: Share, interrupt: Callable[[], None]
    ) -> None:
        """Take `push`, by which live events reach this client without anybody waiting, and its share of the reading.

        Take what has whoever drives this look at `farewell` at once, too.
        """
        self._session = session
        self._backstage = backstage
        self._push = push
        self._share = share
        self._interrupt = interrupt

    @property
    def farewell(self) -> Farewell | None:
        """How to close the connection, once that is due."""
        return self._session.farewell

    @property
    def is_listening(self) -> bool:
        """Tell whether the client has subscriptions, so that its silence is nothing strange."""
        return bool(self._session.subscriptions)

    def greet(self) -> str:
        """Return what the client hears first."""
        return self._session.greet()

    def receive(self, frame: str | bytes) -> Iterator[str | Serving | Coming]:
        """Yield what answers a frame, each to be sent before the next is asked for.

        Only what is still to come may be awaited beside other frames.
        """
        clock = self._backstage.clock
        for action in self._session.receive(frame, Moment(clock.now(), clock.monotonic())):
            match action:
                case Reply(text):
                    yield text
                case Admit():
                    yield self._admit(action)
                case Shut(subscription):
                    self._backstage.subscriptions.remove(subscription)
                case Open(subscription):
                    yield self._serve(subscription)
                case Tally():
                    yield self._tally(action)
                case Authenticated():
                    self._backstage.proved.add(action.key, self)
                    self._show_more()
                    yield action.text
                    self._tell_listening(action.key)

    def dismiss(self, reason: str) -> None:
        """Deliver nothing more to this client, and have its connection closed (1008)."""
        self._session.farewell = Farewell(1008, reason)
        self.end()
        self._interrupt()

    def end(self) -> None:
        """Deliver nothing more to this client."""
        self._backstage.proved.remove(self._session.keys, self)
        for subscription in self._session.subscriptions:
            self._backstage.subscriptions.remove(subscription)

    def _admit(self, action: Admit) -> str | Coming:
        event = action.event
        try:
            verdict = self._backstage.admission.consider(
                event, keys=self._session.keys, wait_seconds=action.wait_seconds, sender=self._session.sender
            )
        except Exception as error:
            if isinstance(error, InvalidEvent | Blocked) and action.wait_seconds:
                # Verifying costs us more than them, so beyond its rate nobody goes on with what is forged or not taken.
                self._session.count_bad_frame()
            return self._refuse(event, error)
        if not isinstance(verdict, Verdict):
            return self._keep(event, verdict)
        if verdict == KNOWN and action.wait_seconds:
            self._session.count_bad_frame()
        return self._take(event, verdict)

    async def _keep(self, event: Event, keeping: Keeping) -> str:
        try:
            with self._backstage.subscriptions.under_way.storing([event.id]):
                verdict = await keeping()
        except Exception as error:
            return self._refuse(event, error)
        return self._take(event, verdict)

    def _take(self, event: Event, verdict: Verdict) -> str:
        self._backstage.verdicts[Prefix.DUPLICATE if verdict.message else ACCEPTED] += 1
        return write_ok(event.id, True, verdict.message)

    def _refuse(self, event: Event, error: Exception) -> str:
        self._note(error)
        words = words_for(error)
        self._backstage.verdicts[words.partition(":")[0]] += 1
        return write_ok(event.id, False, words)

    async def _serve(self, subscription: Subscription) -> AsyncGenerator[str]:
        """Yield stored events, EOSE, and what came meanwhile. Before it is read, the subscription is in the index."""
        self._backstage.subscriptions.add(subscription, self._push)
        try:
            readings = [self._backstage.stored.read(view, self._share) for view in subscription.views]
            for reading in readings:
                async with aclosing(reading.pages()) as pages:
                    async for page in pages:
                        for event in page:
                            if frame := subscription.frame(event.id, event.json):
                                yield frame
            if not subscription.is_lost:
                yield write_end_of_stored(subscription.id, hint_about(readings, sent=subscription.sent))
            while frame := subscription.next_held(self._backstage.subscriptions.under_way):
                yield frame
        except Exception as error:
            self._note(error)
            yield self._close(subscription, words_for(error))
            return
        if subscription.is_lost:
            yield self._close(subscription, Prefix.ERROR.says("too many events came meanwhile, ask again"))
            return
        for pubkey in sorted(subscription.keys_heard(self._backstage.clock.now())):
            self._backstage.on_listening(pubkey)

    async def _tally(self, action: Tally) -> Serving:
        yield await self._count(action)

    async def _count(self, action: Tally) -> str:
        try:
            return write_counted(action.query, await self._backstage.stored.count(action.views, self._share))
        except Exception as error:
            self._note(error)
            return write_closed(action.query, words_for(error))

    def _close(self, subscription: Subscription, words: str) -> str:
        self._session.forget(subscription)
        self._backstage.subscriptions.remove(subscription)
        return write_closed(subscription.id, words)

    def _show_more(self) -> None:
        for subscription in self._session.subscriptions:
            self._backstage.subscriptions.add(subscription, self._push)

    def _tell_listening(self, key: str) -> None:
        now = self._backstage.clock.now()
        if any(key in subscription.keys_heard(now) for subscription in self._session.subscriptions):
            self._backstage.on_listening(key)

    def _note(self, error: Exception) -> None:
        if is_foreseen(error):
            log.debug("refused", extra={"facts": {"reason": type(error).__name__}})
        else:
            note_fault(log, error)
