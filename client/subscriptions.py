"""What is asked of one relay: a filter list by name, and how far the relay is with it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from nips.event import Event, VerifiedEvent
from nips.filter import Filter


class SubscriptionState(StrEnum):
    """How far a subscription is on the current connection."""

    IDLE = "idle"
    """Not asked: there is no connection."""
    HELD = "held"
    """Not asked yet, or refused until authentication is over."""
    ASKED = "asked"
    """Asked; stored events may be on their way."""
    LIVE = "live"
    """The relay sent all it had stored; what comes now is new."""
    DELAYED = "delayed"
    """The relay ended it for now; it is asked again after a while."""
    REFUSED = "refused"
    """The relay will not serve it. It is asked again when authenticated or connected anew, or after a long while."""


@dataclass(slots=True)
class Subscription:
    """One subscription. Its name is its id on the wire."""

    name: str
    filters: tuple[Filter, ...]
    state: SubscriptionState = SubscriptionState.IDLE
    demand: str = ""
    """The relay's words when it asked for authentication since the REQ was last sent; empty when it did not."""
    is_sent: bool = False
    """Whether the relay may hold it open, so that giving it up needs a CLOSE."""
    delays: int = 0
    """How often this connection's relay asked to come back later."""

    @property
    def is_settled(self) -> bool:
        """Tell whether the relay has said what it will do."""
        return self.state in (SubscriptionState.LIVE, SubscriptionState.REFUSED)

    def wants(self, event: Event) -> bool:
        """Tell whether an event is what was asked for."""
        return any(wanted.matches(event) for wanted in self.filters)

    def forget_connection(self) -> None:
        """Start over: whatever a relay knew of it is gone."""
        self.state = SubscriptionState.IDLE
        self.demand = ""
        self.is_sent = False
        self.delays = 0


@dataclass(frozen=True, slots=True)
class Received:
    """An event for a subscription, verified, and not handed on before as far as is remembered."""

    name: str
    event: VerifiedEvent


@dataclass(frozen=True, slots=True)
class StoredEnded:
    """A subscription's stored events are all there; said again after each time it was asked."""

    name: str


@dataclass(frozen=True, slots=True)
class SubscriptionRefused:
    """The relay will not serve a subscription; said again each time that it was asked in vain."""

    name: str
    message: str


class RecentlySeen:
    """The last `limit` things that were seen; what is older may be taken for new again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._seen

    def add(self, key: tuple[str, str]) -> None:
        """Remember a subscription's name and an event's id."""
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > self._limit:
            self._seen.popitem(last=False)
