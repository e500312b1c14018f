"""NIP-42: an AUTH event proves one key, for one relay, challenge and moment."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nips.errors import InvalidAuth
from nips.event import Event, parse_event, sign_event
from nips.nip42 import check_auth, make_auth, relay_address
from tests.support.strategies import texts
from tests.support.wraps import AUTHOR, NOW, STRANGER, drawn

RELAY = "wss://relay.example.com"
CHALLENGE = "b1c7b9a6"


def _answer(**changes: Any) -> Event:
    asked = {"relay_url": RELAY, "challenge": CHALLENGE, "created_at": NOW, **changes}
    # As it arrives: nothing about it is verified yet.
    return parse_event({**make_auth(AUTHOR, **asked, aux=drawn("aux")).to_dict(), "tags": _tags(asked)})


def _tags(asked: dict[str, Any]) -> list[list[str]]:
    return [["relay", asked["relay_url"]], ["challenge", asked["challenge"]]]


def _check(event: Event, *, relay_url: str = RELAY, challenge: str = CHALLENGE) -> str:
    return check_auth(event, relay_url=relay_url, challenge=challenge, now=NOW, window_seconds=600)


def test_answer_proves_its_author() -> None:
    event = make_auth(AUTHOR, relay_url=RELAY, challenge=CHALLENGE, created_at=NOW, aux=drawn("aux"))
    assert (event.kind, event.content) == (22242, "")
    assert event.tags == (("relay", RELAY), ("challenge", CHALLENGE))
    assert _check(event) == _check(_answer()) == AUTHOR.public_key


@pytest.mark.parametrize("away", [-600, 600])
def test_answer_counts_to_the_edge_of_its_window(away: int) -> None:
    assert _check(_answer(created_at=NOW + away)) == AUTHOR.public_key
    with pytest.raises(InvalidAuth, match="created_at"):
        _check(_answer(created_at=NOW + away + (1 if away > 0 else -1)))


def test_event_of_another_kind_proves_nothing() -> None:
    event = sign_event(AUTHOR, created_at=NOW, kind=1, tags=_answer().tags, content="", aux=drawn("aux"))
    with pytest.raises(InvalidAuth, match="kind: not 22242"):
        _check(event)


@pytest.mark.parametrize("challenge", ["", "b1c7b9a", "b1c7b9a66", "B1C7B9A6", "é"])
def test_answer_to_another_challenge_is_refused(challenge: str) -> None:
    with pytest.raises(InvalidAuth, match="challenge"):
        _check(_answer(challenge=challenge))


@pytest.mark.parametrize(
    "relay_url",
    [
        "",
        "wss://",
        "wss://other.example.com",
        "wss://relay.example.com.evil.net",
        "wss://relay.example.com@evil.net",
        "wss://relay.example.com:8443",
        "https://relay.example.com",
        "relay.example.com",
        "wss://[",
    ],
)
def test_answer_to_another_relay_is_refused(relay_url: str) -> None:
    with pytest.raises(InvalidAuth, match="relay: not this relay"):
        _check(_answer(relay_url=relay_url))


@pytest.mark.parametrize(
    "relay_url",
    [
        RELAY + "/",
        RELAY + "/path?a=b",
        "WSS://Relay.Example.COM",
        RELAY + ":443",
        RELAY + ".",
        "ws://relay.example.com:443",
    ],
)
def test_same_host_and_port_is_the_same_relay(relay_url: str) -> None:
    assert _check(_answer(relay_url=relay_url)) == AUTHOR.public_key


@pytest.mark.parametrize("relay_url", ["", "relay.example.com", "https://relay.example.com"])
def test_relay_without_an_address_admits_nobody(relay_url: str) -> None:
    for said in ("", relay_url, RELAY):
        with pytest.raises(InvalidAuth, match="relay"):
            _check(_answer(relay_url=said), relay_url=relay_url)


@pytest.mark.parametrize("name", ["relay", "challenge"])
def test_answer_without_a_tag_is_refused(name: str) -> None:
    tags = [tag for tag in _answer().tags if tag[0] != name]
    for more in ([], [(name,)]):
        event = sign_event(AUTHOR, created_at=NOW, kind=22242, tags=[*tags, *more], content="", aux=drawn("aux"))
        with pytest.raises(InvalidAuth, match=name):
            _check(event)


@pytest.mark.parametrize(
    "forged",
    [
        dataclasses.replace(_answer(), pubkey=STRANGER.public_key),
        dataclasses.replace(_answer(), id="00" * 32),
        dataclasses.replace(_answer(), sig="00" * 64),
        dataclasses.replace(_answer(), content="more"),
    ],
)
def test_forged_answer_is_refused_as_an_answer(forged: Event) -> None:
    with pytest.raises(InvalidAuth, match=r"^(id|sig): "):
        _check(forged)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ws://a", ("a", 80)),
        ("wss://a", ("a", 443)),
        ("WSS://A.B/c?d#e", ("a.b", 443)),
        ("ws://a:7777", ("a", 7777)),
        ("wss://user:pass@a:1", ("a", 1)),
        ("ws://[2001:db8::1]:81/", ("2001:db8::1", 81)),
        ("ws://a.:80", ("a", 80)),
        ("ws://a:65535", ("a", 65535)),
    ],
)
def test_address_of_a_relay(url: str, address: tuple[str, int]) -> None:
    assert relay_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a",
        "a:80",
        "//a",
        "http://a",
        "wss:a",
        "wss://",
        "wss://:443",
        "wss://.",
        "ws://a:0",
        "ws://a:65536",
        "ws://a:x",
        "ws://[",
        "ws://\u2100",
        " ws://a",
        "ws://a ",
        "ws://a b",
        "ws://a\nb",
        "ws://a\tb",
        "\x00ws://a",
        "ws://a\x7f",
    ],
)
def test_what_has_no_address(url: str) -> None:
    assert relay_address(url) is None


@given(st.one_of(texts, texts.map("wss://{}".format)))
@settings(max_examples=150)
def test_arbitrary_text_has_an_address_or_none(url: str) -> None:
    address = relay_address(url)
    assert address is None or (address[0] and 1 <= address[1] <= 65535)
