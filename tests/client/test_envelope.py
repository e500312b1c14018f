"""The envelope: requests as the contract has them, responses read strictly, whatever they hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.envelope import VERSION, Reply, parse_response, reply_kind, write_request
from client.errors import InvalidResponse, Refusal
from protocol.catalogue import load_catalogue
from protocol.validation import validate_envelope, validate_response
from tests.support.strategies import json_values, texts
from tests.support.wraps import LIVE, STORED

RESULT: dict[str, Any] = {"_v": "1.0.0", "id": "1", "server_time": 1_800_000_000, "result": {"a": 1}}
ERROR: dict[str, Any] = {"code": "BRIDGE_RATE_LIMITED", "status": 429, "message": "Wait.", "retry": True}
REFUSED = {"_v": "1.0.0", "id": "1", "server_time": 1_800_000_000, "error": ERROR}


def test_version_is_that_of_the_contract() -> None:
    assert load_catalogue().version == VERSION


def test_plain_request_holds_the_least() -> None:
    content = json.loads(write_request("1", "bridge.info", {}))
    assert content == {"_v": "1.0.0", "id": "1", "method": "bridge.info", "params": {}}
    validate_envelope(content)


def test_request_holds_what_was_wished() -> None:
    text = write_request("1", "account.get", {"a": 1}, expires_at=5, reply=Reply.STORED, invite="code")
    content = json.loads(text)
    assert content["params"] == {"a": 1}
    assert (content["expires_at"], content["reply"], content["invite"]) == (5, "stored", "code")
    validate_envelope(content)


def test_result_is_read() -> None:
    response = parse_response(json.dumps(RESULT))
    assert (response.request_id, response.server_time, response.result, response.refusal) == (
        "1",
        1_800_000_000,
        {"a": 1},
        None,
    )


def test_refusal_is_read_with_everything_that_it_may_hold() -> None:
    more: dict[str, Any] = {"retry_after": 7, "field": "/params/a", "pow_bits": 20, "data": {"state": 1}}
    response = parse_response(json.dumps(REFUSED | {"error": ERROR | more}))
    assert response.result is None
    assert response.refusal == Refusal(**ERROR, **more)


def test_refusal_of_an_unreadable_request_has_no_id() -> None:
    assert parse_response(json.dumps(REFUSED | {"id": None})).request_id is None


@pytest.mark.parametrize("version", ["1.0.0", "1.2.3", "1.10.0"])
def test_any_version_one_is_read(version: str) -> None:
    parse_response(json.dumps(RESULT | {"_v": version}))


@pytest.mark.parametrize("unknown", [{"new": 1}, {"_w": None}], ids=str)
def test_unknown_fields_are_ignored(unknown: dict[str, object]) -> None:
    assert parse_response(json.dumps(RESULT | unknown)) == parse_response(json.dumps(RESULT))


FORMS: dict[str, list[Any]] = {
    "_v": ["2.0.0", "1.0", "1.0.0 ", "01.0.0", 1, None],
    "server_time": [None, "1", 1.0, True, -1],
    "id": [1, [], True],
    "result": [None, [], "x", 1],
}
NO_ERRORS: list[Any] = [None, [], "x"]
ERROR_FORMS: dict[str, list[Any]] = {
    "code": [None, 1],
    "status": [None, "429", 429.0, True, -1],
    "message": [None, {}],
    "retry": [None, 1, "true"],
    "retry_after": ["7", -1, 1.5],
    "field": [1],
    "pow_bits": ["20"],
    "data": [[]],
}
WRONG: list[Any] = [
    "",
    "nonsense",
    "[]",
    "NaN",
    '{"_v":"1.0.0","_v":"1.0.0","id":"1","server_time":1,"result":{}}',
    *(RESULT | {name: form} for name, forms in FORMS.items() for form in forms),
    *(REFUSED | {"error": ERROR | {name: form}} for name, forms in ERROR_FORMS.items() for form in forms),
    *(REFUSED | {"error": form} for form in NO_ERRORS),
    RESULT | {"error": ERROR},
    {name: value for name, value in RESULT.items() if name != "result"},
]


@pytest.mark.parametrize("content", WRONG, ids=range(len(WRONG)))
def test_anything_else_is_no_response(content: Any) -> None:
    with pytest.raises(InvalidResponse):
        parse_response(content if isinstance(content, str) else json.dumps(content))


@given(st.one_of(texts, json_values.map(json.dumps)))
def test_no_text_does_more_than_to_be_refused(text: str) -> None:
    with pytest.raises(InvalidResponse):
        parse_response(text)


@pytest.mark.parametrize("content", [RESULT, REFUSED], ids=["result", "error"])
def test_samples_are_those_of_the_contract(content: dict[str, Any]) -> None:
    validate_response(content)


@pytest.mark.parametrize(
    ("asked_in", "wished", "kind"),
    [
        (STORED, Reply.SAME, STORED),
        (LIVE, Reply.SAME, LIVE),
        (STORED, Reply.LIVE, LIVE),
        (LIVE, Reply.LIVE, LIVE),
        (STORED, Reply.STORED, STORED),
        (LIVE, Reply.STORED, STORED),
    ],
)
def test_an_answer_comes_in_the_kind_asked_in_unless_wished_otherwise(asked_in: int, wished: Reply, kind: int) -> None:
    assert reply_kind(asked_in, wished) == kind
