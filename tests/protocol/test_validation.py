"""What a client is told about a request that is wrong: one pointer to the right place, cheaply, whatever it sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import validation
from protocol.catalogue import load_catalogue, read_json
from protocol.validation import (
    MAX_POINTER_LENGTH,
    Invalid,
    usable_request_id,
    validate_envelope,
    validate_params,
    validate_response,
    validate_result,
)

REQUEST: dict[str, Any] = {
    "_v": "1.0.0",
    "id": "c1",
    "method": "turn.get_credentials",
    "params": {"relay_only": True},
    "expires_at": 1_700_000_000,
    "reply": "stored",
    "invite": "welcome",
}
LONE = "\ud800"
HUGE = 10**400

METHODS = sorted(load_catalogue().methods)
NEEDED: dict[str, dict[str, Any]] = {
    "account.set_access_key": {"unidentified_access_key": None},
    "device.register": {"device_pubkey": "aa" * 32, "name": "", "proof": {}},
    "device.revoke": {"device_id": "123e4567-e89b-42d3-a456-426614174000"},
}
"""Params that methods cannot do without."""

# What a strict JSON parser lets through, and what only a careless one would.
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([HUGE, LONE])
names = st.sampled_from(["_v", "id", "params", "relay_only", "a/b", "m~n", "", LONE]) | st.text(max_size=8)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)
almost_requests = st.fixed_dictionaries(
    {},
    optional={name: st.just(value) | values for name, value in {**REQUEST, "unknown/~": LONE}.items()},
)


def field_of(check: Callable[..., None], *arguments: object) -> str | None:
    try:
        check(*arguments)
    except Invalid as invalid:
        assert str(invalid) == invalid.field
        return invalid.field
    return None


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def resolve(content: object, pointer: str) -> tuple[bool, bool]:
    """Follow a pointer: whether it leads to a value, and whether all but its last step does."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    for position, step in enumerate(steps):
        if isinstance(content, dict) and step in content:
            content = content[step]
        elif isinstance(content, list) and step.isdigit() and int(step) < len(content):
            content = content[int(step)]
        else:
            return False, position == len(steps) - 1
    return True, True


@pytest.mark.parametrize("left_out", ["", "expires_at", "reply", "invite"])
def test_proper_envelope_passes(left_out: str) -> None:
    validate_envelope({name: value for name, value in REQUEST.items() if name != left_out})


@pytest.mark.parametrize("name", ["_v", "id", "method", "params"])
def test_missing_field_is_named(name: str) -> None:
    rest = {other: value for other, value in REQUEST.items() if other != name}
    assert field_of(validate_envelope, rest) == f"/{name}"


@pytest.mark.parametrize("content", [None, True, 1, "text", [], [REQUEST], HUGE, 1.5])
def test_content_that_is_no_object_is_wrong_as_a_whole(content: object) -> None:
    assert field_of(validate_envelope, content) == ""
    assert usable_request_id(content) is None


@pytest.mark.parametrize("version", ["1.0.0", "1.0.1", "1.12.345", "1.999999999.0"])
def test_any_version_1_is_understood(version: str) -> None:
    validate_envelope({**REQUEST, "_v": version})


@pytest.mark.parametrize(
    "version",
    [
        "2.0.0",
        "0.1.0",
        "1.0",
        "1.0.0.0",
        "1.01.0",
        "1.0.00",
        "1.0.0-rc1",
        "v1.0.0",
        "1.0.0\n",
        "1.٣.0",
        "11.0.0",
        "",
        1,
    ],
)
def test_other_versions_are_not(version: object) -> None:
    assert field_of(validate_envelope, {**REQUEST, "_v": version}) == "/_v"


@pytest.mark.parametrize("request_id", ["a", "x" * 64, "😀" * 64, "{}", " "])
def test_id_of_1_to_64_characters_is_usable(request_id: str) -> None:
    validate_envelope({**REQUEST, "id": request_id})
    assert usable_request_id({"id": request_id, "_v": "2.0.0", "more": LONE}) == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 65, "😀" * 65, 5, None, True, ["a"], {"a": 1}, HUGE, 1.0])
def test_other_ids_are_not(request_id: object) -> None:
    assert field_of(validate_envelope, {**REQUEST, "id": request_id}) == "/id"
    assert usable_request_id({"id": request_id}) is None


