"""Requests to vanish: which relay they are for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nips.errors import InvalidEvent
from nips.event import Event
from nips.keys import PublicKey
from nips.nip62 import check_vanish

OWN = ("wss://relay.example.org/inbox", "ws://127.0.0.1:7447")


def check(*relays: str) -> None:
    tags = tuple(("relay", url) for url in relays)
    check_vanish(Event("e" * 64, PublicKey("a" * 64), 1, 62, tags, "", "f" * 128), relay_urls=OWN)


@pytest.mark.parametrize(
    "relays",
    [
        ["wss://relay.example.org/inbox"],
        ["wss://relay.example.org"],
        ["wss://RELAY.example.org:443/"],
        ["ws://127.0.0.1:7447"],
        ["wss://other.example", "wss://relay.example.org"],
        ["ALL_RELAYS"],
        ["wss://other.example", "ALL_RELAYS"],
    ],
)
def test_request_for_this_relay_or_all_is_for_us(relays: Sequence[str]) -> None:
    check(*relays)


@pytest.mark.parametrize(
    "relays",
    [
        ["wss://other.example"],
        ["wss://relay.example.org:8443"],
        ["ws://relay.example.org"],
        ["all_relays"],
        ["https://relay.example.org"],
        ["relay.example.org"],
        [""],
    ],
)
def test_request_for_others_is_refused(relays: Sequence[str]) -> None:
    with pytest.raises(InvalidEvent, match="not this relay"):
        check(*relays)


def test_request_names_a_relay() -> None:
    with pytest.raises(InvalidEvent, match="has a relay tag"):
        check()
