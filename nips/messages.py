"""Messages between client and relay (NIP-01, NIP-42, NIP-45, NIP-67): parsing and writing, both ways.

Texts are written here and nowhere else, so a quote in somebody's subscription id can never break a frame.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nips.errors import InvalidMessage, UnsupportedFilter
from nips.event import Event, parse_event
from nips.filter import Filter, parse_filter
from nips.strict_json import Exact, dump_exact, parse


class Prefix(StrEnum):
    """Machine-readable beginnings of OK and CLOSED messages (NIP-01, NIP-42)."""

    DUPLICATE = "duplicate"
    POW = "pow"
    BLOCKED = "blocked"
    RATE_LIMITED = "rate-limited"
    INVALID = "invalid"
    RESTRICTED = "restricted"
    MUTE = "mute"
    ERROR = "error"
    AUTH_REQUIRED = "auth-required"
    UNSUPPORTED = "unsupported"

    def says(self, reason: str) -> str:
        """Return the whole message: prefix, colon, reason."""
        return f"{self.value}: {reason}"


class Hint(StrEnum):
    """What EOSE may say about stored events (NIP-67)."""

    FINISH = "finish"
    """Every one that matches was sent."""
    MORE = "more"
    """Not every one was."""


def prefix_of(message: str) -> Prefix | None:
    """Return the prefix that a message starts with, or None."""
    word, colon, _ = message.partition(":")
    return Prefix(word) if colon and word in set(Prefix) else None


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """What a peer may send us in one message; sizes in bytes of UTF-8, the rest in pieces."""

    max_message_bytes: int = 131_072
    max_subscription_id: int = 64
    max_filters: int = 10
    max_filter_values: int = 500
    """In one field of a filter."""
    max_tag_conditions: int = 3
    """In one filter."""


@dataclass(frozen=True, slots=True)
class Publish:
    """`EVENT` from a client."""

    event: Event


@dataclass(frozen=True, slots=True)
class Request:
    """`REQ` from a client: open or replace a subscription."""

    subscription: str
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """`COUNT` from a client: how many stored events match any of the filters (NIP-45)."""

    query: str
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Close:
    """`CLOSE` from a client."""

    subscription: str


@dataclass(frozen=True, slots=True)
class Authenticate:
    """`AUTH` from a client (NIP-42)."""

    event: Event


ClientMessage = Publish | Request | Count | Close | Authenticate


@dataclass(frozen=True, slots=True)
class Delivered:
    """`EVENT` from a relay."""

    subscription: str
    event: Event


@dataclass(frozen=True, slots=True)
class Ok:
    """`OK` from a relay: the verdict on one event."""

    event_id: str
    accepted: bool
    message: str


@dataclass(frozen=True, slots=True)
class EndOfStored:
    """`EOSE` from a relay."""

    subscription: str
    hint: Hint | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """`COUNT` from a relay."""

    query: str
    amount: int


@dataclass(frozen=True, slots=True)
class Closed:
    """`CLOSED` from a relay: it ended or refused a subscription."""

    subscription: str
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """`NOTICE` from a relay, for humans."""

    text: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """`AUTH` from a relay (NIP-42)."""

    challenge: str


RelayMessage = Delivered | Ok | EndOfStored | Counted | Closed | Notice | Challenge


_ASKED = re.compile(r'\s*\[\s*"(REQ|COUNT)"\s*,\s*"([^"\\\x00-\x1f\ud800-\udfff]{1,64})"')
_SENT = re.compile(r'\s*\[\s*"(EVENT|AUTH)"\s*,\s*\{')
_ID_FIELD = re.compile(r'"id"\s*:\s*"([0-9a-f]{64})"')

_SALVAGE_REACH = 1000
"""Characters in which the id of an event is looked for that cannot be read."""


class Unusable(InvalidMessage):
    """A message that breaks a rule, with what is needed to say so in the right form.

    `subject` is the event id or the subscription id, where one could be read; of text that `is_garbled`, that it cannot
    be read as JSON with one meaning, from its beginning.
    """

    def __init__(
        self, reason: str, verb: str | None = None, subject: str | None = None, *, is_garbled: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.verb = verb
        self.subject = subject
        self.is_garbled = is_garbled


class Unsupported(Unusable):
    """A message that is well-formed, as far as we know, and asks for what we do not do."""


def parse_client_message(text: str, limits: MessageLimits) -> ClientMessage:
    """Read one client message; raise `Unusable` naming verb and subject as far as they could be read."""
    verb, message = _parse(text, limits.max_message_bytes)
    if verb in ("EVENT", "AUTH"):
        if len(message) != 2:
            raise Unusable(f"{verb} has exactly one event", verb)
        event = _event(verb, message[1])
        return Publish(event) if verb == "EVENT" else Authenticate(event)
    if verb in ("REQ", "COUNT"):
        subscription = _subscription(verb, message, limits)
        filters = _filters(verb, subscription, message[2:], limits)
        return Request(subscription, filters) if verb == "REQ" else Count(subscription, filters)
    if verb == "CLOSE":
        if len(message) != 2:
            raise Unusable("CLOSE has exactly one subscription id", verb)
        return Close(_subscription(verb, message, limits))
    raise Unsupported("unknown verb")


def _parse(text: str, max_bytes: int) -> tuple[str, list[Any]]:
    try:
        message = parse(text, max_bytes=max_bytes)
    except ValueError as error:
        raise Unusable(str(error), *_salvaged(text), is_garbled=True) from None
    if not isinstance(message, list) or not message or not isinstance(message[0], str):
        raise Unusable("a message is an array that begins with its verb")
    return message[0], message


def _salvaged(text: str) -> tuple[str | None, str | None]:
    """Return verb and subject of a text that is refused as a whole, where its beginning shows them plainly."""
    if asked := _ASKED.match(text):
        return asked[1], asked[2]
    if sent := _SENT.match(text):
        identity = _ID_FIELD.search(text, sent.end(), sent.end() + _SALVAGE_REACH)
        return sent[1], identity[1] if identity else None
    return None, None


def _event(verb: str, value: object) -> Event:
    try:
        return parse_event(value)
    except ValueError as error:
        identity = value.get("id") if isinstance(value, dict) else None
        readable = isinstance(identity, str) and len(identity) <= 64
        raise Unusable(str(error), verb, identity if readable else None) from None


def _subscription(verb: str, message: list[Any], limits: MessageLimits) -> str:
    longest = limits.max_subscription_id
    subscription = message[1] if len(message) > 1 else None
    if not isinstance(subscription, str) or not 1 <= len(subscription) <= longest:
        raise Unusable(f"a subscription id is a string of 1 to {longest} characters", verb)
    return subscription


def _filters(verb: str, subscription: str, values: list[Any], limits: MessageLimits) -> tuple[Filter, ...]:
    if not values:
        raise Unusable(f"{verb} needs at least one filter", verb, subscription)
    if len(values) > limits.max_filters:
        raise Unusable(f"more than {limits.max_filters} filters", verb, subscription)
    try:
        return tuple(
            parse_filter(value, max_values=limits.max_filter_values, max_tag_conditions=limits.max_tag_conditions)
            for value in values
        )
    except UnsupportedFilter as error:
        raise Unsupported(str(error), verb, subscription) from None
    except ValueError as error:
        raise Unusable(str(error), verb, subscription) from None


def parse_relay_message(text: str, limits: MessageLimits) -> RelayMessage:
    """Read one relay message; raise `Unusable` for anything else. Extra elements and unknown hints are tolerated."""
    verb, message = _parse(text, limits.max_message_bytes)
    match message:
        case ["EVENT", str(subscription), value, *_]:
            return Delivered(subscription, _event(verb, value))
        case ["OK", str(event_id), bool(accepted), str(reason), *_]:
            return Ok(event_id, accepted, reason)
        case ["EOSE", str(subscription), *hints]:
            return EndOfStored(subscription, _hint(hints[0] if hints else None))
        case ["COUNT", str(query), {"count": int(amount)}, *_] if amount >= 0 and type(amount) is int:
            return Counted(query, amount)
        case ["CLOSED", str(subscription), str(reason), *_]:
            return Closed(subscription, reason)
        case ["NOTICE", str(notice), *_]:
            return Notice(notice)
        case ["AUTH", str(challenge), *_]:
            return Challenge(challenge)
    raise Unusable("not a relay message", verb)


def _hint(value: object) -> Hint | None:
    named = value if isinstance(value, list) else ()
    return next((hint for hint in Hint if hint in named), None)


def write_publish(event: Event) -> str:
    """Return a client's `EVENT`."""
    return f'["EVENT",{event.to_json()}]'