def test_text_that_is_no_unicode_is_refused() -> None:
    assert field_of(validate_envelope, {**REQUEST, "id": LONE}) is not None
    assert field_of(validate_envelope, {**REQUEST, "reply": LONE}) is not None
    assert usable_request_id({"id": LONE}) is None


@pytest.mark.parametrize(
    "time", [1.0, 1.5, True, -1, 2**53, HUGE, -HUGE, "1700000000", None, float("nan"), float("inf")]
)
def test_time_is_a_whole_number_that_every_reader_keeps_exact(time: object) -> None:
    assert field_of(validate_envelope, {**REQUEST, "expires_at": time}) == "/expires_at"


@pytest.mark.parametrize("time", [0, 1_700_000_000, 2**53 - 1])
def test_whole_seconds_pass(time: int) -> None:
    validate_envelope({**REQUEST, "expires_at": time})


@pytest.mark.parametrize("reply", ["same", "stored", "live"])
def test_known_ways_to_reply_pass(reply: str) -> None:
    validate_envelope({**REQUEST, "reply": reply})


@pytest.mark.parametrize("reply", ["Same", "", None, 1, ["same"]])
def test_unknown_way_to_reply_is_refused(reply: object) -> None:
    assert field_of(validate_envelope, {**REQUEST, "reply": reply}) == "/reply"


@pytest.mark.parametrize(
    ("name", "value"),
    [("method", ""), ("method", "m" * 65), ("method", 7), ("invite", ""), ("invite", "i" * 129), ("invite", None)],
)
def test_text_of_the_envelope_is_bounded(name: str, value: object) -> None:
    assert field_of(validate_envelope, {**REQUEST, name: value}) == f"/{name}"


@pytest.mark.parametrize("params", [None, [], "{}", 0, False])
def test_params_are_an_object(params: object) -> None:
    assert field_of(validate_envelope, {**REQUEST, "params": params}) == "/params"
    assert field_of(validate_params, "bridge.info", params) == "/params"


@pytest.mark.parametrize("name", ["more", "", "a/b", LONE])
@pytest.mark.parametrize("value", [None, 1.5, LONE, HUGE, {LONE: HUGE}, [float("nan")], nested(500)])
def test_unknown_field_of_the_envelope_is_ignored(name: str, value: object) -> None:
    validate_envelope({**REQUEST, name: value})


def test_params_are_not_looked_at_with_the_envelope() -> None:
    validate_envelope({**REQUEST, "params": {"unknown": 1.5}})


@pytest.mark.parametrize("params", [{}, {"relay_only": True}, {"relay_only": False}])
def test_params_of_turn_pass(params: dict[str, Any]) -> None:
    validate_params("turn.get_credentials", params)


@pytest.mark.parametrize("value", [None, 1, 0, 1.0, "true", [], {}, HUGE])
def test_relay_only_is_a_boolean(value: object) -> None:
    assert field_of(validate_params, "turn.get_credentials", {"relay_only": value}) == "/params/relay_only"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        ("unknown", "/params/unknown"),
        ("", "/params/"),
        ("a/b", "/params/a~1b"),
        ("m~n", "/params/m~0n"),
        ("~1", "/params/~01"),
        ('"\\\n', '/params/"\\\n'),
        ("😀", "/params/😀"),
    ],
)
def test_unknown_param_is_named(method: str, name: str, pointer: str) -> None:
    assert field_of(validate_params, method, {**NEEDED.get(method, {}), name: 1}) == pointer


@pytest.mark.parametrize(("method", "name"), [(method, name) for method, params in NEEDED.items() for name in params])
def test_missing_param_is_named(method: str, name: str) -> None:
    assert field_of(validate_params, method, NEEDED[method]) is None
    rest = {other: value for other, value in NEEDED[method].items() if other != name}
    assert field_of(validate_params, method, rest) == f"/params/{name}"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "x" * 64, "platform": "😀" * 64}, None),
        ({"name": "x" * 65}, "/params/name"),
        ({"platform": "x" * 65}, "/params/platform"),
        ({"platform": None}, "/params/platform"),
        ({"device_pubkey": "AA" * 32}, "/params/device_pubkey"),
        ({"proof": "proof"}, "/params/proof"),
        ({"proof": {"id": 1, "more": []}}, None),
    ],
    ids=str,
)
def test_params_of_a_registration_are_bounded(changes: dict[str, Any], field: str | None) -> None:
    assert field_of(validate_params, "device.register", {**NEEDED["device.register"], **changes}) == field


