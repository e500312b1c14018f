"""A client on nostr-tools 2.25, in Node, gets from our relay what it came for."""

from __future__ import annotations

import hashlib
import uuid
from importlib.metadata import version
from typing import Any

import pytest

from tests.interop.bridge.allocation import check_credentials
from tests.interop.bridge.exchange import LIVE, STORED, a_request, response, result_of
from tests.interop.bridge.peers import run_script
from tests.support.coturn import CoturnServer
from tests.support.process import Switchboard

SCRIPT = "nostr_tools_client.mjs"
LIMITS = {
    "turn": {"burst": 100, "refill_seconds": 600},
    "device": {"burst": 12, "refill_seconds": 120},
    "info": {"burst": 60, "refill_seconds": 1},
    "invalid": {"burst": 20, "refill_seconds": 30},
}

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _ask(bridge: Switchboard, kind: int, *requests: dict[str, Any]) -> Any:
    return await run_script(SCRIPT, relay=bridge.url, kind=kind, requests=requests)


METHODS = [
    "account.delete",
    "account.get",
    "account.set_access_key",
    "bridge.info",
    "device.list",
    "device.register",
    "device.revoke",
    "turn.get_credentials",
]


@pytest.mark.parametrize("kind", [STORED, LIVE])
async def test_credentials_are_good_on_coturn_and_a_wrong_password_is_not(
    bridge: Switchboard, coturn: CoturnServer, kind: int
) -> None:
    told = await _ask(bridge, kind, a_request("turn.get_credentials"))
    await check_credentials(result_of(told, method="turn.get_credentials", kind=kind), coturn.urls)


@pytest.mark.parametrize("kind", [STORED, LIVE])
async def test_bridge_tells_who_it_is_whom_it_knows_and_what_it_does_not_offer(bridge: Switchboard, kind: int) -> None:
    methods = ["bridge.info", "account.get", "coffee.make"]
    told = await _ask(bridge, kind, *map(a_request, methods))
    asker, key = told["pubkey"], bridge.public_key
    info, account, unknown = (
        response(answer, method=method, asker=asker, bridge=key, kind=kind)
        for method, answer in zip(methods, told["answers"], strict=True)
    )
    assert info["result"] == {
        "version": version("nostr-switchboard"),
        "pubkey": key,
        "methods": METHODS,
        "relays": [bridge.url],
        "admission": "open",
        "pow_bits": 0,
        "limits": LIMITS,
        "zk": None,
    }
    _check_account(account["result"], asker)
    error = dict(unknown["error"])
    assert error.pop("message")
    assert error == {"code": "BRIDGE_UNKNOWN_METHOD", "status": 404, "retry": False}


def _check_account(result: dict[str, Any], asker: str) -> None:
    account, (device,), limits = result["account"], result["devices"], result["limits"]
    assert account["pubkey"] == device["device_pubkey"] == asker
    digest = hashlib.sha256(b"nostr-aci-v1" + bytes.fromhex(asker)).digest()
    assert uuid.UUID(account["aci"]).bytes == _version_8(digest[:16])
    assert uuid.UUID(account["pni"]).version == 8
    assert account["pni"] != account["aci"]
    assert account["admitted_day"] % 86400 == 0
    assert str(uuid.UUID(device["device_id"])) == device["device_id"]
    assert device["primary"] is True
    # This very request took the one permit that is gone.
    remaining = {"turn": 100, "device": 12, "info": 59, "invalid": 20}
    assert limits == {name: {**figures, "remaining": remaining[name]} for name, figures in LIMITS.items()}


def _version_8(raw: bytes) -> bytes:
    changed = bytearray(raw)
    changed[6] = 0x80 | changed[6] & 0x0F
    changed[8] = 0x80 | changed[8] & 0x3F
    return bytes(changed)


@pytest.mark.parametrize("kind", [STORED, LIVE])
async def test_request_wrapped_anew_is_answered_with_the_same_credentials(bridge: Switchboard, kind: int) -> None:
    told = await _ask(bridge, kind, a_request("turn.get_credentials", wraps=3))
    first, *others = told["answers"]
    assert [other["rumor"] for other in others] == [first["rumor"], first["rumor"]]


async def test_bridge_is_found_from_the_address_of_its_relay(bridge: Switchboard) -> None:
    told = await _ask(bridge, LIVE)
    assert told["self"] == told["bridge"] == bridge.public_key
    assert told["inboxes"] == [bridge.url]
