"""Mutants read by software of others, too: what we take, it takes with the same meaning; what we refuse, we say why."""

from __future__ import annotations

import json

import nostr_sdk as sdk
import pytest

from nips.errors import NipError
from nips.event import parse_event, verify_event
from nips.nip59 import WrapWindow, check_times, open_wrap
from nips.strict_json import parse
from tests.fuzz.cases import a_case
from tests.support.wraps import BRIDGE, NOW

EVENTS = 2000
WRAPS = 300

STRICTER = (
    "lower-case hex digits",
    "integer out of range",
    "number out of range",
    "lone surrogate",
    "nested deeper",
    "a key appears twice",
    "is not JSON",
)
"""What we refuse, and others take: see `nips/strict_json.py`, and NIP-01 for hex."""


def _event_text(number: int) -> str:
    # Beyond Python no text holds a lone surrogate.
    return a_case("event", seed=5, number=number).encode("utf-8", "replace").decode()


def _our_refusal(text: str) -> str | None:
    try:
        verify_event(parse_event(parse(text, max_bytes=131_072)))
    except NipError as error:
        return str(error)
    return None


def _is_theirs(text: str) -> bool:
    try:
        return bool(sdk.Event.from_json(text).verify())
    except sdk.NostrSdkError:
        return False


def test_events_are_taken_by_both_or_refused_by_both_for_a_reason() -> None:
    taken = 0
    for number in range(EVENTS):
        text = _event_text(number)
        refusal, is_theirs = _our_refusal(text), _is_theirs(text)
        taken += refusal is None
        if refusal is None:
            assert is_theirs, (number, text)
        elif is_theirs:
            assert any(words in refusal for words in STRICTER), (number, refusal, text)
    assert taken > 100


def test_wrap_that_opens_here_opens_there_with_the_same_rumor() -> None:
    opened = 0
    bridge = sdk.Keys(sdk.SecretKey.parse(BRIDGE.reveal().hex()))
    for number in range(WRAPS):
        text = a_case("wrap", seed=5, number=number)
        try:
            event = verify_event(parse_event(parse(text, max_bytes=131_072)))
            check_times(event, now=NOW, window=WrapWindow())
            ours = open_wrap(event, BRIDGE)
        except NipError:
            continue
        opened += 1
        theirs = sdk.UnwrappedGift.from_gift_wrap(bridge, sdk.Event.from_json(text)).rumor()
        assert json.loads(theirs.as_json()) == json.loads(ours.to_json()), number
    assert opened > 20


def test_case_that_only_others_take_is_there() -> None:
    # Without any the comparison would not show that we are stricter.
    assert any(_is_theirs(text) and _our_refusal(text) for text in map(_event_text, range(EVENTS)))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"id":1}'])
def test_what_is_no_event_is_none_to_both(text: str) -> None:
    assert _our_refusal(text)
    assert not _is_theirs(text)