def write_request(subscription: str, filters: Sequence[Filter]) -> str:
    """Return a client's `REQ`."""
    return _written(["REQ", subscription, *(wanted.to_dict() for wanted in filters)])


def write_count(query: str, filters: Sequence[Filter]) -> str:
    """Return a client's `COUNT`."""
    return _written(["COUNT", query, *(wanted.to_dict() for wanted in filters)])


def write_close(subscription: str) -> str:
    """Return a client's `CLOSE`."""
    return _written(["CLOSE", subscription])


def write_authenticate(event: Event) -> str:
    """Return a client's `AUTH`."""
    return f'["AUTH",{event.to_json()}]'


def write_delivered(subscription: str, event_json: str) -> str:
    """Return a relay's `EVENT` around an event's exact JSON."""
    return f'["EVENT",{_written(subscription)},{event_json}]'


def write_ok(event_id: str, accepted: bool, message: str = "") -> str:
    """Return a relay's `OK`: always four elements, the message empty only when accepted (NIP-01)."""
    return _written(["OK", event_id, accepted, message])


def write_end_of_stored(subscription: str, hint: Hint | None = None) -> str:
    """Return a relay's `EOSE`; a hint is its third element (NIP-67)."""
    return _written(["EOSE", subscription] if hint is None else ["EOSE", subscription, [hint.value]])


def write_counted(query: str, amount: int) -> str:
    """Return a relay's `COUNT`."""
    return _written(["COUNT", query, {"count": amount}])


def write_closed(subscription: str, message: str) -> str:
    """Return a relay's `CLOSED`."""
    return _written(["CLOSED", subscription, message])


def write_notice(text: str) -> str:
    """Return a relay's `NOTICE`."""
    return _written(["NOTICE", text])


def write_challenge(challenge: str) -> str:
    """Return a relay's `AUTH`."""
    return _written(["AUTH", challenge])


def _written(value: Exact) -> str:
    return dump_exact(value).decode()
