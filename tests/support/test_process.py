"""The program under test is started, watched and ended as promised."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from tests.support.deadline import within
from tests.support.process import LogLine, ProgramFailed, Switchboard


async def _own_key(bridge: Switchboard) -> str:
    """Return the key that the relay names as its own (NIP-11)."""
    async with within():
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: application/nostr+json\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["self"])


async def test_entered_bridge_answers_at_its_port_and_ends_quietly(tmp_path: Path) -> None:
    async with Switchboard(tmp_path / "home") as bridge:
        assert bridge.url == f"ws://127.0.0.1:{bridge.port}"
        assert await _own_key(bridge) == bridge.public_key
    assert bridge.log[-1]["message"] == "stopped"
    assert bridge.complaints == []


async def test_killed_bridge_starts_again_with_the_same_key(tmp_path: Path) -> None:
    async with Switchboard(tmp_path / "home") as bridge:
        await bridge.kill()
        await bridge.restart()
        assert await _own_key(bridge) == bridge.public_key
        await bridge.restart()
        assert await _own_key(bridge) == bridge.public_key
    assert [line["message"] for line in bridge.log] == [
        "ready",
        "ready",
        "stopping",
        "stopped",
        "ready",
        "stopping",
        "stopped",
    ]


async def test_start_that_fails_shows_the_reason(tmp_path: Path) -> None:
    def without_secret(settings: Settings) -> Settings:
        coturn = replace(settings.turn.coturn, urls=("turn:127.0.0.1:3478",))
        turn = replace(settings.turn, providers=(ProviderKind.COTURN,), coturn=coturn)
        return replace(settings, turn=turn)

    with pytest.raises(ProgramFailed, match=r"ended before it said 'ready'(.|\n)*turn\.secret"):
        async with Switchboard(tmp_path / "home", change=without_secret):
            pytest.fail("it runs")


async def test_options_that_init_refuses_show_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match=r"`switchboard init` ended with status 2\n(.|\n)*--nonsense"):
        async with Switchboard(tmp_path / "home", "--nonsense"):
            pytest.fail("it runs")


async def test_failing_test_shows_the_log(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as failure:
        async with Switchboard(tmp_path / "home"):
            raise ZeroDivisionError
    assert '"ready"' in failure.value.__notes__[0]


async def test_end_that_nobody_asked_for_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match="status -9 when asked to stop"):
        async with Switchboard(tmp_path / "home") as bridge:
            os.kill(bridge.pid, signal.SIGKILL)
            with pytest.raises(ProgramFailed, match="ended before it said 'never'"):
                await bridge.wait_for("never")


async def test_what_is_not_kept_is_seen_once_and_forgotten(tmp_path: Path) -> None:
    seen = []

    def keeps(line: LogLine) -> bool:
        seen.append(line["message"])
        return bool(line["message"] == "ready")

    async with Switchboard(tmp_path / "home", keeps=keeps) as bridge:
        assert (await bridge.figures())["connections"] == 0
        assert (await bridge.figures())["connections"] == 0
    assert seen == ["ready", "figures", "figures", "stopping", "stopped"]
    assert [line["message"] for line in bridge.log] == ["ready"]


async def test_family_is_the_process_and_all_that_descend_from_it(tmp_path: Path) -> None:
    def with_worker(settings: Settings) -> Settings:
        return replace(settings, inbox=replace(settings.inbox, workers=1))

    async with within(60), Switchboard(tmp_path / "home", change=with_worker) as bridge:
        while not (await bridge.figures())["workers"]:
            pass
        own, worker = bridge.family
        assert own == bridge.pid
        assert f"PPid:\t{own}\n" in Path(f"/proc/{worker}/status").read_text()
