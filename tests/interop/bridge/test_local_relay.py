"""The same exchange where the client knows only a relay that is not ours: nostr-sdk's LocalRelay, of three sorts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from bridge.settings.tree import Settings
from client.bridge import BridgeClient
from client.clock import SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy, draw_key
from nips import kinds
from nips.keys import PublicKey
from tests.interop.bridge.allocation import refusal, relays_data
from tests.interop.bridge.exchange import LIVE, STORED, a_request, result_of
from tests.interop.bridge.installation import with_coturn
from tests.interop.bridge.peers import run_script, running_script
from tests.support.coturn import CoturnServer
from tests.support.deadline import within
from tests.support.fake_relay import running
from tests.support.process import Switchboard

CLIENTS = ["nostr_tools_client.mjs", "nostr_sdk_client.py"]
SORTS = ["open", "protected", "closed"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A bridge and the relays of others that it reads, by their sort."""

    bridge: Switchboard
    relays: Mapping[str, str]

    @property
    def announced(self) -> Sequence[str]:
        """Where the bridge says that it is to be found: not at an address that means another machine to others."""
        return list(self.relays.values())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def neighbourhood(coturn: CoturnServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Neighbourhood]:
    """Run relays, and a bridge that is at home on all of them."""
    async with running_script("local_relay.py") as relays:

        def upstream(settings: Settings) -> Settings:
            return replace(settings, upstream=replace(settings.upstream, relays=tuple(relays.values())))

        async with with_coturn(tmp_path_factory.mktemp("bridge"), coturn, change=upstream) as bridge:
            await _wait_until_heard_on(relays.values(), bridge.public_key)
            yield Neighbourhood(bridge, relays)
    assert bridge.complaints == []


async def _wait_until_heard_on(relays: Sequence[str], bridge: PublicKey) -> None:
    """Wait until a stored request was answered over each relay: by then, the bridge also listens for live ones."""
    clock, entropy = SystemClock(), SystemEntropy()
    key = draw_key(entropy)
    links = [RelayConnection(url, keys=[key], clock=clock, entropy=entropy) for url in relays]
    async with within(20), running(*links), asyncio.TaskGroup() as asking:
        for link in links:
            client = BridgeClient(key, bridge, [link], clock=clock, entropy=entropy)
            asking.create_task(client.call("bridge.info", kind=kinds.GIFT_WRAP))


@pytest.mark.parametrize("kind", [STORED, LIVE])
@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("script", CLIENTS)
async def test_client_that_knows_only_the_relay_gets_good_credentials(
    neighbourhood: Neighbourhood, script: str, sort: str, kind: int
) -> None:
    requests = [a_request("turn.get_credentials")]
    told = await run_script(script, relay=neighbourhood.relays[sort], kind=kind, requests=requests)
    # It found the bridge by its NIP-89 event and its inbox relays, both published there.
    assert told["bridge"] == neighbourhood.bridge.public_key
    assert told["inboxes"] == neighbourhood.announced
    credentials = result_of(told, method="turn.get_credentials", kind=kind)
    (url, *_) = credentials["turn_urls"]
    assert await relays_data(credentials, url)
    assert await refusal(url, credentials["turn_username"], "wrong") == 401


@pytest.mark.parametrize("script", CLIENTS)
async def test_bridge_is_found_on_its_own_relay_too(neighbourhood: Neighbourhood, script: str) -> None:
    bridge = neighbourhood.bridge
    told = await run_script(script, relay=bridge.url, kind=LIVE, requests=[a_request("bridge.info")])
    assert told["bridge"] == bridge.public_key
    assert told["inboxes"] == neighbourhood.announced
    assert result_of(told, method="bridge.info", kind=LIVE)["relays"] == neighbourhood.announced
