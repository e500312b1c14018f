"""`switchboard run`: ready when it says so, and stopped as it was asked."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from websockets.asyncio.client import connect

from client.clock import SystemClock
from client.entropy import SystemEntropy
from client.wrapping import wrap_rumor
from nips import kinds
from nips.keys import SecretKey
from nips.nip59 import make_rumor
from tests.support.deadline import within
from tests.support.process import Switchboard
from tests.support.wraps import drawn

ASKER = SecretKey(drawn("asker"))


async def test_ready_means_that_clients_are_served(tmp_path: Path) -> None:
    async with within(30), Switchboard(tmp_path / "home") as program, connect(program.url) as socket:
        assert json.loads(await socket.recv())[0] == "AUTH"


async def test_both_signals_end_it_with_status_0_and_clients_with_1001(tmp_path: Path) -> None:
    async with within(30), Switchboard(tmp_path / "home") as program:
        for number in (signal.SIGINT, signal.SIGTERM):
            async with connect(program.url) as socket:
                os.kill(program.pid, number)
                await socket.wait_closed()
            assert socket.close_code == 1001
            await program.stop()
            await program.start()
        assert program.complaints == []


async def test_what_was_acknowledged_before_the_signal_is_answered_before_the_end(tmp_path: Path) -> None:
    clock, entropy = SystemClock(), SystemEntropy()
    async with within(30), Switchboard(tmp_path / "home") as program:
        socket = await connect(program.url)
        await socket.recv()
        content = '{"_v":"1.0.0","id":"1","method":"bridge.info","params":{}}'
        for number in range(20):
            rumor = make_rumor(
                ASKER.public_key,
                created_at=clock.now() - number,
                kind=kinds.BRIDGE_REQUEST,
                tags=[],
                content=content.replace('"1"', f'"{number}"'),
            )
            wrap = wrap_rumor(rumor, ASKER, program.public_key, kind=kinds.GIFT_WRAP, clock=clock, entropy=entropy)
            await socket.send(f'["EVENT",{wrap.to_json()}]')
        for _ in range(20):
            assert json.loads(await socket.recv())[2] is True
        await program.stop()
        await program.start()
        assert not [line for line in program.log if line["message"].startswith("answering what an earlier run")]


async def test_lines_of_the_log_are_json_where_nobody_looks(tmp_path: Path) -> None:
    async with within(30), Switchboard(tmp_path / "home") as program:
        assert all({"time", "level", "logger", "message"} <= set(line) for line in program.log)
