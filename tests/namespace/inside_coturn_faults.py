"""A coturn of the bridge's own that dies, hangs, is left behind or finds its place taken."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from bridge.turn.coturn import coturn_password
from bridge.turn.managed.child import find_program
from bridge.turn.managed.from_settings import PID_FILE
from bridge.turn.managed.orphan import pid_argument
from client.clock import SystemClock
from client.entropy import SystemEntropy, draw_key
from client.results import TurnCredentials
from tests.namespace.house import (
    PEER,
    SERVER,
    URLS,
    a_bridge,
    a_client,
    coturn_of,
    credentials_of,
    gone,
    public,
    secret_of,
)
from tests.support.deadline import within
from tests.support.process import LogLine, Switchboard
from tests.support.turn_client import Refused, turn_client

SECONDS_AWAY = 5.0
"""So long at most until a coturn that was killed is back."""


def said(bridge: Switchboard, message: str) -> list[LogLine]:
    """Return the lines with a message."""
    return [line for line in bridge.log if line["message"] == message]


async def another_coturn_of(bridge: Switchboard, former: int) -> int:
    """Return the process of a coturn that answers, once it is another one."""
    async with within(30):
        while (latest := said(bridge, "coturn answers")[-1]["process"]) == former:
            await bridge.next_line()
    return int(latest)


async def allocates(credentials: TurnCredentials) -> bool:
    """Tell whether credentials are worth an allocation."""
    async with within(), turn_client(URLS[0], credentials.username, credentials.password) as client:
        try:
            return (await client.allocate())[0] == SERVER
        except Refused:
            return False


async def test_coturn_that_is_killed_is_back_within_seconds_while_requests_go_on(tmp_path: Path) -> None:
    async with a_bridge(tmp_path) as bridge:
        former, clock = await coturn_of(bridge), SystemClock()
        async with a_client(bridge) as client:
            before = await client.turn_credentials()
            killed = clock.monotonic()
            os.kill(former, signal.SIGKILL)
            back = asyncio.ensure_future(another_coturn_of(bridge, former))
            answered = [await client.turn_credentials()]
            await back
            assert clock.monotonic() - killed < SECONDS_AWAY
            answered.append(await client.turn_credentials())
        assert [await allocates(credentials) for credentials in (before, *answered)] == [True, True, True]
        assert len(said(bridge, "coturn is away")) == 1
        await bridge.wait_for("works again", part="coturn")


async def test_coturn_that_hangs_is_replaced(tmp_path: Path) -> None:
    async with a_bridge(tmp_path, probe_seconds=0.1) as bridge:
        former = await coturn_of(bridge)
        os.kill(former, signal.SIGSTOP)
        await another_coturn_of(bridge, former)
        await gone(former)
        assert await allocates(await credentials_of(bridge))
        (away,) = said(bridge, "coturn is away")
        assert "does not answer any more" in away["reason"]


async def test_nothing_is_left_after_a_stop(tmp_path: Path) -> None:
    async with a_bridge(tmp_path) as bridge:
        child = await coturn_of(bridge)
        await bridge.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
        assert not (tmp_path / PID_FILE).exists()


async def test_coturn_ends_with_a_bridge_that_is_killed(tmp_path: Path) -> None:
    async with a_bridge(tmp_path) as bridge:
        child = await coturn_of(bridge)
        await bridge.kill()
        await gone(child)
        assert (tmp_path / PID_FILE).read_text().strip() == str(child)
        await bridge.start()
        await coturn_of(bridge)
        assert said(bridge, "ending a coturn that an earlier run left behind") == []


async def test_coturn_that_was_left_behind_is_ended_by_the_next_start(tmp_path: Path) -> None:
    async with a_bridge(tmp_path) as bridge:
        await bridge.stop()
        program = find_program()
        assert program is not None
        orphan = await asyncio.create_subprocess_exec(
            *(program, "-n", f"--listening-ip={SERVER}", "--use-auth-secret", "--static-auth-secret=old", "--no-cli"),
            *("--log-file=stdout", "--userdb=:memory:", pid_argument(tmp_path / PID_FILE)),
            stdout=asyncio.subprocess.PIPE,
        )
        assert orphan.stdout is not None
        async with within():
            while b"pid file created" not in await orphan.stdout.readline():
                pass
        await bridge.start()
        async with within():
            await orphan.communicate()
        assert orphan.returncode == -signal.SIGTERM
        child = await coturn_of(bridge)
        assert (tmp_path / PID_FILE).read_text().strip() == str(child)
        assert await allocates(await credentials_of(bridge))


@pytest.mark.parametrize("content", ["{pid}\n", "0\n", "-1\n", "1\n", "", "99999999999999999999\n", "all\n"])
async def test_pid_file_that_names_another_process_ends_nobody(tmp_path: Path, content: str) -> None:
    async with a_bridge(tmp_path) as bridge:
        await bridge.stop()
        other = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE)
        (tmp_path / PID_FILE).write_text(content.format(pid=other.pid))
        await bridge.start()
        await coturn_of(bridge)
        assert other.returncode is None
        async with within():
            await other.communicate(b"")
        assert other.returncode == 0


async def test_credentials_outlast_a_restart_and_a_change_of_the_secret(tmp_path: Path) -> None:
    async with a_bridge(tmp_path, rekey_seconds=60) as bridge:
        key = draw_key(SystemEntropy())
        issued, first = await credentials_of(bridge, key), secret_of(bridge)
        await bridge.restart()
        assert secret_of(bridge) == first
        assert await allocates(issued)
        assert issued.password == coturn_password(first.encode(), issued.username)


async def test_reload_ends_coturn_and_starts_it_with_other_settings(tmp_path: Path) -> None:
    async with a_bridge(tmp_path) as bridge:
        first = await coturn_of(bridge)
        key = draw_key(SystemEntropy())
        issued = await credentials_of(bridge, key)
        bridge.change_settings(lambda settings: public(settings, enabled=False))
        os.kill(bridge.pid, signal.SIGHUP)
        await gone(first)
        async with a_client(bridge) as client:
            assert "turn.get_credentials" not in (await client.info()).methods
        bridge.change_settings(lambda settings: public(settings, user_quota=1))
        os.kill(bridge.pid, signal.SIGHUP)
        await another_coturn_of(bridge, first)
        async with within(), turn_client(URLS[0], issued.username, issued.password) as client_of_before:
            await client_of_before.allocate()
            assert not await allocates(await credentials_of(bridge, key))
        assert bridge.complaints == []


async def test_place_that_is_taken_is_told_and_taken_once_it_is_free(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        # As another coturn would: one of the same user could share it, and take half of our clients.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((SERVER, 3478))
        async with a_bridge(tmp_path) as bridge:
            away = await bridge.wait_for("coturn is away")
            assert "UDP port 3478 of 5.5.5.1 is taken" in away["reason"]
            assert "turn.managed.port" in away["reason"]
            async with a_client(bridge) as client:
                assert "turn.get_credentials" in (await client.info()).methods
            other.close()
            await coturn_of(bridge)
            assert await allocates(await credentials_of(bridge))


async def test_log_names_no_user_and_no_address_of_those_who_ask(tmp_path: Path) -> None:
    async with a_bridge(tmp_path) as bridge:
        credentials = await credentials_of(bridge)
        async with within(), turn_client(URLS[0], credentials.username, "wrong") as client:
            with pytest.raises(Refused):
                await client.allocate()
        await bridge.stop()
        lines = [str(line) for line in bridge.log]
        assert any("Cannot find credentials of user <…>" in line for line in lines)
        words = (credentials.username, credentials.username.partition(":")[2], credentials.password, PEER)
        assert [line for line in lines if any(word in line for word in words)] == []
