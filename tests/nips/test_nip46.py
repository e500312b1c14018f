"""Bunker addresses are read strictly; replies as far as bunkers differ in how they write them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nips.errors import InvalidEntity, InvalidMessage
from nips.nip46 import Bunker, SignerReply, parse_bunker, parse_signer_reply, write_signer_request
from tests.support.strategies import json_values, texts
from tests.support.wraps import STRANGER

KEY = STRANGER.public_key


def test_address_names_key_relays_and_secret() -> None:
    uri = f"bunker://{KEY}?relay=wss%3A%2F%2Frelay.example&relay=wss://other.example:7777/path&secret=s3cret"
    assert parse_bunker(uri) == Bunker(KEY, ("wss://relay.example", "wss://other.example:7777/path"), "s3cret")
    assert parse_bunker(f"bunker://{KEY}?relay=ws://localhost&perms=x") == Bunker(KEY, ("ws://localhost",))


def test_secret_stays_out_of_logs() -> None:
    assert "s3cret" not in repr(parse_bunker(f"bunker://{KEY}?relay=wss://r&secret=s3cret"))
    assert "private" not in repr(SignerReply("1", "private", ""))


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "bunker://",
        f"bunker://{KEY}",
        f"bunker://{KEY}?secret=x",
        f"bunker://{KEY.upper()}?relay=wss://r",
        f"bunker://{KEY[:-1]}?relay=wss://r",
        f"nostrconnect://{KEY}?relay=wss://r",
        f"bunker://{KEY}?" + "&".join(["relay=wss://r"] * 11),
        f"bunker://{KEY}?" + "&".join(["relay=wss://r"] * 50),
        f"bunker://{KEY}?relay=wss://r\n",
        f"bunker://{KEY}?relay=wss://" + "r" * 5000,
        f"bunker://[{KEY}?relay=wss://r",
    ],
    ids=lambda uri: uri[:40],
)
def test_anything_else_is_no_address(uri: str) -> None:
    with pytest.raises(InvalidEntity):
        parse_bunker(uri)


@given(texts)
def test_no_text_falls_over(text: str) -> None:
    with pytest.raises(InvalidEntity):
        parse_bunker("bunker://" + text)


def test_request_is_what_bunkers_read() -> None:
    assert json.loads(write_signer_request("1", "nip44_encrypt", ["key", "é"])) == {
        "id": "1",
        "method": "nip44_encrypt",
        "params": ["key", "é"],
    }


@pytest.mark.parametrize(
    ("said", "result", "error"),
    [
        ({"result": "r"}, "r", ""),
        ({"result": "r", "error": None}, "r", ""),
        ({"result": "", "error": "no"}, "", "no"),
        ({"result": None, "error": "no", "more": 1}, "", "no"),
        ({"result": "auth_url", "error": "https://x"}, "auth_url", "https://x"),
    ],
)
def test_reply_is_read_however_it_leaves_things_out(said: dict[str, object], result: str, error: str) -> None:
    assert parse_signer_reply(json.dumps({"id": "1", **said}), max_bytes=1000) == SignerReply("1", result, error)


@given(st.one_of(json_values.map(json.dumps), texts))
def test_anything_else_is_no_reply(text: str) -> None:
    try:
        reply = parse_signer_reply(text, max_bytes=1000)
    except InvalidMessage:
        return
    assert isinstance(json.loads(text), dict)
    assert reply.request_id == json.loads(text)["id"]


@pytest.mark.parametrize("said", [{"id": 1}, {}, {"id": "1", "result": 1}, {"id": "1", "error": {}}, [], "x" * 2000])
def test_reply_of_a_wrong_form_is_refused(said: object) -> None:
    with pytest.raises(InvalidMessage):
        parse_signer_reply(json.dumps(said), max_bytes=1000)
