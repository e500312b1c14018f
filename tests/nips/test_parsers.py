"""What holds for every parser together: nothing a peer sends raises anything else, or changes on its way unseen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nips import nip17, nip40, nip44
from nips.errors import NipError
from nips.event import Event, parse_event, verify_event
from nips.filter import parse_filter
from nips.keys import parse_public_key
from nips.messages import MessageLimits, parse_client_message, parse_relay_message
from nips.nip11 import parse_relay_information
from nips.nip19 import decode_nprofile, decode_npub, decode_nsec, parse_public_key_text, parse_secret_key_text
from nips.nip42 import check_auth
from nips.nip59 import WrapWindow, check_times, open_wrap, recipient_of
from nips.strict_json import parse
from tests.support.strategies import AWKWARD, json_values, texts
from tests.support.wraps import BRIDGE, NOW, a_rumor, a_seal, a_wrap, encrypted, opened

READERS_OF_TEXT: dict[str, Callable[[str], object]] = {
    "json": lambda text: parse(text, max_bytes=500),
    "client message": lambda text: parse_client_message(text, MessageLimits()),
    "relay message": lambda text: parse_relay_message(text, MessageLimits()),
    "relay information": lambda text: parse_relay_information(text, max_bytes=500),
    "npub": decode_npub,
    "nsec": decode_nsec,
    "nprofile": decode_nprofile,
    "public key": parse_public_key_text,
    "secret key": parse_secret_key_text,
    "hex key": parse_public_key,
    "payload": lambda text: nip44.decrypt(text, bytes(32), max_payload=1000),
    "wrap of it": lambda text: opened(a_wrap(text or " "), unsigned_seals=True),
    "wrap of a seal of it": lambda text: opened(a_wrap(a_seal(text or " ")), unsigned_seals=True),
}

READERS_OF_EVENTS: dict[str, Callable[[Event], object]] = {
    "id and signature": verify_event,
    "recipient": recipient_of,
    "times": lambda event: check_times(event, now=NOW, window=WrapWindow()),
    "expiration": nip40.expiration,
    "inbox relays": lambda event: nip17.inbox_relays(event, maximum=3),
    "auth": lambda event: check_auth(event, relay_url="wss://a", challenge="x", now=NOW, window_seconds=600),
}

WRAP = a_wrap(a_seal(a_rumor()))
MARKER = "never-quoted"

# Values that come close to what is expected, beside any at all.
near_values: st.SearchStrategy[Any] = st.one_of(
    json_values,
    st.sampled_from([*WRAP.values(), 13, 1059, 21059, [], [[]], [["p"]], [["expiration"]], [["expiration", "x"]]]),
    st.lists(st.lists(st.sampled_from(["p", "expiration", "relay", "challenge", "", BRIDGE.public_key, "wss://["]))),
)
near_events = st.dictionaries(st.sampled_from([*WRAP, "other"]), near_values).map(lambda changes: {**WRAP, **changes})
near_objects = st.dictionaries(
    st.one_of(st.sampled_from([*WRAP, "ids", "authors", "kinds", "#p", "#t", "since", "limit"]), texts), near_values
)


def _swallowing_nip_errors(read: Callable[[], object]) -> NipError | None:
    try:
        read()
    except NipError as error:
        return error
    return None


@pytest.mark.parametrize("name", READERS_OF_TEXT)
@given(
    text=st.one_of(
        st.text(), texts, json_values.map(json.dumps), near_objects.map(json.dumps), st.text(AWKWARD + '[]{}":,')
    )
)
@settings(max_examples=40)
def test_arbitrary_text_raises_nip_errors_only(name: str, text: str) -> None:
    _swallowing_nip_errors(lambda: READERS_OF_TEXT[name](text))


@given(near_events)
@settings(max_examples=300)
def test_arbitrary_events_raise_nip_errors_only(value: dict[str, Any]) -> None:
    try:
        event = parse_event(value)
    except NipError:
        return
    for read in READERS_OF_EVENTS.values():
        _swallowing_nip_errors(lambda read=read: read(event))  # type: ignore[misc]


@given(st.one_of(json_values, near_objects))
@settings(max_examples=200)
def test_arbitrary_values_raise_nip_errors_only(value: Any) -> None:
    _swallowing_nip_errors(lambda: parse_event(value))
    _swallowing_nip_errors(lambda: parse_filter(value, max_values=3, max_tag_conditions=2))
    _swallowing_nip_errors(lambda: parse_public_key(value))


@given(near_objects, st.booleans(), st.booleans())
@settings(max_examples=200)
def test_arbitrary_objects_inside_raise_nip_errors_only(value: Any, compat: bool, is_seal: bool) -> None:
    seal = {"pubkey": a_rumor()["pubkey"], "created_at": NOW, **value}
    inside = seal if is_seal else a_seal({**a_rumor(), **value})
    _swallowing_nip_errors(lambda: opened(a_wrap(inside), unsigned_seals=compat))


@pytest.mark.parametrize("name", READERS_OF_TEXT)
def test_no_error_quotes_what_was_sent(name: str) -> None:
    bait = [MARKER, json.dumps(MARKER), json.dumps([MARKER]), json.dumps({MARKER: 1}), f"{{{MARKER}", "npub1" + MARKER]
    bait += [json.dumps(["EVENT", {**WRAP, field: MARKER}]) for field in WRAP]
    bait += [
        json.dumps(["REQ", "s", {"kinds": [MARKER]}]),
        json.dumps(["REQ", "s", {MARKER: []}]),
        f'{{"{MARKER}":1,"{MARKER}":2}}',
    ]
    for text in bait:
        error = _swallowing_nip_errors(lambda text=text: READERS_OF_TEXT[name](text))  # type: ignore[misc]
        assert MARKER not in str(error), text


@pytest.mark.parametrize("field", WRAP)
def test_no_error_quotes_a_field_of_an_event(field: str) -> None:
    for value in (MARKER, [MARKER], [[MARKER, MARKER], ["expiration", MARKER], ["p", MARKER]], {MARKER: MARKER}):
        for make in (
            lambda v: {**WRAP, field: v},
            lambda v: a_wrap({**a_seal(a_rumor()), field: v}),
            lambda v: a_wrap(a_seal({**a_rumor(), field: v})),
        ):
            error = _swallowing_nip_errors(lambda make=make, value=value: opened(make(value)))  # type: ignore[misc]
            assert MARKER not in str(error)


def _survives(text: bytes) -> bool:
    """Tell whether a wrap's JSON opens; if it does, its rumor must be the one that was wrapped."""
    try:
        event = parse_event(parse(text.decode(), max_bytes=10_000))
        found = open_wrap(verify_event(event), BRIDGE)
    except (NipError, UnicodeDecodeError):
        return False
    assert json.loads(found.to_json()) == a_rumor()
    return True


def test_every_flipped_bit_of_a_wrap_is_refused() -> None:
    text = json.dumps(WRAP, separators=(",", ":")).encode()
    assert _survives(text)
    whole = int.from_bytes(text, "big")
    survivors = [bit for bit in range(len(text) * 8) if _survives((whole ^ 1 << bit).to_bytes(len(text), "big"))]
    assert survivors == []


@given(st.integers(0, len(json.dumps(WRAP)) - 1), st.text(max_size=2), st.integers(0, 2))
@settings(max_examples=200)
def test_changed_character_of_a_wrap_is_refused_or_harmless(position: int, put: str, take: int) -> None:
    text = json.dumps(WRAP)
    _survives((text[:position] + put + text[position + take :]).encode("utf-8", "surrogatepass"))


def test_swapped_layers_do_not_open() -> None:
    rumor, seal = a_rumor(), a_seal(a_rumor())
    for inside in (rumor, a_wrap(seal), encrypted(rumor, BRIDGE, BRIDGE.public_key)):
        with pytest.raises(NipError):
            opened(a_wrap(inside), unsigned_seals=True)
