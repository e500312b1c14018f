"""One connection as its client sees it, and the rules for all that it hears."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from bridge.relay.conversation import Conversation
from nips import kinds, messages
from nips.messages import MessageLimits, parse_relay_message, prefix_of
from nips.strict_json import parse
from tests.fuzz.frames import VICTIM
from tests.fuzz.judging import Finding, check_words

HEARING = MessageLimits(max_message_bytes=1_000_000, max_subscription_id=10_000)
LONGEST_ECHO = 64
"""Characters of an id, of an event or a subscription, that are repeated to whoever sent it."""


@dataclass(slots=True)
class House:
    """What all connections of one relay together have been told."""

    taken: set[str] = field(default_factory=set)
    """Ids of the events that were accepted."""
    frames: int = 0
    texts: int = 0


@dataclass(slots=True)
class Guest:
    """Listens on one connection."""

    house: House
    asked: set[str] = field(default_factory=set)
    """Every text and part of a text that this client has sent as a subscription id."""
    keys: set[str] = field(default_factory=set)
    """Keys that the relay has taken as proved."""
    auths: dict[str, str] = field(default_factory=dict)
    """Key by id of each AUTH event that was sent."""
    counts: dict[str, list[Any]] = field(default_factory=dict)
    """Filters of all that was asked under an id: several may be on their way at once."""
    nonsense: int = 0
    """Frames that were answered as making no sense."""

    def says(self, frame: str | bytes) -> None:
        """Take note of a frame as far as it can be read."""
        self.house.frames += 1
        if isinstance(frame, bytes):
            return
        try:
            message = parse(frame, max_bytes=1_000_000)
        except ValueError:
            # Whoever can be made out to ask for something is told CLOSED for it.
            self.asked.update(frame.split('"')[3:4])
            return
        if isinstance(message, list) and len(message) > 1:
            if isinstance(message[1], str):
                self.asked.add(message[1])
                self.counts.setdefault(message[1], []).extend(message[2:])
            if message[0] == "AUTH" and isinstance(message[1], dict):
                self.auths[str(message[1].get("id"))] = str(message[1].get("pubkey"))

    def hears(self, text: str) -> messages.RelayMessage:
        """Judge a text of the relay."""
        self.house.texts += 1
        parse(text, max_bytes=1_000_000)
        message = parse_relay_message(text, HEARING)
        match message:
            case messages.Ok():
                self._hears_ok(message)
            case messages.Closed():
                self._check_subscription(message.subscription)
                check_refusal_words(message.message)
            case messages.Notice():
                check_refusal_words(message.text)
                self.nonsense += message.text.startswith("invalid:")
            case messages.Counted():
                self._check_subscription(message.query)
                self._check_count(message)
            case messages.EndOfStored():
                self._check_subscription(message.subscription)
            case messages.Delivered():
                self._check_subscription(message.subscription)
                self._check_visible(message.event)
            case messages.Challenge():
                check_words(message.challenge, longest=64)
        return message

    def _hears_ok(self, message: messages.Ok) -> None:
        if len(message.event_id) > LONGEST_ECHO:
            raise Finding("more than an id is repeated")
        if message.accepted:
            if message.message and prefix_of(message.message) is None:
                raise Finding(f"no prefix: {message.message!r}")
            if message.event_id in self.auths:
                self.keys.add(self.auths[message.event_id])
            self.house.taken.add(message.event_id)
        else:
            check_refusal_words(message.message)

    def _check_subscription(self, subscription: str) -> None:
        if subscription not in self.asked or len(subscription) > LONGEST_ECHO:
            raise Finding("a subscription that this client has not asked for")

    def _check_count(self, counted: messages.Counted) -> None:
        filters = self.counts[counted.query]
        if counted.amount and all(_is_for(wanted, VICTIM.public_key) for wanted in filters):
            raise Finding("wraps of a key that this client has not proved are counted")

    def _check_visible(self, event: Any) -> None:
        if kinds.is_wrap(event.kind) and not self.keys & set(event.tag_values("p")):
            raise Finding("a wrap for a key that this client has not proved")


def _is_for(wanted: Any, key: str) -> bool:
    """Tell whether nothing but wraps for a key can match a filter."""
    return isinstance(wanted, dict) and wanted.get("kinds") in ([1059], [21059]) and wanted.get("#p") == [key]


def check_refusal_words(words: str) -> None:
    """Raise `Finding` unless a refusal has a prefix of NIP-01 and words for strangers."""
    if prefix_of(words) is None:
        raise Finding(f"no prefix: {words!r}")
    if prefix_of(words) is messages.Prefix.ERROR:
        raise Finding(f"a fault of ours: {words!r}")
    check_words(words)


def check_farewell(guest: Guest, conversation: Conversation, max_bad_frames: int) -> bool:
    """Tell whether the relay hangs up; raise `Finding` when it does so too early or too late, or in other words."""
    farewell = conversation.farewell
    if farewell is None:
        if guest.nonsense >= max_bad_frames:
            raise Finding("nonsense without end")
        return False
    if farewell.code != 1008 or len(farewell.reason.encode()) > 123:
        raise Finding(f"closed with {farewell.code}: {farewell.reason!r}")
    check_words(farewell.reason)
    return True


def check_stored(stored: Collection[str], taken: Collection[str]) -> None:
    """Raise `Finding` when something is stored that was refused."""
    if surplus := set(stored) - set(taken):
        raise Finding(f"{len(surplus)} events are stored that were not accepted")
