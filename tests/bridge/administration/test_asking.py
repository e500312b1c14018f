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
from storage.database_file import FileLock
from storage.errors import StorageInUse
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
        assert (told["changed"], told["connections_closed"]) == (True, 1)
    async with within(30), a_bridge(home, settings) as bridge, a_client(bridge, AUTHOR) as client:
        assert await asyncio.to_thread(blocked, home) == [True]
        with pytest.raises(BridgeRefusal) as caught:
            await client.turn_credentials()
        assert caught.value.refusal.code == "BRIDGE_FORBIDDEN"
    assert (await asyncio.to_thread(ask, home, "accounts.unblock", {}, account=npub))["changed"] is True
    async with within(30), a_bridge(home, settings) as bridge, a_client(bridge, AUTHOR) as client:
        await client.turn_credentials()
        assert await asyncio.to_thread(blocked, home) == [False]


async def test_command_waits_for_its_turn_while_another_has_the_storage(tmp_path: Path) -> None:
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    lock = FileLock(tmp_path / settings.storage.file)
    async with within(30), asyncio.TaskGroup() as tasks:
        listing = tasks.create_task(asyncio.to_thread(blocked, home))
        done, _ = await asyncio.wait([listing], timeout=0.3)
        assert not done
        lock.release()
    assert listing.result() == []


async def test_storage_that_stays_taken_is_told_with_what_may_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.administration.asking.TURN_SECONDS", 0.1)
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    lock = FileLock(tmp_path / settings.storage.file)
    with pytest.raises(StorageInUse, match="begins or ends, try again"):
        await asyncio.to_thread(blocked, home)
    lock.release()


async def test_what_needs_a_bridge_is_refused_without_one(tmp_path: Path) -> None:
    home = await a_home(tmp_path, bridge_settings())
    with pytest.raises(CommandRefused, match="no bridge runs here"):
        await asyncio.to_thread(ask, home, "status", {})
