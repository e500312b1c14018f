"""One client's connection as NIP-01, NIP-42 and NIP-45 see it: frames in, what to do out.

The session knows no socket, no clock and no storage. It answers by itself what it can, and hands the rest on as
actions: an event to be admitted, a subscription to be opened or shut. Whoever drives it carries the actions out in
their order and then looks at `farewell`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bridge.relay.addresses import Origin
from bridge.relay.limits import SessionLimits
from bridge.relay.rates import Rate, kib
from bridge.relay.refusals import Blocked, RateLimited, Refused, slow_down, words_for
from bridge.relay.subscriptions import Subscription
from bridge.relay.visibility import ReadProtection, View
from nips.errors import NipError
from nips.event import Event
from nips.filter import Filter
from nips.keys import PublicKey
from nips.messages import (
    Authenticate,
    ClientMessage,
    Close,
    Count,
    Publish,
    Request,
    Unusable,
    parse_client_message,
    write_challenge,
    write_closed,
    write_notice,
    write_ok,
)
from nips.nip42 import check_auth, relay_address


@dataclass(frozen=True, slots=True)
class Moment:
    """When a frame came: seconds since the epoch, and seconds of a clock that never steps back."""

    now: int
    monotonic: float


@dataclass(frozen=True, slots=True)
class Reply:
    """Send a text."""

    text: str


@dataclass(frozen=True, slots=True)
class Admit:
    """Decide about an event and answer OK."""

    event: Event
    wait_seconds: float
    """What the connection has to wait before it may publish again; it used up its rate unless this is 0."""


@dataclass(frozen=True, slots=True)
class Open:
    """Serve a subscription: stored events, EOSE, live ones."""

    subscription: Subscription


@dataclass(frozen=True, slots=True)
class Tally:
    """Count what is stored for a query; it opens nothing."""

    query: str
    views: Sequence[View]


@dataclass(frozen=True, slots=True)
class Shut:
    """Deliver nothing more to a subscription."""

    subscription: Subscription


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A key was proved: the open subscriptions see more than before; then send the text."""

    key: PublicKey
    text: str


Action = Reply | Admit | Open | Tally | Shut | Authenticated


@dataclass(frozen=True, slots=True)
class Farewell:
    """How to close the connection."""

    code: int
    reason: str


