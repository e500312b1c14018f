"""One connection to one relay, without the connection: fed with what the relay says, asked for what to tell it.

The shell that owns the socket calls `opened`, `receive`, `lost` and `tick`, sends every text that `take_text` returns,
and acts on every fact that `take_facts` returns, after each call. `now` is any clock that never steps back; the link
has no other, and no randomness.

Relays differ in when they ask for authentication (NIP-42) and in what they do with what was asked before it. The link
asks at once, answers a challenge whenever it comes, holds new REQs until the relay has answered, and then sends again
every REQ that was asked before: those that the relay closed, and those that it kept open while it withheld events.

Subscriptions and publications belong to the caller and outlive the connection: both are sent again on the next one.
Delivery is at least once. What the relay sends is verified, and matched against what was asked for.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from client.alarms import Alarms
from client.authentication import AuthAnswered, Authentication, AuthState
from client.errors import LinkFull
from client.limits import LinkLimits
from client.publications import MAX_REASON, Judged, Outcome, Publication, Verdict, judge
from client.subscriptions import (
    Received,
    RecentlySeen,
    StoredEnded,
    Subscription,
    SubscriptionRefused,
    SubscriptionState,
)
from nips import messages
from nips.errors import InvalidEvent
from nips.event import Event, VerifiedEvent, verify_event
from nips.filter import Filter
from nips.keys import PublicKey

SignAuth = Callable[[str], tuple[Sequence[VerifiedEvent], bool]]
"""Answer a challenge: an AUTH event for each of our keys, and whether these are all; others come by `authenticate`."""

_COME_BACK_LATER = (messages.Prefix.RATE_LIMITED, messages.Prefix.ERROR, None)
"""How a relay ends a subscription that it may well serve another time; without a prefix it does not say."""


@dataclass(slots=True)
class LinkCounts:
    """What came, since the link was made."""

    received: int = 0
    """Events handed on."""
    duplicates: int = 0
    mismatched: int = 0
    """Events that nobody asked for."""
    malformed: int = 0
    forged: int = 0
    """Events whose id or signature was wrong."""
    notices: int = 0


@dataclass(frozen=True, slots=True)
class Noticed:
    """Words for humans."""

    text: str


Fact = Received | StoredEnded | SubscriptionRefused | Judged | AuthAnswered | Noticed

_AlarmKind = Literal["auth", "subscription", "publication"]


class Link:
    """The state of a link to one relay."""

    def __init__(self, *, sign_auth: SignAuth | None = None, limits: LinkLimits | None = None) -> None:
        """Without `sign_auth` challenges stay unanswered and what needs authentication is refused."""
        self._sign_auth = sign_auth
        self._limits = limits or LinkLimits()
        self._subscriptions: dict[str, Subscription] = {}
        self._publications: dict[str, Publication] = {}
        self._auth = Authentication()
        self._seen = RecentlySeen(self._limits.max_seen)
        self._alarms: Alarms[tuple[_AlarmKind, str]] = Alarms()
        # By what a text is about: a newer one takes the place of one that was not sent yet.
        self._outbox: dict[tuple[str, str], str] = {}
        self._facts: list[Fact] = []
        self._counts = LinkCounts()
        self._offences = 0
        self._is_stale = False
        self.is_open = False

    def opened(self) -> None:
        """Begin a connection: ask and publish everything, again."""
        self.lost()
        self.is_open = True
        for subscription in self._subscriptions.values():
            self._ask(subscription)
        for event_id in self._publications:
            self._send(event_id)

    def lost(self) -> None:
        """End the connection. Publications keep waiting, each until its own deadline."""
        self.is_open = False
        self._auth = Authentication()
        self._outbox.clear()
        self._offences = 0
        self._is_stale = False
        self._alarms.clear(("auth", ""))
        for subscription in self._subscriptions.values():
            subscription.forget_connection()
            self._alarms.clear(("subscription", subscription.name))
        for publication in self._publications.values():
            publication.forget_connection()

    def receive(self, message: str | bytes, now: float) -> None:
        """Take one message of the relay; nothing that it holds raises."""
        if not self.is_open:
            return
        try:
            if isinstance(message, bytes):
                raise messages.Unusable("a message is text")
            self._take(messages.parse_relay_message(message, self._limits.messages), now)
        except messages.Unusable:
            self._counts.malformed += 1
            self._offences += 1
        except InvalidEvent:
            self._counts.forged += 1
            self._offences += 1

    def tick(self, now: float) -> None:
        """Act on every deadline that is due."""
        while (due := self._alarms.take_due(now)) is not None:
            kind, name = due
            if kind == "auth":
                self._facts += [AuthAnswered(key, AuthState.UNANSWERED) for key in self._auth.give_up()]
                self._conclude_auth(now)
            elif kind == "publication":
                demand = self._publications[name].demand
                self._settle(name, Verdict(Outcome.AUTH_REQUIRED if demand else Outcome.UNANSWERED, demand))
            elif (subscription := self._subscriptions[name]).state is SubscriptionState.HELD:
                self._refuse(subscription, subscription.demand, now)
            elif subscription.state is SubscriptionState.REFUSED and self._auth.is_refused:
                # Our clock may have been wrong when we signed; only a new connection brings a new challenge.
                self._is_stale = True
            else:
                self._ask(subscription)

    def next_deadline(self) -> float | None:
        """Return when `tick` has something to do, or None."""
        return self._alarms.next()

    def take_text(self) -> str | None:
        """Return the next text to send, or None."""
        if not self._outbox:
            return None
        about = next(iter(self._outbox))
        if about[0] == "REQ":
            self._subscriptions[about[1]].is_sent = True
        return self._outbox.pop(about)

    def take_facts(self) -> list[Fact]:
        """Return what happened since the last call, in order."""
        facts, self._facts = self._facts, []
        return facts

    def authenticate(self, challenge: str, answers: Sequence[VerifiedEvent], now: float) -> None:
        """Answer a challenge with those keys that took longer; one of an earlier connection is over."""
        if self.is_open and challenge in self._auth.challenges:
            self._offer(challenge, answers, True, now)

    def subscribe(self, name: str, filters: Sequence[Filter]) -> None:
        """Ask for events under a name of 1 to 64 characters, in place of what the name stood for before."""
        if not 1 <= len(name) <= self._limits.messages.max_subscription_id or not filters:
            raise ValueError("a subscription has a name of 1 to 64 characters and at least one filter")
        subscription = self._subscriptions.get(name)
        if subscription is None:
            if len(self._subscriptions) >= self._limits.max_subscriptions:
                raise LinkFull("too many subscriptions")
            subscription = self._subscriptions[name] = Subscription(name, ())
        subscription.filters = tuple(filters)
        self._alarms.clear(("subscription", name))
        if self.is_open:
            self._ask(subscription)

    def unsubscribe(self, name: str) -> None:
        """Stop asking; a name that stands for nothing is fine."""
        subscription = self._subscriptions.pop(name, None)
        if subscription is None:
            return
        self._alarms.clear(("subscription", name))
        self._outbox.pop(("REQ", name), None)
        if subscription.is_sent:
            self._outbox["CLOSE", name] = messages.write_close(name)

    def publish(self, event: Event, *, deadline: float) -> None:
        """Publish an event, now or when there is a connection; exactly one `Judged` follows, at the deadline at last.

        An event that is being published already is not sent twice; the later deadline holds. Raise `LinkFull`.
        """
        known = self._publications.get(event.id)
        if known is None:
            if len(self._publications) >= self._limits.max_publications:
                raise LinkFull("too many events wait for a verdict")
            known = self._publications[event.id] = Publication(messages.write_publish(event), deadline)
            if self.is_open:
                self._send(event.id)
        known.deadline = max(known.deadline, deadline)
        self._alarms.set(("publication", event.id), known.deadline)

    def forget(self, event_id: str) -> None:
        """Give a publication up: no verdict is wanted any more. The relay may have it or get it nevertheless."""
        self._publications.pop(event_id, None)
        self._outbox.pop(("EVENT", event_id), None)
        self._alarms.clear(("publication", event_id))

    @property
    def is_ready(self) -> bool:
        """Tell whether the relay has settled everything: no key waits for its answer, and no subscription."""
        settled = all(subscription.is_settled for subscription in self._subscriptions.values())
        return self.is_open and settled and not self._auth.is_in_progress

    @property
    def is_hopeless(self) -> bool:
        """Tell whether the connection should be closed: too much nonsense came, or only a new one may authenticate."""
        return self._is_stale or self._offences > self._limits.max_offences

    @property
    def auth(self) -> dict[PublicKey, AuthState]:
        """Return what the relay said to each key, on this connection."""
        return dict(self._auth.states)

    @property
    def subscriptions(self) -> dict[str, SubscriptionState]:
        """Return how far each subscription is."""
        return {name: subscription.state for name, subscription in self._subscriptions.items()}

    @property
    def counts(self) -> LinkCounts:
        """Return a copy of the counters."""
        return copy.copy(self._counts)

    @property
    def waiting(self) -> int:
        """Return how many publications wait for a verdict."""
        return len(self._publications)

    def _take(self, message: messages.RelayMessage, now: float) -> None:
        match message:
            case messages.Delivered(subscription=name, event=event):
                self._deliver(name, event)
            case messages.EndOfStored(subscription=name):
                self._end_of_stored(name)
            case messages.Ok(event_id=event_id, accepted=accepted, message=words):
                self._answer(event_id, accepted, words, now)
            case messages.Closed(subscription=name, message=words):
                self._closed(name, words[:MAX_REASON], messages.prefix_of(words), now)
            case messages.Challenge(challenge=challenge):
                self._challenged(challenge, now)
            case messages.Notice(text=text):
                self._counts.notices += 1
                self._facts.append(Noticed(text[:MAX_REASON]))
            case messages.Counted():
                self._counts.mismatched += 1

    def _deliver(self, name: str, event: Event) -> None:
        subscription = self._subscriptions.get(name)
        if subscription is None or not subscription.wants(event):
            self._counts.mismatched += 1
        elif (name, event.id) in self._seen:
            self._counts.duplicates += 1
        else:
            verified = verify_event(event)
            # Only what was verified is remembered: a forgery must not hide the event whose id it carries.
            self._seen.add((name, event.id))
            self._counts.received += 1
            self._facts.append(Received(name, verified))

    def _end_of_stored(self, name: str) -> None:
        subscription = self._subscriptions.get(name)
        if subscription is None:
            return
        # Some relays send it after each CLOSED, which then ends nothing. But it may also answer the second REQ, when
        # the CLOSED was for the first and late.
        was_late = subscription.state is SubscriptionState.REFUSED and subscription.demand and self._auth.successes
        if subscription.state is SubscriptionState.ASKED or was_late:
            subscription.demand = ""
            subscription.state = SubscriptionState.LIVE
            subscription.is_sent = True
            self._alarms.clear(("subscription", name))
            self._facts.append(StoredEnded(name))

    def _answer(self, event_id: str, accepted: bool, words: str, now: float) -> None:
        key = self._auth.answered(event_id, accepted)
        if key is not None:
            self._facts.append(AuthAnswered(key, self._auth.states[key], words[:MAX_REASON]))
            if not self._auth.is_in_progress:
                self._conclude_auth(now)
        elif event_id in self._publications:
            self._judge(event_id, judge(accepted, words))

    def _judge(self, event_id: str, verdict: Verdict) -> None:
        publication = self._publications[event_id]
        is_hopeless = self._sign_auth is None or publication.is_repeated
        if verdict.outcome is not Outcome.AUTH_REQUIRED or is_hopeless:
            self._settle(event_id, verdict)
        elif publication.sent_after < self._auth.successes:
            self._send_again(event_id)
        elif self._auth.may_succeed:
            publication.demand = verdict.message
        else:
            self._settle(event_id, verdict)

    def _closed(self, name: str, words: str, prefix: messages.Prefix | None, now: float) -> None:
        subscription = self._subscriptions.get(name)
        if subscription is None:
            return
        subscription.is_sent = False
        if prefix is messages.Prefix.AUTH_REQUIRED and self._sign_auth is not None and self._auth.may_succeed:
            subscription.state, subscription.demand = SubscriptionState.HELD, words
            self._alarms.set(("subscription", name), now + self._limits.auth_seconds)
        elif prefix in _COME_BACK_LATER:
            wait = self._limits.delay_seconds * 2.0 ** min(subscription.delays, 64)
            subscription.state = SubscriptionState.DELAYED
            subscription.delays += 1
            self._alarms.set(("subscription", name), now + min(wait, self._limits.max_delay_seconds))
        else:
            subscription.demand = words if prefix is messages.Prefix.AUTH_REQUIRED else ""
            self._refuse(subscription, words, now)

    def _challenged(self, challenge: str, now: float) -> None:
        if len(challenge) > self._limits.max_challenge:
            raise messages.Unusable("challenge too long")
        # Some relays repeat their challenge with each refusal; it was answered.
        if self._sign_auth is None or challenge in self._auth.challenges:
            return
        if len(self._auth.challenges) >= self._limits.max_challenges:
            raise messages.Unusable("too many challenges")
        self._offer(challenge, *self._sign_auth(challenge), now)

    def _offer(self, challenge: str, answers: Sequence[VerifiedEvent], is_all: bool, now: float) -> None:
        self._auth.offer(challenge, answers, is_all=is_all)
        self._outbox |= {("AUTH", event.id): messages.write_authenticate(event) for event in answers}
        self._alarms.set(("auth", ""), now + self._limits.auth_seconds)
        if not self._auth.is_in_progress:
            self._conclude_auth(now)

    def _conclude_auth(self, now: float) -> None:
        self._alarms.clear(("auth", ""))
        succeeded = self._auth.conclude()
        for subscription in self._subscriptions.values():
            was_refused = subscription.state is SubscriptionState.REFUSED and not subscription.demand
            if subscription.state is SubscriptionState.DELAYED or was_refused:
                continue
            if subscription.demand and not succeeded:
                self._refuse(subscription, subscription.demand, now)
            elif succeeded or subscription.state is SubscriptionState.HELD:
                self._ask(subscription)
        for event_id, publication in list(self._publications.items()):
            if publication.demand and succeeded:
                self._send_again(event_id)
            elif publication.demand:
                self._settle(event_id, Verdict(Outcome.AUTH_REQUIRED, publication.demand))

    def _ask(self, subscription: Subscription) -> None:
        subscription.demand = ""
        self._alarms.clear(("subscription", subscription.name))
        if self._auth.is_in_progress:
            subscription.state = SubscriptionState.HELD
            return
        subscription.state = SubscriptionState.ASKED
        self._outbox["REQ", subscription.name] = messages.write_request(subscription.name, subscription.filters)

    def _refuse(self, subscription: Subscription, words: str, now: float) -> None:
        if subscription.state is not SubscriptionState.REFUSED:
            subscription.state = SubscriptionState.REFUSED
            # Operators change their minds, and a connection may last for weeks.
            self._alarms.set(("subscription", subscription.name), now + self._limits.max_delay_seconds)
            self._facts.append(SubscriptionRefused(subscription.name, words))

    def _send(self, event_id: str) -> None:
        publication = self._publications[event_id]
        publication.demand = ""
        publication.sent_after = self._auth.successes
        self._outbox["EVENT", event_id] = publication.text

    def _send_again(self, event_id: str) -> None:
        self._publications[event_id].is_repeated = True
        self._send(event_id)

    def _settle(self, event_id: str, verdict: Verdict) -> None:
        self.forget(event_id)
        self._facts.append(Judged(event_id, verdict))
