"""Every parser of the project as a target: how it is read, what it may raise, and what must hold when it takes a case.

What a parser takes must come back from its own writer with the same meaning, and be what a second reader makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from bridge.errors import Dropped, Refusal
from bridge.inspection import Inspector
from bridge.settings.problems import SettingsError
from client.errors import InvalidResponse
from nips import messages, nip17, nip19, nip40, nip42, nip44
from nips.errors import (
    InvalidAuth,
    InvalidDocument,
    InvalidEntity,
    InvalidEvent,
    InvalidFilter,
    InvalidJson,
    InvalidKey,
    InvalidPayload,
    InvalidWrap,
    UnsupportedFilter,
)
from nips.event import Event, VerifiedEvent, parse_event, verify_event
from nips.filter import Filter, parse_filter
from nips.keys import parse_public_key
from nips.messages import MessageLimits, Unusable, parse_client_message, parse_relay_message
from nips.nip11 import parse_relay_information
from nips.nip59 import Rumor, WrapWindow, check_times, open_wrap, recipient_of
from nips.strict_json import MAX_DEPTH, dump, parse
from protocol.validation import Invalid
from tests.fuzz import contract, references, sealing
from tests.fuzz.judging import Finding, Target, check_words, equal
from tests.support.wraps import AUTHOR, BRIDGE, NOW

ROOM: Final = 131_072
CHALLENGE: Final = "challenge-0123456789abcdef"
RELAY: Final = "wss://relay.example"
LIMITS: Final = MessageLimits()


def read_json(case: str) -> None:
    """Compare the strict reader with the standard library's and our own writing."""
    try:
        wanted = references.read_json(case, max_bytes=ROOM, max_depth=MAX_DEPTH)
    except references.Refused as refused:
        found = parse(case, max_bytes=ROOM)
        raise Finding(f"taken, although it breaks a rule of JSON: {refused}") from None
    try:
        found = parse(case, max_bytes=ROOM)
    except InvalidJson as error:
        raise Finding(f"JSON without fault is refused: {error}") from None
    equal(found, wanted, "not the value that the standard library reads")
    equal(parse(dump(found), max_bytes=10 * ROOM), wanted, "not the same value once written and read again")


def read_event(case: str) -> None:
    """Read an event, and all that is read off an event."""
    event = parse_event(parse(case, max_bytes=ROOM))
    equal(parse_event(parse(event.to_json(), max_bytes=2 * ROOM)), event, "another event once written and read again")
    for read, refusals in _OF_EVENTS:
        try:
            read(event)
        except refusals as refusal:
            check_words(str(refusal))


def _verified(event: Event) -> None:
    verified = verify_event(event)
    equal(verified.id, references.read_event_id(event), "an id that is not the hash of the event")


def _expiring(event: Event) -> None:
    found = nip40.expiration(event)
    if found is not None and not (0 <= found < 10**16):
        raise Finding("an expiration outside its form")


def _inbox_relays(event: Event) -> None:
    urls = nip17.inbox_relays(event, maximum=3)
    if len(urls) > 3 or not all(url.isprintable() for url in urls):
        raise Finding("inbox relays past their bounds")


def _proved(event: Event) -> None:
    key = nip42.check_auth(event, relay_url=RELAY, challenge=CHALLENGE, now=NOW, window_seconds=600)
    equal((key, event.kind), (event.pubkey, 22242), "a key that this event does not prove")
    _verified(event)


_OF_EVENTS: Final[Sequence[tuple[Callable[[Event], object], type[Exception]]]] = (
    (_verified, InvalidEvent),
    (_expiring, InvalidEvent),
    (recipient_of, InvalidWrap),
    (lambda event: check_times(event, now=NOW, window=WrapWindow()), InvalidWrap),
    (_inbox_relays, InvalidEvent),
    (_proved, InvalidAuth),
)


def read_filter(case: str) -> None:
    """Read a filter."""
    wanted = parse_filter(parse(case, max_bytes=ROOM), max_values=LIMITS.max_filter_values, max_tag_conditions=3)
    _same_filter(wanted)