class Session:
    """The state of one connection."""

    def __init__(
        self,
        *,
        challenge: str,
        relay_urls: Sequence[str],
        protection: ReadProtection,
        limits: SessionLimits,
        origin: Origin | None = None,
    ) -> None:
        """Take a challenge that nobody can guess, by which addresses clients may name this relay, and their own."""
        self.keys: frozenset[PublicKey] = frozenset()
        self.farewell: Farewell | None = None
        self.sender = "" if origin is None else origin.name
        """The address that it comes from."""
        self._challenge = challenge
        self._relay_urls = tuple(relay_urls)
        self._protection = protection
        self._limits = limits
        self._events = Rate(limits.events, None if origin is None else origin.events)
        self._event_bytes = Rate(limits.event_bytes, None if origin is None else origin.event_bytes)
        self._queries = Rate(limits.queries, None if origin is None else origin.queries)
        self._subscriptions: dict[str, Subscription] = {}
        self._bad_frames = 0
        self._failed_auths = 0

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """The open ones."""
        return tuple(self._subscriptions.values())

    def greet(self) -> str:
        """Return what a client hears first: the challenge, so that it can authenticate before it asks (NIP-42)."""
        return write_challenge(self._challenge)

    def receive(self, frame: str | bytes, moment: Moment) -> Sequence[Action]:
        """Return what to do about a frame. Anything at all may come."""
        try:
            if isinstance(frame, bytes):
                raise Unusable("messages are text frames")
            message = parse_client_message(frame, self._limits.message)
        except Unusable as error:
            return self._refuse(error, moment)
        if isinstance(message, Publish):
            return [Admit(message.event, self._wait_to_publish(frame, moment))]
        return _VERBS[type(message)](self, message, moment)

    def count_bad_frame(self) -> None:
        """Count a frame that makes no sense; too many of them end the connection."""
        self._bad_frames += 1
        if self._bad_frames >= self._limits.max_bad_frames:
            self.farewell = Farewell(1008, "too many frames that make no sense")

    def forget(self, subscription: Subscription) -> None:
        """Let go of a subscription that we close ourselves."""
        self._subscriptions.pop(subscription.id, None)

    def _refuse(self, error: Unusable, moment: Moment) -> Sequence[Action]:
        words = words_for(error)
        if error.is_garbled and error.subject is not None:
            self.count_bad_frame()
        match error.verb, error.subject:
            case "EVENT" | "AUTH", str(event_id):
                self._charge(self._events if error.verb == "EVENT" else self._queries, moment)
                if error.verb == "AUTH":
                    self._count_failed_auth()
                return [Reply(write_ok(event_id, False, words))]
            case "REQ", str(subscription_id):
                self._charge(self._queries, moment)
                return self._close(subscription_id, words)
            case "COUNT", str(query):
                self._charge(self._queries, moment)
                return [Reply(write_closed(query, words))]
        self.count_bad_frame()
        return [Reply(write_notice(words))]

    def _charge(self, rate: Rate, moment: Moment) -> None:
        # Told what was wrong with which of its messages, a client may learn; beyond its rate it does not seem to.
        if rate.take(moment.monotonic):
            self.count_bad_frame()

    def _wait_to_publish(self, frame: str, moment: Moment) -> float:
        if wait := self._events.take(moment.monotonic):
            return wait
        size = len(frame) if frame.isascii() else len(frame.encode())
        wait = self._event_bytes.take(moment.monotonic, kib(size))
        if wait:
            self._events.give_back()
        return wait

    def _request(self, message: Request, moment: Moment) -> Sequence[Action]:
        views = self._protection.views(message.filters, self.keys)
        try:
            self._take_query(moment)
            self._protection.check_request(views, self.keys)
            others = [one for identity, one in self._subscriptions.items() if identity != message.subscription]
            if len(others) >= self._limits.max_subscriptions:
                raise RateLimited(f"no more than {self._limits.max_subscriptions} subscriptions, close one first")
            self._check_weight(message.filters, others)
        except Refused as refused:
            return self._close(message.subscription, words_for(refused))
        replaced = self._shut(message.subscription)
        opened = Subscription(message.subscription, views, max_held=self._limits.max_held_events)
        self._subscriptions[opened.id] = opened
        return [*replaced, Open(opened)]

    def _count(self, message: Count, moment: Moment) -> Sequence[Action]:
        # Its ids are its own (NIP-45): a refusal says CLOSED, and closes no subscription.
        views = self._protection.views(message.filters, self.keys)
        try:
            self._take_query(moment)
            self._protection.check_request(views, self.keys)
            self._check_weight(message.filters, self.subscriptions)
        except Refused as refused:
            return [Reply(write_closed(message.query, words_for(refused)))]
        return [Tally(message.query, views)]

    def _end(self, message: Close, moment: Moment) -> Sequence[Action]:
        # Carried out whatever the rate: it costs less than to be asked again.
        actions = self._shut(message.subscription)
        try:
            self._take_query(moment)
        except Refused as refused:
            return [*actions, Reply(write_notice(words_for(refused)))]
        return actions

    def _authenticate(self, message: Authenticate, moment: Moment) -> Sequence[Action]:
        event = message.event
        try:
            # First, because to verify what is forged costs more than to forge it.
            self._take_query(moment)
            key = self._prove(event, moment.now)
        except (NipError, Refused) as refused:
            if not isinstance(refused, RateLimited):
                self._count_failed_auth()
            return [Reply(write_ok(event.id, False, words_for(refused)))]
        self.keys |= {key}
        for subscription in self._subscriptions.values():
            filters = [view.wanted for view in subscription.views]
            subscription.views = self._protection.views(filters, self.keys)
        return [Authenticated(key, write_ok(event.id, True))]

    def _prove(self, event: Event, now: int) -> PublicKey:
        address = relay_address(event.first_tag("relay") or "")
        named = [url for url in self._relay_urls if relay_address(url) == address]
        key = check_auth(
            event,
            relay_url=[*named, *self._relay_urls][0],
            challenge=self._challenge,
            now=now,
            window_seconds=self._limits.auth_window_seconds,
        )
        if key not in self.keys and len(self.keys) >= self._limits.max_keys:
            raise Blocked(f"no more than {self._limits.max_keys} keys on one connection")
        return key

    def _count_failed_auth(self) -> None:
        self._failed_auths += 1
        if self._failed_auths >= self._limits.max_failed_auths:
            self.farewell = Farewell(1008, "too many failed attempts to authenticate")

    def _take_query(self, moment: Moment) -> None:
        if wait := self._queries.take(moment.monotonic):
            raise slow_down(wait)

    def _check_weight(self, filters: Sequence[Filter], others: Sequence[Subscription]) -> None:
        weight = sum(wanted.weight for wanted in filters) + sum(one.weight for one in others)
        if weight > self._limits.max_filter_values:
            raise RateLimited(f"no more than {self._limits.max_filter_values} values in all filters, ask for less")

    def _close(self, subscription_id: str, words: str) -> Sequence[Action]:
        # CLOSED ends whatever had the id until now, so that both sides agree on what is open.
        return [*self._shut(subscription_id), Reply(write_closed(subscription_id, words))]

    def _shut(self, subscription_id: str) -> Sequence[Action]:
        subscription = self._subscriptions.pop(subscription_id, None)
        return [] if subscription is None else [Shut(subscription)]


_VERBS: Mapping[type[ClientMessage], Callable[..., Sequence[Action]]] = {
    Request: Session._request,
    Count: Session._count,
    Close: Session._end,
    Authenticate: Session._authenticate,
}
