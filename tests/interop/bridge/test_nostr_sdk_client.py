"""A client on nostr-sdk 0.45, a Python process of its own, gets from our relay what it came for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.bridge.allocation import check_credentials
from tests.interop.bridge.exchange import LIVE, STORED, a_request, response, result_of
from tests.interop.bridge.peers import run_script
from tests.support.coturn import CoturnServer
from tests.support.process import Switchboard

SCRIPT = "nostr_sdk_client.py"

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _ask(bridge: Switchboard, kind: int, *requests: dict[str, Any]) -> Any:
    return await run_script(SCRIPT, relay=bridge.url, kind=kind, requests=requests)


@pytest.mark.parametrize("kind", [STORED, LIVE])
async def test_credentials_are_good_on_coturn_and_a_wrong_password_is_not(
    bridge: Switchboard, coturn: CoturnServer, kind: int
) -> None:
    told = await _ask(bridge, kind, a_request("turn.get_credentials"))
    await check_credentials(result_of(told, method="turn.get_credentials", kind=kind), coturn.urls)


async def test_answers_come_to_whom_they_are_for(bridge: Switchboard) -> None:
    methods = ["bridge.info", "account.get", "coffee.make"]
    told = await _ask(bridge, LIVE, *map(a_request, methods))
    asker, key = told["pubkey"], bridge.public_key
    info, account, unknown = (
        response(answer, method=method, asker=asker, bridge=key, kind=LIVE)
        for method, answer in zip(methods, told["answers"], strict=True)
    )
    assert info["result"]["pubkey"] == told["bridge"] == key
    assert info["result"]["relays"] == told["inboxes"] == [bridge.url]
    assert account["result"]["account"]["pubkey"] == asker
    assert unknown["error"]["code"] == "BRIDGE_UNKNOWN_METHOD"
