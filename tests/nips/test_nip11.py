"""NIP-11: our document is what others read, and theirs may be anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nips.errors import InvalidDocument
from nips.nip11 import CORS_HEADERS, MEDIA_TYPE, Limitation, RelayInformation, parse_relay_information
from tests.support.strategies import json_values
from tests.support.wraps import BRIDGE

FULL = RelayInformation(
    name="Switchboard",
    description="TURN credentials by gift wrap",
    pubkey="aa" * 32,
    self=BRIDGE.public_key,
    contact="mailto:operator@example.com",
    supported_nips=(1, 11, 42, 59),
    software="switchboard",
    version="1.0",
    limitation=Limitation(max_message_length=65536, auth_required=False, restricted_writes=True, max_limit=0),
)


def _read(text: str) -> RelayInformation:
    return parse_relay_information(text, max_bytes=10_000)


def test_document_reads_back_as_written() -> None:
    assert _read(FULL.to_json()) == FULL


def test_document_has_the_fields_of_nip_11() -> None:
    assert json.loads(FULL.to_json()) == {
        "name": "Switchboard",
        "description": "TURN credentials by gift wrap",
        "pubkey": "aa" * 32,
        "self": BRIDGE.public_key,
        "contact": "mailto:operator@example.com",
        "supported_nips": [1, 11, 42, 59],
        "software": "switchboard",
        "version": "1.0",
        "limitation": {"max_message_length": 65536, "auth_required": False, "restricted_writes": True, "max_limit": 0},
    }


def test_what_is_not_said_is_left_out() -> None:
    assert json.loads(RelayInformation().to_json()) == {"limitation": {}}
    assert json.loads(RelayInformation(name="x", supported_nips=[]).to_json()) == {"name": "x", "limitation": {}}
    assert _read("{}") == RelayInformation()


def test_limits_that_relays_state_are_all_read() -> None:
    every: dict[str, Any] = {
        "max_message_length": 1,
        "max_subscriptions": 2,
        "max_limit": 3,
        "max_subid_length": 4,
        "max_event_tags": 5,
        "max_content_length": 6,
        "min_pow_difficulty": 0,
        "auth_required": True,
        "payment_required": False,
        "restricted_writes": True,
        "created_at_lower_limit": 7,
        "created_at_upper_limit": 8,
        "default_limit": 9,
    }
    assert _read(json.dumps({"limitation": every})).limitation == Limitation(**every)


@pytest.mark.parametrize("value", [None, 1, True, [], {}, ["x"]], ids=repr)
@pytest.mark.parametrize("name", ["name", "description", "contact", "software", "version", "pubkey", "self"])
def test_text_of_another_type_counts_as_absent(name: str, value: object) -> None:
    assert _read(json.dumps({name: value, "name": "kept"} if name != "name" else {name: value})) == (
        RelayInformation(name="kept") if name != "name" else RelayInformation()
    )


@pytest.mark.parametrize("value", ["", "aa", "AA" * 32, "aa" * 33, "zz" * 32, "aa" * 32 + "\n"])
@pytest.mark.parametrize("name", ["pubkey", "self"])
def test_key_of_another_form_counts_as_absent(name: str, value: str) -> None:
    assert _read(json.dumps({name: value})) == RelayInformation()


@pytest.mark.parametrize(
    "limitation",
    [
        None,
        [],
        "x",
        {"max_message_length": "1"},
        {"max_message_length": 1.5},
        {"max_message_length": True},
        {"max_message_length": None},
        {"max_message_length": -1},
        {"auth_required": 1},
        {"auth_required": "true"},
        {"restricted_writes": 0},
        {"unheard_of": 1},
    ],
    ids=repr,
)
def test_limit_of_another_type_counts_as_absent(limitation: object) -> None:
    assert _read(json.dumps({"limitation": limitation})).limitation == Limitation()


@pytest.mark.parametrize("value", [None, {}, "1", 1])
def test_list_of_nips_of_another_type_counts_as_absent(value: object) -> None:
    assert _read(json.dumps({"supported_nips": value})).supported_nips == ()


def test_nips_that_are_no_numbers_are_left_out() -> None:
    assert _read('{"supported_nips":[1,"7D",true,1.0,null,42]}').supported_nips == (1, 42)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", '"{}"', "<html>", '{"name":1,"name":2}', "{}" + " " * 10_000, "[" * 99]
)
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(InvalidDocument):
        _read(text)


@given(st.one_of(json_values, st.dictionaries(st.sampled_from([*FULL.__slots__]), json_values)))
@settings(max_examples=100)
def test_arbitrary_documents_raise_nothing_else(value: Any) -> None:
    try:
        read = _read(json.dumps(value))
    except InvalidDocument:
        return
    assert _read(read.to_json()) == read


def test_document_is_served_to_web_pages() -> None:
    assert MEDIA_TYPE == "application/nostr+json"
    assert dict(CORS_HEADERS) == {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Headers": "*",
        "Access-Control-Allow-Methods": "GET, OPTIONS",
    }