def _same_filter(wanted: Filter) -> None:
    text = dump(wanted.to_dict())
    again = parse_filter(parse(text, max_bytes=10 * ROOM), max_values=LIMITS.max_filter_values, max_tag_conditions=3)
    equal(again.to_dict(), wanted.to_dict(), "another filter once written and read again")
    if wanted.weight < 0 or wanted.weight > len(text):
        raise Finding("a filter that weighs more than its text")


def read_client_message(case: str) -> None:
    """Read what a client says to our relay."""
    try:
        message = parse_client_message(case, LIMITS)
    except Unusable as error:
        if error.subject is not None and len(error.subject) > 64:
            raise Finding("more than 64 characters of a peer are repeated to it") from None
        if error.verb not in (None, "EVENT", "REQ", "CLOSE", "AUTH", "COUNT"):
            raise Finding("a peer's own verb goes on") from None
        raise
    limits = MessageLimits(max_message_bytes=10 * ROOM)
    equal(parse_client_message(_client_text(message), limits), message, "another message once written and read again")


def _client_text(message: messages.ClientMessage) -> str:
    match message:
        case messages.Publish():
            return messages.write_publish(message.event)
        case messages.Authenticate():
            return messages.write_authenticate(message.event)
        case messages.Request():
            return messages.write_request(message.subscription, message.filters)
        case messages.Count():
            return messages.write_count(message.query, message.filters)
        case messages.Close():
            return messages.write_close(message.subscription)


def read_relay_message(case: str) -> None:
    """Read what another relay says to us."""
    message = parse_relay_message(case, LIMITS)
    limits = MessageLimits(max_message_bytes=10 * ROOM)
    equal(parse_relay_message(_relay_text(message), limits), message, "another message once written and read again")


def _relay_text(message: messages.RelayMessage) -> str:
    match message:
        case messages.Delivered():
            return messages.write_delivered(message.subscription, message.event.to_json())
        case messages.Ok():
            return messages.write_ok(message.event_id, message.accepted, message.message)
        case messages.EndOfStored():
            return messages.write_end_of_stored(message.subscription, message.hint)
        case messages.Counted():
            return messages.write_counted(message.query, message.amount)
        case messages.Closed():
            return messages.write_closed(message.subscription, message.message)
        case messages.Notice():
            return messages.write_notice(message.text)
        case messages.Challenge():
            return messages.write_challenge(message.challenge)


def read_information(case: str) -> None:
    """Read another relay's information document."""
    document = parse_relay_information(case, max_bytes=ROOM)
    equal(parse_relay_information(document.to_json(), max_bytes=10 * ROOM), document, "another document, read again")


def read_entity(case: str) -> None:
    """Read each entity of NIP-19 that we know; whatever is one is written like this."""
    refused: InvalidEntity | None = None
    readers: Sequence[Callable[[], str]] = (
        lambda: nip19.encode_npub(nip19.decode_npub(case)),
        lambda: nip19.encode_nsec(nip19.decode_nsec(case)),
        lambda: nip19.encode_npub(nip19.parse_public_key_text(case)),
        lambda: nip19.encode_nsec(nip19.parse_secret_key_text(case)),
    )
    for read in readers:
        try:
            text = read()
        except InvalidEntity as error:
            check_words(str(error))
            refused = error
            continue
        if case[:5].lower() in ("npub1", "nsec1"):
            equal(text, case.lower(), "another entity once written and read again")
    with suppress(InvalidKey):
        equal(parse_public_key(case), case, "another key")
    try:
        profile = nip19.decode_nprofile(case)
    except InvalidEntity:
        if refused is not None:
            raise refused from None
        return
    with suppress(InvalidEntity):
        equal(nip19.decode_nprofile(nip19.encode_nprofile(profile)), profile, "another profile, read again")


def read_payload(case: str) -> None:
    """Decrypt a payload with the key of the author's seals."""
    text = nip44.decrypt(case, sealing.OF_SEAL, max_payload=ROOM)
    if not text:
        raise Finding("an empty plaintext")
    again = nip44.encrypt(text, sealing.OF_SEAL, bytes(32))
    equal(nip44.decrypt(again, sealing.OF_SEAL, max_payload=2 * ROOM), text, "another plaintext, read again")


