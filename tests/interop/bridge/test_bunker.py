"""An account's key in a bunker (NIP-46) is asked once, to register a device, and for none of the device's requests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from client.bridge import BridgeClient
from client.clock import SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy, draw_key
from client.errors import SignerFailed
from client.lifetime import linked
from client.remote_signer import RemoteSigner
from client.signer import Signer
from nips.keys import PublicKey, SecretKey
from nips.nip46 import Bunker, parse_bunker
from tests.interop.bridge.peers import Talk, run_script, talking_script
from tests.support.deadline import within
from tests.support.process import Switchboard

CLOCK, ENTROPY = SystemClock(), SystemEntropy()


@asynccontextmanager
async def remote(bunker: Bunker, *, timeout_seconds: float = 20) -> AsyncIterator[RemoteSigner]:
    """Run a signer that asks a bunker."""
    links = [RelayConnection(url, clock=CLOCK, entropy=ENTROPY) for url in bunker.relays]
    async with linked(*links):
        key = draw_key(ENTROPY)
        yield RemoteSigner(bunker, key, links, clock=CLOCK, entropy=ENTROPY, timeout_seconds=timeout_seconds)


@asynccontextmanager
async def caller(key: SecretKey | Signer, bridge: PublicKey, url: str) -> AsyncIterator[BridgeClient]:
    """Run a client of a bridge on its own relay."""
    link = RelayConnection(url, keys=[key], clock=CLOCK, entropy=ENTROPY)
    async with linked(link):
        yield BridgeClient(key, bridge, [link], clock=CLOCK, entropy=ENTROPY)


@asynccontextmanager
async def bridge_and_bunker(folder: Path) -> AsyncIterator[tuple[Switchboard, Talk, Bunker, PublicKey]]:
    """Run a bridge, and on its relay a bunker that holds a user's key."""
    async with Switchboard(folder) as bridge, talking_script("nostr_sdk_bunker.py") as talk:
        told = await talk.ask(json.dumps({"relay": bridge.url}))
        yield bridge, talk, parse_bunker(told["uri"]), PublicKey(told["pubkey"])
    assert bridge.complaints == []


async def test_bunker_is_asked_once_and_never_for_the_twenty_requests_that_follow(tmp_path: Path) -> None:
    device = draw_key(ENTROPY)
    async with within(60), bridge_and_bunker(tmp_path) as (bridge, talk, bunker, user):
        async with remote(bunker) as signer:
            assert await signer.connect() == user
            async with caller(signer, bridge.public_key, bridge.url) as client:
                registered = await client.register_device(device, name="phone")
        assert (registered.device_pubkey, registered.primary) == (device.public_key, False)
        asked = Counter(await talk.ask())
        # One seal, its answer, and one proof to a relay that protects wraps.
        assert asked == {"connect": 1, "get_public_key": 1, "nip44_encrypt": 1, "sign_event": 2, "nip44_decrypt": 2}
        async with caller(device, bridge.public_key, bridge.url) as client:
            for _ in range(20):
                assert (await client.account()).pubkey == user
        assert Counter(await talk.ask()) == asked


async def test_a_client_of_others_has_the_same_bunker_asked_once_too(tmp_path: Path) -> None:
    async with within(60), bridge_and_bunker(tmp_path) as (bridge, talk, bunker, user):
        secret = f"&secret={bunker.secret}"
        told = await run_script(
            "nostr_tools_device.mjs",
            relay=bridge.url,
            bridge=bridge.public_key,
            uri=f"bunker://{bunker.signer}?relay={bunker.relays[0]}{secret}",
            requests=20,
        )
        asked = Counter(await talk.ask())
    assert told["user"] == user
    assert told["registered"]["result"]["device"]["device_pubkey"] == told["device"]
    assert [answer["result"]["account"]["pubkey"] for answer in told["accounts"]] == [user] * 20
    assert (asked["nip44_encrypt"], asked["sign_event"], asked["nip44_decrypt"]) == (1, 2, 2)


async def test_bunker_that_does_not_know_us_fails_by_name(tmp_path: Path) -> None:
    async with within(60), bridge_and_bunker(tmp_path) as (_, talk, bunker, _):
        wrong = Bunker(bunker.signer, bunker.relays, "wrong")
        async with remote(wrong) as signer:
            with pytest.raises(SignerFailed, match="connected"):
                assert signer.public_key
            with pytest.raises(SignerFailed, match="refuses connect"):
                await signer.connect()
        assert await talk.ask() == ["connect"]


async def test_bunker_that_is_away_is_not_waited_for_without_end(tmp_path: Path) -> None:
    async with within(60), Switchboard(tmp_path) as bridge:
        away = Bunker(draw_key(ENTROPY).public_key, (bridge.url,))
        async with remote(away, timeout_seconds=0.5) as signer:
            with pytest.raises(SignerFailed, match="did not answer"):
                await signer.connect()
