"""One command, whether a bridge runs or not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bridge.administration.asking import ask
from bridge.administration.messages import CommandRefused
from bridge.home import Home
from client.errors import BridgeRefusal
from nips.nip19 import encode_npub
from tests.support.bridges import a_bridge, a_client, a_home, bridge_settings
from tests.support.deadline import within
from tests.support.wraps import AUTHOR


def blocked(home: Home) -> list[bool]:
    return [account["blocked"] for account in ask(home, "accounts.list", {})["accounts"]]


async def test_what_is_done_to_a_running_bridge_shows_without_one_and_the_other_way_round(tmp_path: Path) -> None:
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    npub = encode_npub(AUTHOR.public_key)
    async with within(30), a_bridge(home, settings) as bridge, a_client(bridge, AUTHOR) as client:
        await client.turn_credentials()
        told = await asyncio.to_thread(ask, home, "accounts.block", {}, account=npub)
        assert told == {"changed": True, "connections_closed": 1}
    async with within(30), a_bridge(home, settings) as bridge, a_client(bridge, AUTHOR) as client:
        assert await asyncio.to_thread(blocked, home) == [True]
        with pytest.raises(BridgeRefusal) as caught:
            await client.turn_credentials()
        assert caught.value.refusal.code == "BRIDGE_FORBIDDEN"
    assert (await asyncio.to_thread(ask, home, "accounts.unblock", {}, account=npub)) == {"changed": True}
    async with within(30), a_bridge(home, settings) as bridge, a_client(bridge, AUTHOR) as client:
        await client.turn_credentials()
        assert await asyncio.to_thread(blocked, home) == [False]


async def test_what_needs_a_bridge_is_refused_without_one(tmp_path: Path) -> None:
    home = await a_home(tmp_path, bridge_settings())
    with pytest.raises(CommandRefused, match="no bridge runs here"):
        await asyncio.to_thread(ask, home, "status", {})
