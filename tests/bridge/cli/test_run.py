"""`switchboard run`: ready when it says so, and stopped as it was asked."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import socket
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from bridge.home import SETTINGS_FILE, Home
from bridge.settings.reading import load_settings
from bridge.settings.rendering import render
from bridge.settings.tree import Settings
from bridge.settings.upkeep import LogLevel
from bridge.turn.managed.child import find_program
from client.clock import SystemClock
from client.entropy import SystemEntropy
from client.wrapping import wrap_rumor
from nips import kinds
from nips.event import parse_event, verify_event
from nips.filter import Filter
from nips.keys import SecretKey
from nips.nip59 import Rumor, make_rumor, open_wrap
from tests.bridge.cli.commands import switchboard
from tests.support.deadline import within
from tests.support.process import Change, Switchboard, apart
from tests.support.wraps import drawn

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

ASKER = SecretKey(drawn("asker"))
NOON = SystemClock().now()


async def test_ready_means_that_clients_are_served(tmp_path: Path) -> None:
    async with within(30), Switchboard(tmp_path / "home") as program, connect(program.url) as client:
        assert json.loads(await client.recv())[0] == "AUTH"


async def test_both_signals_end_it_with_status_0_and_clients_with_1001(tmp_path: Path) -> None:
    async with within(30), Switchboard(tmp_path / "home") as program:
        for number in (signal.SIGINT, signal.SIGTERM):
            async with connect(program.url) as client:
                os.kill(program.pid, number)
                await client.wait_closed()
            assert client.close_code == 1001
            await program.stop()
            await program.start()
        assert program.complaints == []


async def test_sigusr1_has_it_say_how_much_is_in_memory(tmp_path: Path) -> None:
    async with within(30), Switchboard(tmp_path / "home") as program:
        at_rest = await program.figures()
        assert [at_rest[name] for name in ("connections", "subscriptions", "requests", "live_answers")] == [0] * 4
        async with connect(program.url) as client:
            await client.recv()
            await client.send('["REQ", "s", {"kinds": [30001]}]')
            assert json.loads(await client.recv())[:2] == ["EOSE", "s"]
            busy = await program.figures()
            assert (busy["connections"], busy["subscriptions"]) == (1, 1)
            assert busy["tasks"] > at_rest["tasks"]


async def test_hangup_has_it_read_its_settings_again(tmp_path: Path) -> None:
    async with within(30), Switchboard(tmp_path / "home") as program:
        program.change_settings(lambda settings: replace(settings, log=replace(settings.log, level=LogLevel.DEBUG)))
        os.kill(program.pid, signal.SIGHUP)
        assert (await program.wait_for("settings read again"))["changed"] == ["log.level"]
        async with connect(program.url) as client:
            await client.recv()
            await client.send('["EVENT", {}]')
            await client.recv()
        (program.home / "relay.toml").write_text("[")
        os.kill(program.pid, signal.SIGHUP)
        refused = await program.wait_for("settings refused, the old ones stay")
        assert "is not TOML" in refused["problems"][0]
        program.log.remove(refused)
        assert not program.complaints


async def test_bridge_whose_terminal_is_closed_stops(tmp_path: Path) -> None:
    home = tmp_path / "home"
    a_home(home)
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        "setsid",
        "--ctty",
        "--wait",
        "switchboard",
        "run",
        "--home",
        str(home),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        async with within(30):
            said = b""
            while b"this machine only" not in said:
                said += await asyncio.to_thread(os.read, ours, 4096)
            os.close(ours)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert not (home / "admin.sock").exists()


async def test_what_was_acknowledged_before_the_signal_is_answered_before_the_end(tmp_path: Path) -> None:
    clock, entropy = SystemClock(), SystemEntropy()
    async with within(30), Switchboard(tmp_path / "home") as program:
        rumors = {a_request(number).id for number in range(20)}
        async with connect(program.url) as client:
            await client.recv()
            for number in range(20):
                wrap = wrap_rumor(
                    a_request(number), ASKER, program.public_key, kind=kinds.GIFT_WRAP, clock=clock, entropy=entropy
                )
                await client.send(f'["EVENT",{wrap.to_json()}]')
            for _ in range(20):
                assert json.loads(await client.recv())[2] is True
            await program.stop()
        home = Home(program.home)
        storage = await home.open_storage(home.load_settings(), {})
        try:
            assert await storage.inbox.waiting() == []
            recipients = {ASKER.public_key}
            kept = await storage.gift_wraps.query(Filter(), recipients=recipients, now=clock.now(), limit=100)
        finally:
            await storage.close()
        answered = {
            tag[1]
            for stored in kept
            for tag in open_wrap(verify_event(parse_event(json.loads(stored.json))), ASKER).tags
            if tag[0] == "e"
        }
        assert answered == rumors
        await program.start()


def a_request(number: int) -> Rumor:
    content = json.dumps({"_v": "1.0.0", "id": str(number), "method": "bridge.info", "params": {}})
    return make_rumor(ASKER.public_key, created_at=NOON, kind=kinds.BRIDGE_REQUEST, tags=[], content=content)


async def test_lines_of_the_log_are_json_where_nobody_looks(tmp_path: Path) -> None:
    async with within(30), Switchboard(tmp_path / "home") as program:
        assert all({"time", "level", "logger", "message"} <= set(line) for line in program.log)


async def test_second_interrupt_ends_it_at_once_though_a_client_does_not_answer_the_close(tmp_path: Path) -> None:
    patient = partial(change_relay, close_timeout_seconds=60, ping_interval_seconds=3600)
    async with within(30), Switchboard(tmp_path / "home", change=patient) as program:
        reader, writer = await asyncio.open_connection("127.0.0.1", program.port)
        writer.write(HANDSHAKE)
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")
        os.kill(program.pid, signal.SIGINT)
        await program.wait_for("stopping")
        assert await program.end(signal.SIGINT) == 130
        writer.close()


async def test_reader_of_the_card_that_goes_away_is_no_reason_to_stop(tmp_path: Path) -> None:
    home = tmp_path / "home"
    a_home(home)
    unread, card = os.pipe()
    os.close(unread)
    try:
        process = await asyncio.create_subprocess_exec(
            "switchboard", "run", "--home", str(home), stdout=card, stderr=asyncio.subprocess.PIPE
        )
    finally:
        os.close(card)
    assert process.stderr is not None
    try:
        async with within(30):
            while (line := json.loads(await process.stderr.readline()))["message"] != "ready":
                pass
            async with connect(line["url"]) as client:
                assert json.loads(await client.recv())[0] == "AUTH"
            process.send_signal(signal.SIGTERM)
            rest = await process.stderr.read()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert [json.loads(line)["level"] for line in rest.splitlines()] == ["info"] * 2


async def test_port_that_is_taken_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        home = tmp_path / "home"
        assert switchboard("init", "--home", str(home), "--port", str(port)).returncode == 0
        failed = switchboard("run", "--home", str(home))
    assert failed.returncode == 2
    (line,) = failed.stderr.splitlines()
    assert f"relay.port = {port}" in line
    assert "another host or port" in line


def test_host_that_is_not_ours_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    switchboard("init", "--home", str(home))
    settings = load_settings(home / "relay.toml")
    (home / "relay.toml").write_text(render(change_relay(settings, host="203.0.113.7")))
    failed = switchboard("run", "--home", str(home))
    assert failed.returncode == 2
    assert "relay.host = '203.0.113.7'" in failed.stderr
    assert "Traceback" not in failed.stderr


async def card_of(home: Path) -> str:
    """Return what a bridge that starts shows on standard output."""
    process = await asyncio.create_subprocess_exec(
        *("switchboard", "run", "--home", str(home)), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    shown = b""
    async with within(30):
        while b"reach:" not in shown:
            shown += await process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    return shown.decode()


async def test_card_tells_which_turn_server_runs(tmp_path: Path) -> None:
    if find_program() is None:
        pytest.skip("no turnserver here: apt-get install coturn")
    a_home(tmp_path / "home", lambda settings: change_managed(apart(settings), enabled=True, port=0))
    assert re.search(r"(?m)^turn: managed coturn on 127\.0\.0\.1:\d+$", await card_of(tmp_path / "home"))


async def test_card_tells_why_there_is_none(tmp_path: Path) -> None:
    a_home(tmp_path / "home")
    assert "turn: none: turn.managed.enabled is false. See docs" in await card_of(tmp_path / "home")


def a_home(home: Path, change: Change = apart) -> None:
    """Make a bridge's folder, with a relay on any port."""
    assert switchboard("init", "--home", str(home), "--port", "0").returncode == 0
    file = home / SETTINGS_FILE
    file.write_text(render(change(load_settings(file))), encoding="utf-8")


def change_managed(settings: Settings, **changes: object) -> Settings:
    managed = replace(settings.turn.managed, **changes)  # type: ignore[arg-type]
    return replace(settings, turn=replace(settings.turn, managed=managed))


def change_relay(settings: Settings, **changes: object) -> Settings:
    return replace(settings, relay=replace(settings.relay, **changes))  # type: ignore[arg-type]
