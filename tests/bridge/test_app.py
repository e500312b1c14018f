"""The whole bridge: started, asked over real sockets, stopped, started again."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bridge.app import in_steps
from bridge.errors import StartupError
from bridge.home import Home
from bridge.settings.tree import Settings
from client.errors import BridgeRefusal
from nips import kinds
from nips.keys import SecretKey
from storage.errors import StorageFailed, StorageInUse
from storage.sqlite import SqliteStorage
from tests.support.bridges import TURN_URL, a_bridge, a_client, a_home, bridge_settings
from tests.support.deadline import within
from tests.support.wraps import drawn

ASKER = SecretKey(drawn("asker"))


async def test_client_gets_credentials_over_a_socket_in_either_kind_of_wrap(tmp_path: Path) -> None:
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    async with within(20), a_bridge(home, settings) as bridge, a_client(bridge, ASKER) as client:
        for kind in (kinds.GIFT_WRAP, kinds.EPHEMERAL_GIFT_WRAP):
            result = await client.call("turn.get_credentials", kind=kind)
            assert result["turn_urls"] == [TURN_URL]
        assert (await client.account()).limits["turn"].remaining == 98


async def test_balances_survive_a_restart(tmp_path: Path) -> None:
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    async with within(20), a_bridge(home, settings) as bridge, a_client(bridge, ASKER) as client:
        await client.turn_credentials()
    async with within(20), a_bridge(home, settings) as bridge, a_client(bridge, ASKER) as client:
        assert (await client.account()).limits["turn"].remaining == 99


async def test_bridge_tells_about_itself_to_whoever_asks(tmp_path: Path) -> None:
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    async with within(20), a_bridge(home, settings) as bridge:
        document = await asyncio.to_thread(_information, bridge.url)
        assert document["self"] == bridge.public_key
        async with connect(bridge.url) as socket:
            events = await _stored(socket, {"authors": [bridge.public_key]})
    tags = {event["kind"]: event["tags"] for event in events}
    assert tags[kinds.INBOX_RELAYS] == [["relay", bridge.url]]
    assert ["k", "24390"] in tags[kinds.HANDLER]


async def test_stop_closes_with_1001(tmp_path: Path) -> None:
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    async with within(20):
        async with a_bridge(home, settings) as bridge:
            socket = await connect(bridge.url)
            await socket.recv()
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert socket.close_code == 1001


async def test_method_without_a_provider_is_not_offered(tmp_path: Path) -> None:
    settings = bridge_settings()
    managed = replace(settings.turn.managed, enabled=False)
    settings = replace(settings, turn=replace(settings.turn, providers=(), managed=managed))
    home = await a_home(tmp_path, settings)
    async with within(20), a_bridge(home, settings) as bridge, a_client(bridge, ASKER) as client:
        assert "turn.get_credentials" not in (await client.info()).methods
        with pytest.raises(BridgeRefusal) as refused:
            await client.turn_credentials()
    assert refused.value.refusal.code == "BRIDGE_UNKNOWN_METHOD"


async def test_without_coturn_there_is_stun_only_and_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bridge.turn.managed.from_settings.find_program", lambda: None)
    caplog.set_level("INFO")
    settings = bridge_settings()
    turn = replace(settings.turn, providers=(), stun_urls=("stun:turn.example.org",))
    settings = replace(settings, turn=turn)
    home = await a_home(tmp_path, settings)
    async with within(20), a_bridge(home, settings) as bridge, a_client(bridge, ASKER) as client:
        assert (await client.turn_credentials()).ice_servers == ({"urls": ["stun:turn.example.org"]},)
    (line,) = [record for record in caplog.records if record.message == "no TURN server"]
    assert line.facts == {"reason": "turnserver is not installed (Debian: apt install coturn)"}  # type: ignore[attr-defined]


async def test_two_bridges_on_one_home_are_refused(tmp_path: Path) -> None:
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    async with within(20), a_bridge(home, settings):
        with pytest.raises(StorageInUse):
            async with a_bridge(home, settings):
                pass


async def test_secret_file_that_is_missing_stops_the_start_and_frees_the_database(tmp_path: Path) -> None:
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    (tmp_path / "turn.secret").unlink()
    with pytest.raises(StartupError, match=r"turn\.secret"):
        async with a_bridge(home, settings):
            pass
    settings = replace(settings, turn=replace(settings.turn, providers=()))
    async with within(20), a_bridge(home, settings):
        pass


async def test_home_without_a_bridge_stops_the_start_and_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="switchboard init"):
        Home(tmp_path).load_settings()


async def test_bridges_key_reads_none_of_the_wraps_meant_for_it(tmp_path: Path) -> None:
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    async with within(20), a_bridge(home, settings) as bridge:
        async with a_client(bridge, ASKER) as client:
            await client.call("bridge.info", kind=kinds.GIFT_WRAP)
        secret = home.read_key(settings, {})
        async with a_client(bridge, secret) as itself:
            link = itself._connections[0]
            assert link.status.counts.received == 0


def _information(url: str) -> dict[str, Any]:
    request = urllib.request.Request(url.replace("ws://", "http://"), headers={"Accept": "application/nostr+json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        document: dict[str, Any] = json.load(response)
    return document


async def _stored(socket: ClientConnection, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    await socket.send(json.dumps(["REQ", "s", wanted]))
    events = []
    while (message := json.loads(await socket.recv()))[0] != "EOSE":
        if message[0] == "EVENT":
            events.append(message[2])
    return events


async def test_step_that_hangs_leaves_those_after_it_their_time() -> None:
    taken = list[str]()

    async def hangs() -> None:
        taken.append("hangs")
        await asyncio.Event().wait()

    async def takes_its_turn() -> None:
        await asyncio.sleep(0)
        taken.append("turn")

    async with within():
        assert not await in_steps([hangs, takes_its_turn, hangs, takes_its_turn], seconds=0.2)
        assert taken == ["hangs", "turn", "hangs", "turn"]
        assert await in_steps([takes_its_turn, takes_its_turn], seconds=60)


# --- without its storage


@dataclass(frozen=True, slots=True)
class WatchedHome(Home):
    """Tells which storage was opened in it."""

    opened: list[SqliteStorage] = field(default_factory=list)

    async def open_storage(
        self, settings: Settings, environment: Mapping[str, str], *, create: bool = False
    ) -> SqliteStorage:
        """Open it, and take note."""
        self.opened.append(await Home.open_storage(self, settings, environment, create=create))
        return self.opened[-1]


def end_the_thread(connection: sqlite3.Connection) -> NoReturn:
    """Raise what no work raises."""
    raise SystemExit("no ordinary exception")


async def test_bridge_whose_storage_has_ended_ends_and_says_so(tmp_path: Path) -> None:
    settings = bridge_settings()
    home = WatchedHome((await a_home(tmp_path / "home", settings)).path)
    async with within(20):
        with pytest.raises(ExceptionGroup) as failures:
            async with a_bridge(home, settings):
                with suppress(StorageFailed):
                    await home.opened[0]._database.writer.run(end_the_thread)
                await asyncio.Event().wait()
    assert failures.group_contains(StorageFailed, match="start again")
