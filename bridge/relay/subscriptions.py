"""Open subscriptions, and delivery of live events to them.

Wraps are looked up by recipient, since a busy relay has many listeners and each wrap is for one. Whatever else is
delivered goes past the subscriptions that name its kind and those that name none. Each looks at the same `Candidate`,
so an event's tags are gone through once, however many there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from bridge.relay.under_way import UnderWay
from bridge.relay.visibility import View, asks_for_others
from nips.event import Event, VerifiedEvent
from nips.filter import Candidate
from nips.keys import PublicKey
from nips.kinds import WRAPS, is_ephemeral, is_wrap
from nips.messages import write_delivered
from nips.nip59 import recipient_of

Push = Callable[[str], bool]
"""Hand a text to a connection without waiting; False when that connection is gone."""


class Subscription:
    """One REQ of one connection: first its stored events, then those that came meanwhile, then live ones.

    It is in the index from before the stored events are read, so no event falls into the gap; and it remembers what it
    sent until it is live, so none comes twice.
    """

    __slots__ = ("_held", "_is_live", "_max_held", "_sent", "id", "is_lost", "views", "weight")

    def __init__(self, identity: str, views: Sequence[View], *, max_held: int) -> None:
        self.id = identity
        self.views = tuple(views)
        self.weight = sum(view.wanted.weight for view in views)
        """How many values its filters hold."""
        self.is_lost = False
        """More came meanwhile than may be held: the subscription has a hole and has to be closed."""
        self._max_held = max_held
        self._held: deque[tuple[str, str]] = deque()
        self._sent: set[str] = set()
        self._is_live = False

    @property
    def is_live(self) -> bool:
        """Tell whether what comes is sent at once: stored events, EOSE and what came meanwhile are on their way."""
        return self._is_live

    @property
    def recipients(self) -> frozenset[str]:
        """Whose wraps it may show."""
        return frozenset[str]().union(*(view.recipients for view in self.views))

    @property
    def other_kinds(self) -> frozenset[int] | None:
        """Which kinds but wraps it may show; None means all."""
        kinds = [view.wanted.kinds for view in self.views if asks_for_others(view.wanted)]
        if None in kinds:
            return None
        return frozenset[int]().union(*(named for named in kinds if named is not None)) - WRAPS

    @property
    def sent(self) -> Collection[str]:
        """Ids of the events that it has been sent so far, until it is live."""
        return self._sent

    def shows(self, event: Event | Candidate) -> bool:
        """Tell whether an event matches and may be shown."""
        candidate = event if isinstance(event, Candidate) else Candidate(event)
        return any(view.shows(candidate) for view in self.views)

    def listens_to(self, pubkey: str, kind: int, now: int) -> bool:
        """Tell whether it would show a wrap of this kind, stamped now, for a key."""
        return self.shows(_any_wrap(pubkey, kind, now))

    def has_proved(self, pubkey: str) -> bool:
        """Tell whether its connection has proved a key, so that what it is sent is with whom it is for."""
        return any(pubkey in view.proved for view in self.views)

    def keys_heard(self, now: int) -> frozenset[str]:
        """Return the keys whose wraps, stamped now, it would show."""
        # But for `#p`, which is in `recipients` already, a filter takes the wraps of all its recipients or of none.
        return frozenset[str]().union(
            *(
                view.recipients
                for view in self.views
                for pubkey in sorted(view.recipients)[:1]
                if any(view.shows(_any_wrap(pubkey, kind, now)) for kind in WRAPS)
            )
        )

    def frame(self, event_id: str, event_json: str) -> str | None:
        """Return the frame of a stored event, or None when it was sent already, for another filter."""
        if event_id in self._sent:
            return None
        self._sent.add(event_id)
        return write_delivered(self.id, event_json)

    def next_held(self, under_way: UnderWay) -> str | None:
        """Return the frame of the next event held back; once there is none the subscription is live.

        Of what it was sent it remembers only what is under way, and comes once more.
        """
        while self._held:
            frame = self.frame(*self._held.popleft())
            if frame is not None:
                return frame
        self._is_live = True
        self._sent = {event_id for event_id in self._sent if event_id in under_way}
        return None

    def take(self, event_id: str, event_json: str, push: Push, *, is_promised: bool = True) -> bool:
        """Send a live event, or hold it back; return False when it will not reach the client.

        Where there is no room to hold it, one that nobody is promised is left out; any other makes a hole.
        """
        if self._is_live:
            if event_id in self._sent:
                self._sent.discard(event_id)
                return True
            return push(write_delivered(self.id, event_json))
        if len(self._held) >= self._max_held:
            if not is_promised:
                return False
            self.is_lost = True
            self._held.clear()
        if self.is_lost:
            return False
        self._held.append((event_id, event_json))
        return True


_Index = dict[str | int | None, dict[Subscription, None]]


@dataclass(frozen=True, slots=True)
class _Place:
    push: Push
    recipients: frozenset[str]
    kinds: Collection[int | None]


class Subscriptions:
    """All subscriptions of all connections. Connections bound how many each has, and what their filters name."""

    def __init__(self) -> None:
        self.under_way = UnderWay()
        """What will be delivered as soon as it is stored."""
        self._places: dict[Subscription, _Place] = {}
        self._by_recipient: _Index = {}
        self._by_kind: _Index = {}
        """Under None are those whose filters name no kind."""

    def __len__(self) -> int:
        return len(self._places)

    def add(self, subscription: Subscription, push: Push) -> None:
        """Deliver to a subscription from now on; again after its views have changed."""
        self.remove(subscription)
        kinds = subscription.other_kinds
        place = _Place(push, subscription.recipients, (None,) if kinds is None else kinds)
        self._places[subscription] = place
        for recipient in place.recipients:
            self._by_recipient.setdefault(recipient, {})[subscription] = None
        for kind in place.kinds:
            self._by_kind.setdefault(kind, {})[subscription] = None

    def remove(self, subscription: Subscription) -> None:
        """Deliver nothing more to a subscription."""
        place = self._places.pop(subscription, None)
        if place is not None:
            _forget(self._by_recipient, place.recipients, subscription)
            _forget(self._by_kind, place.kinds, subscription)

    def deliver(self, event: VerifiedEvent) -> int:
        """Send a live event to every subscription that may see it; return to how many."""
        return len(self._send(event))

    def hand_over(self, wrap: VerifiedEvent) -> bool:
        """Deliver a wrap, and tell whether a connection got it that has proved its recipient's key."""
        recipient = recipient_of(wrap)
        # What is still being sent stored events would hold it, and might never get to it.
        return any(subscription.has_proved(recipient) for subscription in self._send(wrap, to_live_only=True))

    def _send(self, event: VerifiedEvent, *, to_live_only: bool = False) -> list[Subscription]:
        candidate = Candidate(event)
        shown = [
            subscription
            for subscription in self._listeners(event)
            if (subscription.is_live or not to_live_only) and subscription.shows(candidate)
        ]
        event_json, is_promised = event.to_json() if shown else "", not is_ephemeral(event.kind)
        return [
            subscription
            for subscription in shown
            if subscription.take(event.id, event_json, self._places[subscription].push, is_promised=is_promised)
        ]

    def has_listeners(self, pubkey: str) -> bool:
        """Tell whether any subscription asks for wraps of a key, whatever else it asks of them."""
        return any(subscription.is_live for subscription in self._by_recipient.get(pubkey, ()))

    def is_listening(self, pubkey: str, kind: int, now: int) -> bool:
        """Tell whether any subscription would get a wrap of this kind, stamped now, for a key."""
        listeners = self._by_recipient.get(pubkey, ())
        return any(subscription.is_live and subscription.listens_to(pubkey, kind, now) for subscription in listeners)

    def _listeners(self, event: VerifiedEvent) -> Iterable[Subscription]:
        if is_wrap(event.kind):
            return self._by_recipient.get(recipient_of(event), {})
        return chain(self._by_kind.get(None, {}), self._by_kind.get(event.kind, {}))


def _forget(index: _Index, keys: Iterable[str | int | None], subscription: Subscription) -> None:
    for key in keys:
        listeners = index[key]
        del listeners[subscription]
        if not listeners:
            del index[key]


def _any_wrap(pubkey: str, kind: int, now: int) -> Event:
    # Its author and id are nobody's, as those of a wrap to come are unknown: a filter that names any does not match.
    return Event("", PublicKey(""), now, kind, (("p", pubkey),), "", "")
