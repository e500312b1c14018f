"""Relay lists."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nips.event import Event
from nips.keys import PublicKey, SecretKey
from nips.nip65 import RelayList, make_relay_list, parse_relay_list

A, B, C = "wss://a.example", "wss://b.example", "wss://c.example"


def read(*tags: Sequence[str], maximum: int = 10) -> RelayList:
    event = Event("e" * 64, PublicKey("a" * 64), 1, 10002, tuple(map(tuple, tags)), "", "f" * 128)
    return parse_relay_list(event, maximum=maximum)


def test_relay_without_marker_is_for_both() -> None:
    found = read(("r", A), ("r", B, "read"), ("r", C, "write"), ("r", A), ("relay", "wss://d.example"))
    assert found == RelayList(read=(A, B), write=(A, C))


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        (("r", A, ""), RelayList((A,), (A,))),
        (("r", A, "read", "more"), RelayList((A,), ())),
        (("r", A, "both"), RelayList()),
        (("r", "https://a.example"), RelayList()),
        (("r", ""), RelayList()),
        (("r",), RelayList()),
        (("R", A), RelayList()),
    ],
)
def test_what_is_no_entry_is_left_out(tag: Sequence[str], found: RelayList) -> None:
    assert read(tag) == found


def test_no_more_are_read_than_allowed() -> None:
    assert read(("r", A, "read"), ("r", B), ("r", C), maximum=2) == RelayList(read=(A, B), write=(B, C))


@pytest.mark.parametrize(
    "relays", [RelayList(), RelayList((A,), (A,)), RelayList((A, B), (C,)), RelayList((A, B), (B, C))]
)
def test_list_is_read_as_it_was_made(relays: RelayList) -> None:
    event = make_relay_list(SecretKey(bytes(31) + b"\1"), relays, created_at=7, aux=bytes(32))
    assert (event.kind, event.created_at, event.content) == (10002, 7, "")
    found = parse_relay_list(event, maximum=10)
    assert (set(found.read), set(found.write)) == (set(relays.read), set(relays.write))


def test_relay_for_both_is_named_once_and_without_a_marker() -> None:
    event = make_relay_list(SecretKey(bytes(31) + b"\1"), RelayList((A, B), (A, C)), created_at=7, aux=bytes(32))
    assert event.tags == (("r", A), ("r", B, "read"), ("r", C, "write"))
