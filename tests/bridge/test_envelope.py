"""Reading requests: who they are for, how old they are, what is in them."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.envelope import (
    Content,
    Freshness,
    check_addressee,
    check_freshness,
    read_content,
    read_request,
    request_digest,
)
from bridge.errors import Dropped, Expired, MalformedRequest
from client.envelope import Reply
from nips.nip59 import Rumor, make_rumor
from nips.strict_json import parse
from tests.support.strategies import json_values, texts
from tests.support.wraps import AUTHOR, BRIDGE, NOW, STRANGER

FRESHNESS = Freshness(max_age_seconds=172_800, max_future_seconds=900)
MAX_BYTES = 65_536
GOOD: dict[str, Any] = {"_v": "1.0.0", "id": "r1", "method": "bridge.info", "params": {}}


def a_rumor(content: str = "", **changes: Any) -> Rumor:
    fields = {"created_at": NOW, "kind": 24390, "tags": [], "content": content, **changes}
    return make_rumor(AUTHOR.public_key, **fields)


def content_of(value: object) -> Content:
    return read_content(a_rumor(value if isinstance(value, str) else json.dumps(value)), max_bytes=MAX_BYTES)


def field_of(value: object) -> str | None:
    with pytest.raises(MalformedRequest) as caught:
        read_request(content_of(value))
    return caught.value.field


# --- whom it is for


@pytest.mark.parametrize("tags", [[], [["p", BRIDGE.public_key]], [["p", BRIDGE.public_key, "wss://x"]], [["e", "x"]]])
def test_a_rumor_for_us_or_for_nobody_named_is_a_request(tags: list[list[str]]) -> None:
    check_addressee(a_rumor(tags=tags), BRIDGE.public_key)


@pytest.mark.parametrize(
    "tags",
    [
        [["p", STRANGER.public_key]],
        [["p", BRIDGE.public_key], ["p", STRANGER.public_key]],
        [["p"]],
        [["p", BRIDGE.public_key.upper()]],
    ],
)
def test_a_rumor_with_another_p_tag_was_not_meant_for_us(tags: list[list[str]]) -> None:
    with pytest.raises(Dropped, match="somebody else"):
        check_addressee(a_rumor(tags=tags), BRIDGE.public_key)


@pytest.mark.parametrize("kind", [0, 14, 24389, 24391, 24392, 24393, 25050])
def test_a_rumor_of_another_kind_is_no_request(kind: int) -> None:
    with pytest.raises(Dropped, match="not a request"):
        check_addressee(a_rumor(kind=kind), BRIDGE.public_key)


# --- what can be read before anything is judged


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "null", '"id"', "7", '{"id":"a","id":"b"}', '{"id":NaN}'])
def test_content_that_is_no_object_has_neither_id_nor_wish(text: str) -> None:
    content = content_of(text)
    assert (content.request_id, content.reply) == (None, Reply.SAME)


@pytest.mark.parametrize("request_id", ["a", "é" * 64, "x" * 64, " "])
def test_a_usable_id_is_read_whatever_else_is_wrong(request_id: str) -> None:
    assert content_of({"id": request_id, "_v": "9", "params": 7}).request_id == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 65, 7, None, ["a"], {"a": 1}, True])
def test_an_unusable_id_is_none(request_id: object) -> None:
    assert content_of({**GOOD, "id": request_id}).request_id is None


@pytest.mark.parametrize("reply", ["same", "stored", "live"])
def test_the_wish_for_a_reply_is_read_even_from_a_request_that_is_refused(reply: str) -> None:
    assert content_of({"reply": reply}).reply == reply


@pytest.mark.parametrize("reply", ["", "SAME", "both", 1, None, ["live"], {}])
def test_a_wish_that_we_do_not_know_is_answered_as_asked(reply: object) -> None:
    assert content_of({**GOOD, "reply": reply}).reply is Reply.SAME


def test_content_beyond_the_limit_is_not_read() -> None:
    rumor = a_rumor(json.dumps(GOOD))
    assert read_content(rumor, max_bytes=len(rumor.content)).request_id == "r1"
    assert read_content(rumor, max_bytes=len(rumor.content) - 1).value is None


# --- how old it is


def check(age: int = 0, **envelope: object) -> None:
    content = content_of({**GOOD, **envelope})
    check_freshness(a_rumor(created_at=NOW - age), content, FRESHNESS, NOW)


@pytest.mark.parametrize("age", [172_800, 0, -900])
def test_a_request_within_the_window_is_fresh(age: int) -> None:
    check(age)


def test_a_request_older_than_the_window_has_expired() -> None:
    with pytest.raises(Expired):
        check(172_801)


def test_a_request_too_far_ahead_is_wrong_in_created_at() -> None:
    with pytest.raises(MalformedRequest) as caught:
        check(-901)
    assert caught.value.field == "created_at"


@pytest.mark.parametrize("expires_at", [0, NOW - 1, NOW])
def test_a_request_past_its_deadline_has_expired(expires_at: int) -> None:
    with pytest.raises(Expired):
        check(expires_at=expires_at)


def test_a_request_before_its_deadline_is_fresh() -> None:
    check(expires_at=NOW + 1)


def test_a_deadline_is_looked_at_before_the_future() -> None:
    with pytest.raises(Expired):
        check(-901, expires_at=NOW)


@pytest.mark.parametrize("expires_at", ["1", 1.5, True, None, {}])
def test_a_deadline_of_the_wrong_type_is_left_to_the_envelope(expires_at: object) -> None:
    check(expires_at=expires_at)
    assert field_of({**GOOD, "expires_at": expires_at}) == "/expires_at"


def test_content_that_is_no_object_has_no_deadline() -> None:
    check_freshness(a_rumor(), content_of("[]"), FRESHNESS, NOW)


# --- the envelope


def test_a_request_is_read() -> None:
    request = read_request(content_of({**GOOD, "params": {"a": 1}, "reply": "live", "expires_at": NOW + 9}))
    assert (request.id, request.method, request.params, request.reply) == ("r1", "bridge.info", {"a": 1}, Reply.LIVE)


@pytest.mark.parametrize("version", ["1.0.0", "1.9.12", "1.0.1"])
def test_any_version_1_is_understood(version: str) -> None:
    assert read_request(content_of({**GOOD, "_v": version})).id == "r1"


def test_unknown_fields_of_the_envelope_are_ignored() -> None:
    assert read_request(content_of({**GOOD, "shiny": {"new": [1]}})).id == "r1"


def test_an_invite_is_taken() -> None:
    assert read_request(content_of({**GOOD, "invite": "code"})).id == "r1"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"_v": "2.0.0"}, "/_v"),
        ({"_v": "1.0"}, "/_v"),
        ({"_v": 1}, "/_v"),
        ({"_v": "1.0.0\n"}, "/_v"),
        ({"id": ""}, "/id"),
        ({"id": "x" * 65}, "/id"),
        ({"id": 7}, "/id"),
        ({"method": ""}, "/method"),
        ({"method": None}, "/method"),
        ({"method": "x" * 65}, "/method"),
        ({"params": None}, "/params"),
        ({"params": []}, "/params"),
        ({"params": "{}"}, "/params"),
        ({"reply": "later"}, "/reply"),
        ({"reply": None}, "/reply"),
        ({"expires_at": -1}, "/expires_at"),
        ({"expires_at": 1.0}, "/expires_at"),
        ({"invite": 7}, "/invite"),
        ({"invite": ""}, "/invite"),
    ],
)
def test_a_wrong_field_is_pointed_at(changes: dict[str, object], field: str) -> None:
    assert field_of({**GOOD, **changes}) == field


@pytest.mark.parametrize("name", ["_v", "id", "method", "params"])
def test_a_missing_field_is_pointed_at(name: str) -> None:
    assert field_of({key: value for key, value in GOOD.items() if key != name}) == f"/{name}"


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"id":"a","id":"a"}', '{"x":"\\ud800"}', "[" * 100])
def test_content_that_is_no_object_is_wrong_as_a_whole(text: str) -> None:
    assert field_of(text) == ""


@given(value=st.one_of(json_values, st.dictionaries(st.sampled_from([*GOOD, "reply", "expires_at"]), json_values)))
@example(value={**GOOD, "params": {"a": 1e300, "b": -0.0, "c": [5e-324]}})
@example(value={**GOOD, "params": {"\u2028": "\ufeff"}})
def test_whatever_is_inside_is_read_or_refused_and_nothing_else_happens(value: object) -> None:
    content = content_of(value)
    with suppress(MalformedRequest, Expired):
        check_freshness(a_rumor(), content, FRESHNESS, NOW)
        read_request(content)


@given(text=texts)
def test_whatever_text_comes_nothing_else_happens(text: str) -> None:
    with suppress(MalformedRequest):
        read_request(content_of(text))


# --- when two requests ask the same


@pytest.mark.parametrize(
    "text",
    [
        '{"b":[1,true,null],"a":"\\u00e9"}',
        '{ "a" : "é",\n "b" : [1.0, true, null] }',
        '{"b":[1e0,true,null],"a":"é"}',
    ],
)
def test_equal_params_have_equal_digests_however_they_are_written(text: str) -> None:
    asked = parse(text, max_bytes=1000)
    assert request_digest("m", asked) == request_digest("m", {"a": "é", "b": [1, True, None]})


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("other", {"a": 1}),
        ("m", {"a": 2}),
        ("m", {"a": "1"}),
        ("m", {"a": True}),
        ("m", {}),
        ("m", {"a": 1, "b": None}),
    ],
)
def test_different_requests_have_different_digests(method: str, params: dict[str, object]) -> None:
    assert request_digest(method, params) != request_digest("m", {"a": 1})


def test_the_digest_says_nothing_of_the_rest_of_the_envelope() -> None:
    one = read_request(content_of({**GOOD, "reply": "live", "expires_at": NOW + 5, "invite": "x", "_v": "1.2.3"}))
    assert one.digest == read_request(content_of(GOOD)).digest


@pytest.mark.parametrize("method", ["turn.get_credentials", "", 'a "quoted" one', "é\u2028\x7f\x01😀"])
def test_digest_is_of_the_canonical_form_without_params_too(method: str) -> None:
    canonical = rfc8785.dumps({"method": method, "params": {}})
    assert request_digest(method, {}) == hashlib.sha256(canonical).digest()
