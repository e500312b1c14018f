"""The socket under a `Link`: connects, reads, writes, keeps time, and connects again.

`RelayConnection.run` is the only thing that lives; everything else talks to it. Whether a URL may be connected to is
the caller's to decide: redirects and proxies are never followed, and `resolve` says which address a host name means.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from client.authentication import AuthAnswered
from client.backoff import Backoff
from client.clock import Clock
from client.entropy import Entropy
from client.errors import LinkFull
from client.limits import ConnectionLimits
from client.link import Link, Noticed
from client.proving import Prover
from client.publications import Judged, Outcome, Verdict
from client.signer import Signer
from client.status import RelayStatus
from client.subscriptions import Received, StoredEnded, SubscriptionRefused
from nips.event import Event, VerifiedEvent
from nips.filter import Filter
from nips.keys import SecretKey
from nips.messages import prefix_of

MakeFilters = Callable[[int], Sequence[Filter]]
"""Return filters for the time of asking, in seconds since the epoch: `since` is then right on every connection."""

OnEvent = Callable[[VerifiedEvent], Awaitable[None]]
OnEndOfStored = Callable[[], Awaitable[None]]

Resolve = Callable[[str], Awaitable[str]]
"""Return the IP address to connect to for a host name, at each attempt; raise OSError to refuse."""

_USER_AGENT = "nostr-switchboard"
_POLICY_VIOLATION = 1008
_ABNORMAL_CLOSURE = 1006
_JITTER_STEPS = 1 << 20
_WORDS_KEPT = 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Subscriber:
    make_filters: MakeFilters
    on_event: OnEvent
    on_end_of_stored: OnEndOfStored | None


class RelayConnection:
    """A lasting connection to one relay; nothing is sent, and no time is over, until `run` runs.

    Subscribers are called one after the other, in the order of the relay's messages. While they are slow the relay is
    not read: a subscriber that waits for a verdict of this same connection may wait in vain, and a connection that is
    not read for twice `ping_seconds` is lost, and made anew.
    """

    def __init__(
        self,
        url: str,
        *,
        keys: Sequence[SecretKey | Signer] = (),
        clock: Clock,
        entropy: Entropy,
        limits: ConnectionLimits | None = None,
        resolve: Resolve | None = None,
        auth_url: str | None = None,
    ) -> None:
        """Prepare a connection; each of `keys` is proved to the relay when it asks (NIP-42).

        Some relays take one key for a connection: the first. Those of a signer come after our own. `auth_url` is what
        the relay calls itself, if not `url`.
        """
        self.url = url
        self._prover = Prover(auth_url or url, keys, clock=clock, entropy=entropy)
        self._clock = clock
        self._entropy = entropy
        self._limits = limits or ConnectionLimits()
        self._resolve = resolve
        self._link = Link(sign_auth=self._prover.answer if keys else None, limits=self._limits.link)
        self._backoff = Backoff(self._limits.backoff)
        self._subscribers: dict[str, _Subscriber] = {}
        self._waiters: dict[str, list[asyncio.Future[Verdict]]] = {}
        self._deliveries: asyncio.Queue[Received | StoredEnded] = asyncio.Queue(self._limits.max_queue)
        self._socket: ClientConnection | None = None
        self._connected_since: int | None = None
        self._last_error: str | None = None
        self._is_refusal_told = False
        self._words: deque[str] = deque(maxlen=_WORDS_KEPT)
        self._has_texts = asyncio.Event()
        self._is_rescheduled = asyncio.Event()
        self._alarm: float | None = None
        self._ready = asyncio.Event()
        self._is_started = False
        self._closing = asyncio.Event()
        self._finished = asyncio.Event()

    async def run(self) -> None:
        """Stay connected until cancelled or closed; once."""
        if self._is_started:
            raise RuntimeError("a connection runs once")
        self._is_started = True
        try:
            async with asyncio.TaskGroup() as tasks:
                delivering = tasks.create_task(self._deliver())
                works = (self._stay_connected, self._write, self._keep_time, self._prove)
                others = [tasks.create_task(work()) for work in works]
                await self._closing.wait()
                for task in others:
                    task.cancel()
                await self._finish_deliveries(others)
                delivering.cancel()
        finally:
            self._closing.set()
            self._ready.clear()
            for waiter in [waiter for waiters in self._waiters.values() for waiter in waiters]:
                if not waiter.done():
                    waiter.set_result(Verdict(Outcome.UNANSWERED, "the connection was given up"))
            self._finished.set()

    async def close(self) -> None:
        """Close the socket (1000), hand on what was received, and end `run`."""
        self._closing.set()
        if self._is_started:
            await self._finished.wait()

    async def publish(self, event: Event, *, timeout_seconds: float | None = None) -> Verdict:
        """Publish an event and return the relay's verdict.

        Without a connection the event waits for one, and it is sent again when one is lost; when the time is over the
        verdict is `unanswered`. The same event may be published again at any time; two who do it at once get one
        verdict, by the later of their times.
        """
        if self._closing.is_set():
            return Verdict(Outcome.UNANSWERED, "the connection was given up")
        seconds = self._limits.publish_seconds if timeout_seconds is None else timeout_seconds
        waiter: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        try:
            self._link.publish(event, deadline=self._clock.monotonic() + seconds)
        except LinkFull:
            return Verdict(Outcome.UNANSWERED, "too many events wait for a verdict")
        waiters = self._waiters.setdefault(event.id, [])
        waiters.append(waiter)
        self._settle()
        try:
            return await waiter
        finally:
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[event.id]
                self._link.forget(event.id)

    def subscribe(
        self, name: str, make_filters: MakeFilters, on_event: OnEvent, on_end_of_stored: OnEndOfStored | None = None
    ) -> None:
        """Ask for events on this and every later connection; the name (1 to 64 characters) is the id on the wire.

        An event is handed on at least once, after its id and signature were checked. `on_end_of_stored` is called each
        time that the relay has sent all it had. What the relay refuses is asked for again after `max_delay_seconds`.
        Raise `LinkFull`.
        """
        self._link.subscribe(name, make_filters(self._clock.now()))
        self._subscribers[name] = _Subscriber(make_filters, on_event, on_end_of_stored)
        self._settle()

    def unsubscribe(self, name: str) -> None:
        """Stop asking, now and on later connections."""
        self._subscribers.pop(name, None)
        self._link.unsubscribe(name)
        self._settle()

    async def wait_ready(self) -> None:
        """Wait until there is a connection on which every key and every subscription has the relay's answer.

        A subscription may have been refused: `status` tells.
        """
        await self._ready.wait()

    @property
    def status(self) -> RelayStatus:
        """Return how it goes, for people to read."""
        return RelayStatus(
            url=self.url,
            connected_since=self._connected_since,
            failures=self._backoff.failures,
            last_error=self._last_error,
            auth=self._link.auth,
            subscriptions=self._link.subscriptions,
            unanswered=self._link.waiting,
            undelivered=self._deliveries.qsize(),
            counts=self._link.counts,
            words=tuple(self._words),
        )

    async def _stay_connected(self) -> None:
        while True:
            open_seconds = await self._connect_once()
            fraction = self._entropy.below(_JITTER_STEPS + 1) / _JITTER_STEPS
            delay = self._backoff.next_delay(open_seconds=open_seconds, fraction=fraction)
            facts = {"relay": self.url, "reason": self._last_error, "retry_in_seconds": round(delay, 1)}
            _log.warning("no link to a relay", extra={"facts": facts})
            await asyncio.sleep(delay)

    async def _connect_once(self) -> float:
        try:
            socket = await self._connect()
        except (OSError, WebSocketException, ValueError) as error:  # ValueError: the URL, or a redirect
            self._last_error = _why_not_opened(error)
            return 0.0
        since = self._clock.monotonic()
        try:
            self._opened(socket)
            await self._read(socket)
        except ConnectionClosed as closed:
            self._last_error = _why_closed(closed)
        finally:
            self._lost()
            await socket.close()
        return self._clock.monotonic() - since

    async def _connect(self) -> ClientConnection:
        limits = self._limits
        async with asyncio.timeout(limits.open_seconds):
            host = urlsplit(self.url).hostname or ""
            # With a host given, redirects to other hosts are refused; they would lead around `resolve`.
            return await connect(
                self.url,
                host=await self._resolve(host) if self._resolve else host,
                compression=None,
                proxy=None,
                user_agent_header=_USER_AGENT,
                open_timeout=None,
                ping_interval=limits.ping_seconds,
                ping_timeout=limits.ping_seconds,
                close_timeout=limits.close_seconds,
                max_size=limits.link.messages.max_message_bytes,
            )

    def _opened(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._connected_since = self._clock.now()
        self._is_refusal_told = False
        self._words.clear()
        for name, subscriber in self._subscribers.items():
            self._link.subscribe(name, subscriber.make_filters(self._clock.now()))
        self._link.opened()
        _log.info("linked to a relay", extra={"facts": {"relay": self.url}})
        self._settle()

    def _lost(self) -> None:
        self._socket = None
        self._connected_since = None
        self._link.lost()
        self._settle()

    async def _read(self, socket: ClientConnection) -> None:
        while True:
            self._link.receive(await socket.recv(), self._clock.monotonic())
            for delivery in self._settle():
                await self._deliveries.put(delivery)
            if self._link.is_hopeless:
                await socket.close(_POLICY_VIOLATION)

    async def _write(self) -> None:
        while True:
            await self._has_texts.wait()
            self._has_texts.clear()
            while (socket := self._socket) is not None and (text := self._link.take_text()) is not None:
                try:
                    await socket.send(text)
                except ConnectionClosed:
                    break  # whoever reads notices it too, and the next connection is told everything again

    async def _keep_time(self) -> None:
        while True:
            self._is_rescheduled.clear()
            self._alarm = self._link.next_deadline()
            delay = None if self._alarm is None else max(0.0, self._alarm - self._clock.monotonic())
            try:
                async with asyncio.timeout(delay):
                    await self._is_rescheduled.wait()
            except TimeoutError:
                self._link.tick(self._clock.monotonic())
                self._settle()
                if self._link.is_hopeless and self._socket is not None:
                    await self._socket.close(_POLICY_VIOLATION)

    async def _prove(self) -> None:
        while True:
            challenge, answers = await self._prover.more()
            self._link.authenticate(challenge, answers, self._clock.monotonic())
            self._settle()

    async def _deliver(self) -> None:
        while True:
            delivery = await self._deliveries.get()
            try:
                await self._hand_on(delivery)
            except Exception:  # noqa: BLE001 - one subscriber's fault must not end the link that others use
                _log.exception("%s: a subscriber failed", self.url)
            finally:
                self._deliveries.task_done()

    async def _hand_on(self, delivery: Received | StoredEnded) -> None:
        subscriber = self._subscribers.get(delivery.name)
        if subscriber is None:
            return
        if isinstance(delivery, Received):
            await subscriber.on_event(delivery.event)
        elif subscriber.on_end_of_stored is not None:
            await subscriber.on_end_of_stored()

    async def _finish_deliveries(self, others: Sequence[asyncio.Task[None]]) -> None:
        await asyncio.wait(others)
        try:
            async with asyncio.timeout(self._limits.close_seconds):
                await self._deliveries.join()
        except TimeoutError:
            _log.warning("%s: %d events were not handed on", self.url, self._deliveries.qsize())

    def _settle(self) -> list[Received | StoredEnded]:
        """Act on what happened at once, and return what subscribers are to be told."""
        deliveries: list[Received | StoredEnded] = []
        for fact in self._link.take_facts():
            match fact:
                case Received() | StoredEnded():
                    deliveries.append(fact)
                case Judged(event_id=event_id, verdict=verdict):
                    for waiter in self._waiters.get(event_id, ()):
                        if not waiter.done():
                            waiter.set_result(verdict)
                case SubscriptionRefused(name=name, message=words):
                    _log.debug("%s: subscription %s refused: %r", self.url, name, words)
                    self._words.append(words)
                    self._tell_refusal(words)
                case AuthAnswered(state=state, message=words):
                    _log.debug("%s: authentication %s: %r", self.url, state, words)
                    self._words.append(words)
                case Noticed(text=text):
                    _log.debug("%s: notice: %r", self.url, text)
                    self._words.append(text)
        self._has_texts.set()
        if self._link.next_deadline() != self._alarm:
            self._is_rescheduled.set()
        if self._link.is_ready:
            self._ready.set()
        else:
            self._ready.clear()
        return deliveries

    def _tell_refusal(self, words: str) -> None:
        if not self._is_refusal_told:
            self._is_refusal_told = True
            # The relay's own words may say anything; its prefix is one of a few.
            facts = {"relay": self.url, "prefix": prefix_of(words)}
            _log.warning("a relay refuses to serve us", extra={"facts": facts})


def _why_not_opened(error: Exception) -> str:
    # A redirect that was not followed is behind another error.
    for answer in (error, error.__cause__, error.__context__):
        if isinstance(answer, InvalidStatus):
            return f"HTTP {answer.response.status_code}"
    return type(error).__name__


def _why_closed(closed: ConnectionClosed) -> str:
    frame = closed.rcvd or closed.sent
    return f"closed {frame.code if frame else _ABNORMAL_CLOSURE}"
