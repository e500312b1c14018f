"""Keys in a domain's list of names."""

from __future__ import annotations

import json

import pytest

from nips.errors import InvalidDocument
from nips.nip05 import parse_listed_keys
from tests.support.wraps import AUTHOR, STRANGER

ALICE, BOB = AUTHOR.public_key, STRANGER.public_key


def test_all_keys_count_whatever_their_names() -> None:
    document = {"names": {"_": ALICE, "bob": BOB, "robert": BOB}, "relays": {ALICE: ["wss://relay.example"]}}
    assert parse_listed_keys(json.dumps(document).encode()) == {ALICE, BOB}


def test_list_without_names_is_empty() -> None:
    assert parse_listed_keys(b'{"names":{}}') == frozenset()


@pytest.mark.parametrize("entry", ["npub1", ALICE.upper(), ALICE[:-1], 7, None, [ALICE]])
def test_entry_without_a_key_takes_no_other_along(entry: object) -> None:
    assert parse_listed_keys(json.dumps({"names": {"odd": entry, "bob": BOB}}).encode()) == {BOB}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"7",
        b"{}",
        b'{"names":[]}',
        b'{"names":null}',
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"names":{},',
    ],
)
def test_document_that_is_no_list_of_names_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidDocument):
        parse_listed_keys(body)
