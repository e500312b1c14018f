"""BuildIt's web client, whose seals are unsigned and which never answers AUTH: served by a bridge made for it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.interop.bridge.allocation import relays_data
from tests.interop.bridge.installation import with_coturn
from tests.interop.bridge.peers import run_script
from tests.support.coturn import CoturnServer
from tests.support.process import Switchboard
from tests.support.vectors import document

REQUEST, RESPONSE = 24390, 24391
OURS = {24390, 24391, 24392, 24393}
OFFER = 24300

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lenient_bridge(coturn: CoturnServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Switchboard]:
    """Run a bridge as `init --buildit` makes it."""
    async with with_coturn(tmp_path_factory.mktemp("buildit"), coturn, "--buildit") as bridge:
        yield bridge
    assert bridge.complaints == []


async def _buildit(bridge: Switchboard, *messages: tuple[str, int, dict[str, Any]], expect: int, **more: Any) -> Any:
    send = [{"to": to, "kind": kind, "content": json.dumps(content)} for to, kind, content in messages]
    return await run_script("buildit_client.mjs", relay=bridge.url, send=send, expect=expect, **more)


def _request(bridge: Switchboard) -> tuple[str, int, dict[str, Any]]:
    """Return a request in BuildIt's manner: with members of its own, that a bridge leaves alone."""
    content = {"_v": "1.0.0", "id": "1", "method": "turn.get_credentials", "params": {}}
    return bridge.public_key, REQUEST, {**content, "callId": "550e8400-e29b-41d4-a716-446655440000", "timestamp": 1}


def _credentials(bridge: Switchboard, received: list[dict[str, Any]]) -> dict[str, Any]:
    (message,) = received
    assert message["sender"] == message["rumor"]["pubkey"] == bridge.public_key
    assert message["rumor"]["kind"] == RESPONSE
    result: dict[str, Any] = json.loads(message["rumor"]["content"])["result"]
    return result


@pytest.mark.parametrize("form", ["signaling", "direct"])
async def test_buildit_gets_credentials_that_are_good_on_coturn(lenient_bridge: Switchboard, form: str) -> None:
    told = await _buildit(lenient_bridge, _request(lenient_bridge), expect=1, form=form)
    assert told["closed"] is None
    credentials = _credentials(lenient_bridge, told["received"])
    assert await relays_data(credentials, credentials["turn_urls"][0])


async def test_call_offer_sent_to_the_bridge_by_mistake_is_left_alone(lenient_bridge: Switchboard) -> None:
    offer = (lenient_bridge.public_key, OFFER, {"_v": "1.0.0", "callId": "1", "callType": "voice", "sdp": "v=0"})
    told = await _buildit(lenient_bridge, offer, _request(lenient_bridge), expect=1)
    assert _credentials(lenient_bridge, told["received"])


async def test_bridge_made_without_buildit_keeps_the_answer_for_whoever_proves_the_key(bridge: Switchboard) -> None:
    told = await _buildit(bridge, _request(bridge), expect=0)
    assert told["closed"].startswith("auth-required: ")
    proved = await _buildit(bridge, expect=1, secret=told["secret"], proves_key=True)
    assert proved["closed"] is None
    assert _credentials(bridge, proved["received"])
    # So it was there; and it is not served to whoever only names the recipient, whatever kinds are asked for.
    for kinds in ([1059], []):
        again = await _buildit(bridge, expect=0, secret=told["secret"], kinds=kinds)
        assert again["received"] == []
        assert (again["closed"] is None) is (kinds == [])


async def test_call_offers_pass_between_two_buildit_clients_as_they_were_sent(lenient_bridge: Switchboard) -> None:
    offers = [case["input"] for case in document("buildit/call-offer.json")["vectors"] if case["expected"]["valid"]]
    callee = await _buildit(lenient_bridge, expect=0)
    caller = await _buildit(lenient_bridge, *((callee["pubkey"], OFFER, offer) for offer in offers), expect=0)
    told = await _buildit(lenient_bridge, expect=len(offers), secret=callee["secret"])
    assert {message["sender"] for message in told["received"]} == {caller["pubkey"]}
    passed = [json.loads(message["rumor"]["content"]) for message in told["received"]]
    assert sorted(passed, key=json.dumps) == sorted(offers, key=json.dumps)


async def test_kinds_of_the_bridge_are_free_in_the_registry_of_buildit() -> None:
    registry = document("buildit/calling-schema-v1.json")["nostrEventKinds"]
    assert registry["callOffer"] == OFFER
    assert OURS.isdisjoint(registry.values())