@pytest.mark.parametrize("value", [nested(500), {"relay_only": LONE}, {LONE: 1}])
def test_what_no_strict_parser_lets_through_is_refused_all_the_same(value: object) -> None:
    pointer = field_of(validate_params, "turn.get_credentials", value)
    assert pointer is not None
    assert pointer.startswith("/params")


def test_pointer_does_not_grow_with_names_that_a_peer_makes_up() -> None:
    longest = "x" * (MAX_POINTER_LENGTH - len("/params/"))
    assert field_of(validate_params, "bridge.info", {longest: 1}) == f"/params/{longest}"
    assert field_of(validate_params, "bridge.info", {longest + "x": 1}) == "/params"
    assert field_of(validate_params, "bridge.info", {"/" * 200: 1}) == "/params"


def test_first_missing_field_is_told_before_anything_else() -> None:
    assert field_of(validate_envelope, {"expires_at": "soon", "id": ""}) == "/_v"
    assert field_of(validate_envelope, {"_v": "2.0.0", "id": "", "method": 1, "params": []}) == "/_v"


def test_content_is_not_kept_in_the_error() -> None:
    with pytest.raises(Invalid) as caught:
        validate_params("turn.get_credentials", {"relay_only": "secret"})
    assert caught.value.__context__ is None
    assert "secret" not in repr(caught.value)


@pytest.mark.parametrize("check", [validate_params, validate_result])
def test_method_must_exist_before_its_params_are_checked(check: Callable[[str, object], None]) -> None:
    with pytest.raises(KeyError):
        check("turn.steal_credentials", {})


@given(almost_requests | values)
def test_pointer_leads_to_the_fault_or_names_what_is_missing(content: Any) -> None:
    pointer = field_of(validate_envelope, content)
    if pointer is None:
        assert set(content) >= {"_v", "id", "method", "params"}
        assert usable_request_id(content) == content["id"]
    else:
        leads_to_a_value, leads_to_its_place = resolve(content, pointer)
        assert leads_to_a_value or (leads_to_its_place and pointer[1:] in ("_v", "id", "method", "params"))
        assert field_of(validate_envelope, content) == pointer


@given(st.sampled_from(METHODS), values)
def test_pointer_into_params_leads_into_params(method: str, params: object) -> None:
    pointer = field_of(validate_params, method, params)
    if pointer is None:
        assert params == {} or method in ("turn.get_credentials", "device.revoke")
    else:
        assert pointer == "/params" or pointer.startswith("/params/")
        leads_to_a_value, leads_to_its_place = resolve({"params": params}, pointer)
        required = read_json(f"schemas/{load_catalogue().methods[method].params_schema}").get("required", [])
        assert leads_to_a_value or (leads_to_its_place and pointer.removeprefix("/params/") in required)
        json.dumps(pointer).encode()


@given(st.sampled_from(METHODS), values)
def test_answers_that_make_no_sense_are_refused_without_falling_over(method: str, value: object) -> None:
    assert field_of(validate_result, method, value) is not None
    assert field_of(validate_response, value) is not None
    usable_request_id(value)


def _verdict(value: object) -> str | None:
    try:
        validate_envelope(value)
    except Invalid as invalid:
        return invalid.field
    return None


@given(st.dictionaries(names, values, max_size=6).map(lambda drawn: {**REQUEST, **drawn}))
def test_the_quick_validator_says_what_the_careful_one_says(value: dict[str, Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        quick = _verdict(value)
        patch.setattr(validation, "_is_plain", lambda value: False)
        assert _verdict(value) == quick


@pytest.mark.parametrize("value", [1.0, 1e3, HUGE, LONE, {LONE: 1}, {1: 1}, [[1.5]], (1,), {"a": {"b": [HUGE]}}])
def test_whatever_types_may_differ_about_is_for_the_careful_validator(value: object) -> None:
    assert not validation._is_plain(value)


def test_nesting_is_followed_to_a_bound() -> None:
    nested: object = 1
    for _ in range(10_000):
        nested = [nested]
    assert not validation._is_plain(nested)
