"""What a running bridge tells of itself."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from bridge.administration.asking import ask
from bridge.administration.client import operator
from bridge.administration.messages import Json
from bridge.operation import Operated, Operation, build_operation
from nips.nip19 import encode_npub
from tests.support.bridges import a_bridge, a_client, a_home, bridge_settings
from tests.support.deadline import within
from tests.support.wraps import AUTHOR


async def test_status_of_a_bridge_that_runs(tmp_path: Path) -> None:
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)

    def status_of() -> Json:
        with operator(tmp_path) as bridge:
            return bridge.ask("status")

    async with within(20), a_bridge(home, settings) as bridge:
        status = await asyncio.to_thread(status_of)
        assert status["npub"] == encode_npub(bridge.public_key)
        assert status["url"] == bridge.url
        assert status["pid"] == os.getpid()
        assert status["uptime_seconds"] >= 0
        assert status["relays"] == []
        assert status["figures"].keys() == {"accounts", *bridge.figures()}
        assert status["figures"]["accounts"] == 0
        assert (status["problems"], status["down"]) == ({}, [])
        assert status["version"]
    assert not (tmp_path / "admin.sock").exists()


async def test_bridge_that_stops_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Operation] = []

    def build(operated: Operated) -> Operation:
        built.append(build_operation(operated))
        return built[-1]

    monkeypatch.setattr("bridge.app.build_operation", build)
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    async with within(20), a_bridge(home, settings):
        assert (await asyncio.to_thread(ask, home, "status", {}))["stopping"] is False
        built[0].stop()
        assert (await asyncio.to_thread(ask, home, "status", {}))["stopping"] is True


async def test_what_happened_is_counted_by_outcome(tmp_path: Path) -> None:
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    async with within(20), a_bridge(home, settings) as bridge, a_client(bridge, AUTHOR) as client:
        await client.turn_credentials()
        status = await asyncio.to_thread(ask, home, "status", {})
    assert status["figures"]["accounts"] == 1
    assert status["events"] == {"call_relay.credentials_issued": 1, "requests.ok": 1, "turn.coturn.granted": 1}
