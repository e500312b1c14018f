"""The schemas themselves: well formed, closed where they must be, and the messages of this version pass them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from jsonschema_rs import meta

from protocol.catalogue import load_catalogue, read_json
from protocol.validation import Invalid, validate_response, validate_result

SCHEMAS = sorted(file.name for file in files("protocol").joinpath("schemas").iterdir() if file.name.endswith(".json"))
SHARED = {"request.json", "response.json", "types.json"}
DIALECT = "https://json-schema.org/draft/2020-12/schema"
KEY = "ab" * 32

INFO: dict[str, Any] = {
    "version": "0.1.0",
    "pubkey": KEY,
    "methods": ["bridge.info", "account.get", "turn.get_credentials"],
    "relays": ["ws://127.0.0.1:7447", "wss://relay.example.org/inbox"],
    "admission": "open",
    "pow_bits": 0,
    "limits": {"turn": {"burst": 100, "refill_seconds": 600}, "info": {"burst": 60, "refill_seconds": 0.5}},
    "zk": None,
}
ACCOUNT: dict[str, Any] = {
    "account": {
        "pubkey": KEY,
        "aci": "5e884898-da28-8047-9151-d0e56f8dc629",
        "pni": "6b3a55e0-261b-8304-943f-805a24e4b1a7",
        "admitted_day": 1_699_920_000,
    },
    "devices": [
        {
            "device_id": "123e4567-e89b-42d3-a456-426614174000",
            "device_pubkey": KEY,
            "name": "",
            "platform": None,
            "primary": True,
            "registered_day": 1_699_920_000,
            "last_seen_day": 1_700_006_400,
        }
    ],
    "limits": {"turn": {"burst": 100, "remaining": 0, "refill_seconds": 600}},
}
TURN: dict[str, Any] = {
    "turn_username": "1700000000:0123456789abcdef",
    "turn_password": "Cd/49soE35ICqcJF/bCTn8Z4OyE=",
    "turn_ttl_seconds": 43200,
    "turn_urls": ["turn:turn.example.org:3478?transport=udp", "turns:turn.example.org"],
    "turn_urls_with_ips": ["turn:192.0.2.1:3478", "turn:[2001:db8::1]:3478?transport=tcp"],
    "turn_hostname": "turn.example.org",
    "ice_servers": [
        {"urls": ["stun:turn.example.org:3478"]},
        {"urls": ["turn:turn.example.org:3478?transport=udp"], "username": "u", "credential": "c"},
    ],
    "ice_transport_policy": "all",
}
RESULTS: dict[str, dict[str, Any]] = {
    "bridge.info": INFO,
    "account.get": ACCOUNT,
    "device.register": {"device": ACCOUNT["devices"][0]},
    "device.list": {"devices": ACCOUNT["devices"]},
    "device.revoke": {"revoked": True},
    "account.delete": {"deleted": True},
    "account.set_access_key": {"set": True},
    "turn.get_credentials": TURN,
}

ERROR: dict[str, Any] = {"code": "BRIDGE_INTERNAL", "status": 500, "message": "Again.", "retry": True}
RESPONSE: dict[str, Any] = {"_v": "1.0.0", "id": "a", "server_time": 1_700_000_000}


def subschemas(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for inner in schema.values():
            yield from subschemas(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from subschemas(inner)


def field_of(check: Any, *arguments: object) -> str | None:
    try:
        check(*arguments)
    except Invalid as invalid:
        return invalid.field
    return None


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_one_of_the_2020_12_dialect(name: str) -> None:
    schema = read_json(f"schemas/{name}")
    assert schema["$schema"] == DIALECT
    assert schema["$id"] == f"urn:switchboard:{name.removesuffix('.json')}"
    assert schema["description"]
    meta.validate(schema)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_reference_leads_somewhere(name: str) -> None:
    own, types = read_json(f"schemas/{name}"), read_json("schemas/types.json")
    for schema in subschemas(own):
        if "$ref" in schema:
            document, _, place = schema["$ref"].partition("#/$defs/")
            assert place in (types if document == "urn:switchboard:types" else own)["$defs"]
            assert document in ("", "urn:switchboard:types")


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_integer_has_bounds_that_all_json_readers_keep_exact(name: str) -> None:
    for schema in subschemas(read_json(f"schemas/{name}")):
        if schema.get("type") == "integer":
            assert schema["minimum"] >= 0
            assert schema["maximum"] <= 2**53 - 1


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name not in ("request.json", "types.json")])
def test_object_takes_no_unknown_fields(name: str) -> None:
    for schema in subschemas(read_json(f"schemas/{name}")):
        if "properties" in schema and schema.get("type") == "object":
            assert schema["additionalProperties"] is False


@pytest.mark.parametrize("name", SCHEMAS)
def test_closed_object_lists_its_properties_so_that_an_unknown_one_can_be_named(name: str) -> None:
    for schema in subschemas(read_json(f"schemas/{name}")):
        if schema.get("additionalProperties") is False:
            assert "properties" in schema


@pytest.mark.parametrize("name", [name for name in SCHEMAS if name.endswith("result.json")])
def test_result_always_has_all_its_fields(name: str) -> None:
    schema = read_json(f"schemas/{name}")
    assert set(schema["required"]) == set(schema["properties"])


def test_every_schema_belongs_to_a_method_or_to_all() -> None:
    methods = load_catalogue().methods.values()
    named = {name for method in methods for name in (method.params_schema, method.result_schema)}
    assert set(SCHEMAS) == named | SHARED


@pytest.mark.parametrize("method", RESULTS)
def test_result_of_this_version_passes(method: str) -> None:
    validate_result(method, RESULTS[method])


def test_every_method_has_an_example_here() -> None:
    assert RESULTS.keys() == load_catalogue().methods.keys()


@pytest.mark.parametrize("method", RESULTS)
def test_missing_part_of_a_result_is_named(method: str) -> None:
    for name in RESULTS[method]:
        rest = {other: value for other, value in RESULTS[method].items() if other != name}
        assert field_of(validate_result, method, rest) == f"/result/{name}"


@pytest.mark.parametrize(
    ("method", "changed", "field"),
    [
        ("bridge.info", {"extra": 1}, "/result/extra"),
        ("bridge.info", {"pubkey": "AB" * 32}, "/result/pubkey"),
        ("bridge.info", {"pubkey": KEY + "\n"}, "/result/pubkey"),
        ("bridge.info", {"methods": ["bridge.info", "bridge.info"]}, "/result/methods"),
        ("bridge.info", {"relays": ["https://relay.example.org"]}, "/result/relays/0"),
        ("bridge.info", {"limits": {"turn": {"burst": 0, "refill_seconds": 1}}}, "/result/limits/turn/burst"),
        ("bridge.info", {"limits": {"turn": {"burst": 1, "refill_seconds": 0}}}, "/result/limits/turn/refill_seconds"),
        ("bridge.info", {"limits": {"TURN": {"burst": 1, "refill_seconds": 1}}}, "/result/limits/TURN"),
        ("bridge.info", {"zk": {}}, "/result/zk"),
        ("account.get", {"account": {**ACCOUNT["account"], "admitted_day": 1}}, "/result/account/admitted_day"),
        ("account.get", {"account": {**ACCOUNT["account"], "aci": KEY}}, "/result/account/aci"),
        ("account.get", {"devices": []}, "/result/devices"),
        ("account.get", {"devices": ACCOUNT["devices"] * 7}, "/result/devices"),
        ("account.get", {"devices": [{**ACCOUNT["devices"][0], "primary": 1}]}, "/result/devices/0/primary"),
        ("turn.get_credentials", {"turn_ttl_seconds": 43200.0}, "/result/turn_ttl_seconds"),
        ("turn.get_credentials", {"turn_urls": []}, "/result/ice_servers/1/urls/0"),
        ("turn.get_credentials", {"turn_username": ""}, "/result/turn_username"),
        ("turn.get_credentials", {"turn_password": ""}, "/result/turn_password"),
        ("turn.get_credentials", {"ice_servers": TURN["ice_servers"][:1]}, "/result/ice_servers"),
        ("turn.get_credentials", {"turn_urls": ["stun:turn.example.org"]}, "/result/turn_urls/0"),
        ("turn.get_credentials", {"ice_servers": [{"urls": ["turn:turn.example.org"]}]}, "/result/ice_servers/0"),
        ("turn.get_credentials", {"ice_transport_policy": "relay"}, "/result/ice_servers/0/username"),
    ],
)
def test_wrong_part_of_a_result_is_named(method: str, changed: dict[str, Any], field: str) -> None:
    assert field_of(validate_result, method, {**RESULTS[method], **changed}) == field


def test_relay_only_result_without_stun_passes() -> None:
    validate_result(
        "turn.get_credentials",
        {**TURN, "ice_servers": TURN["ice_servers"][1:], "ice_transport_policy": "relay", "turn_hostname": None},
    )


STUN_ALONE = {
    **TURN,
    "turn_username": "",
    "turn_password": "",
    "turn_urls": [],
    "turn_urls_with_ips": [],
    "turn_hostname": None,
    "ice_servers": TURN["ice_servers"][:1],
}


def test_result_with_stun_alone_passes() -> None:
    validate_result("turn.get_credentials", STUN_ALONE)


@pytest.mark.parametrize(
    "changed",
    [
        {"turn_username": "u"},
        {"turn_password": "p"},
        {"turn_urls_with_ips": ["turn:192.0.2.1"]},
        {"turn_hostname": "turn.example.org"},
        {"ice_servers": TURN["ice_servers"]},
        {"ice_servers": []},
        {"ice_transport_policy": "relay"},
    ],
)
def test_result_with_stun_alone_tells_nothing_of_turn(changed: dict[str, Any]) -> None:
    assert field_of(validate_result, "turn.get_credentials", {**STUN_ALONE, **changed}) is not None


@pytest.mark.parametrize(
    "body",
    [
        {"result": {}},
        {"error": ERROR},
        {"error": {**ERROR, "retry_after": 1, "field": "/params/a~1b~0", "data": {}}},
        {"error": {**ERROR, "field": ""}},
        {"error": {**ERROR, "field": "created_at"}},
        {"error": ERROR, "id": None},
    ],
)
def test_response_passes(body: dict[str, Any]) -> None:
    validate_response({**RESPONSE, **body})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, ""),
        ({"result": {}, "error": ERROR}, ""),
        ({"result": {}, "more": 1}, "/more"),
        ({"result": {}, "id": ""}, "/id"),
        ({"result": {}, "server_time": 1.0}, "/server_time"),
        ({"error": {**ERROR, "retry_after": 0}}, "/error/retry_after"),
        ({"error": {**ERROR, "field": "relay_only"}}, "/error/field"),
        ({"error": {**ERROR, "field": "/a~2"}}, "/error/field"),
        ({"error": {"code": "BRIDGE_INTERNAL", "status": 500, "message": "Again."}}, "/error/retry"),
    ],
)
def test_wrong_part_of_a_response_is_named(body: dict[str, Any], field: str) -> None:
    assert field_of(validate_response, {**RESPONSE, **body}) == field


def test_every_refusal_of_the_catalogue_makes_a_valid_error() -> None:
    for refusal in load_catalogue().refusals.values():
        error = {name: getattr(refusal, name) for name in ("code", "status", "message", "retry")}
        validate_response({**RESPONSE, "error": error})