def read_padding(case: str) -> None:
    """Take the padding off bytes."""
    padded = case.encode("latin-1", "replace")
    text = nip44.unpad(padded)
    ours = nip44.pad(text)
    taken = (2 if len(text) < 65_536 else 6) + len(text)
    if len(ours) != len(padded) or ours[:taken] != padded[:taken]:
        raise Finding("another padding than ours")


def read_wrap(case: str) -> None:
    """Take a wrap the whole way to its rumor, strictly and with compatibility; what opens strictly opens alike."""
    wrap = _checked_wrap(case)
    try:
        strict = open_wrap(wrap, BRIDGE)
    except InvalidWrap as error:
        _check_rumor(open_wrap(wrap, BRIDGE, unsigned_seals=True))
        raise error from None
    _check_rumor(strict)
    equal(open_wrap(wrap, BRIDGE, unsigned_seals=True), strict, "compatibility changes what a proper wrap holds")


def _checked_wrap(case: str) -> VerifiedEvent:
    event = parse_event(parse(case, max_bytes=ROOM))
    recipient_of(event)
    check_times(event, now=NOW, window=WrapWindow())
    return verify_event(event)


def _check_rumor(rumor: Rumor) -> None:
    equal(rumor.pubkey, AUTHOR.public_key, "a rumor by somebody who has not sealed it")
    equal(rumor.id, references.read_event_id(rumor), "an id that is not the hash of the rumor")
    if "sig" in parse(rumor.to_json(), max_bytes=2 * ROOM):
        raise Finding("a signed rumor")


def inspect_line(case: str) -> None:
    """Inspect a line as an operator does; this never raises."""
    verdict = _INSPECTOR.inspect(case)
    if verdict["reason"] is not None:
        check_words(verdict["reason"])
    if verdict["accepted"]:
        _check_rumor(open_wrap(_checked_wrap(case), BRIDGE))


_INSPECTOR: Final = Inspector(BRIDGE, NOW, WrapWindow(), max_event_bytes=65_536, max_tags=2000, unsigned_seals=False)


def _as_seal(case: str) -> str:
    return sealing.compact(sealing.wrap_of_seal(case))


def _as_rumor(case: str) -> str:
    return sealing.compact(sealing.wrap_of_rumor(case))


def _as_padded(case: str) -> str:
    return sealing.padded_payload(case.encode("latin-1", "replace"), sealing.OF_SEAL)


PARSERS: Final = {
    target.name: target
    for target in (
        Target("json", read_json, (InvalidJson,)),
        Target("event", read_event, (InvalidJson, InvalidEvent)),
        Target("filter", read_filter, (InvalidJson, InvalidFilter, UnsupportedFilter)),
        Target("client-message", read_client_message, (Unusable,)),
        Target("relay-message", read_relay_message, (Unusable,)),
        Target("information", read_information, (InvalidDocument,)),
        Target("entity", read_entity, (InvalidEntity,)),
        Target("payload", read_payload, (InvalidPayload,)),
        Target("padded-payload", read_payload, (InvalidPayload,), dressed=_as_padded),
        Target("padding", read_padding, (InvalidPayload,)),
        Target("wrap", read_wrap, (InvalidJson, InvalidEvent, InvalidWrap)),
        Target("seal", read_wrap, (InvalidJson, InvalidEvent, InvalidWrap), dressed=_as_seal),
        Target("rumor", read_wrap, (InvalidJson, InvalidEvent, InvalidWrap), dressed=_as_rumor),
        Target("inspection", inspect_line, ()),
        Target("request", contract.read_request_content, (Dropped, Refusal, Invalid), judge=lambda refusal: None),
        Target("response", contract.read_response_content, (InvalidResponse,)),
        Target("schemas", contract.validate, (InvalidJson,)),
        Target("settings", contract.read_settings, (SettingsError,), judge=contract.check_settings_error),
        Target("forwarded", contract.read_forwarded, ()),
        Target("urls", contract.read_urls, ()),
    )
}
"""By name. A target with a dress of its own is fed through it by the guided fuzzer; mutants are built dressed."""
