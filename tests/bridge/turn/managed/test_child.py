"""One coturn process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.turn.managed.child import Child, find_program
from bridge.turn.managed.configuration import Plan
from bridge.turn.managed.orphan import pid_argument
from client.entropy import SystemEntropy
from tests.bridge.turn.managed.plans import a_plan
from tests.support.deadline import within

pytestmark = pytest.mark.skipif(find_program() is None, reason="no turnserver here: apt-get install coturn")

SECRET = "planted-5ec4e7"


@asynccontextmanager
async def running(plan: Plan) -> AsyncIterator[tuple[Child, bytearray]]:
    """Run coturn until the block ends, once it answers; return what it says as well."""
    said = bytearray()
    child = await Child.start(find_program() or "", plan, [SECRET])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(child.read(said.extend))
        async with within():
            while not await child.answers(seconds=0.2, entropy=SystemEntropy()):
                pass
        try:
            yield child, said
        finally:
            await child.end()


async def test_secret_is_in_no_file_and_in_no_list_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED", "of the bridge's own environment")
    plan = a_plan(tmp_path)
    async with running(plan) as (child, said):
        place = Path(f"/proc/{child.pid}")
        arguments = (place / "cmdline").read_bytes().split(b"\0")
        assert b"turnserver" in arguments[0]
        assert pid_argument(plan.pid_file).encode() in arguments
        assert SECRET.encode() not in (place / "cmdline").read_bytes()
        assert b"PLANTED" not in (place / "environ").read_bytes()
        assert not any(SECRET.encode() in file.read_bytes() for file in tmp_path.iterdir())
    assert SECRET.encode() not in said


async def test_it_ends_when_asked_and_leaves_nothing(tmp_path: Path) -> None:
    plan = a_plan(tmp_path)
    async with running(plan) as (child, _):
        assert await child.end() == -signal.SIGTERM
        assert not await child.answers(seconds=0.05, entropy=SystemEntropy())
    assert not list(tmp_path.iterdir())


async def test_one_that_hangs_is_killed_without_being_asked(tmp_path: Path) -> None:
    async with running(a_plan(tmp_path)) as (child, _):
        os.kill(child.pid, signal.SIGSTOP)
        assert not await child.answers(seconds=0.05, entropy=SystemEntropy())
        async with within(3):
            assert await child.end(is_hung=True) == -signal.SIGKILL


async def test_one_that_does_not_heed_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.turn.managed.child.END_SECONDS", 0.1)
    stubborn = tmp_path / "turnserver"
    stubborn.write_text("#!/bin/sh\ntrap '' TERM\necho ready\nwhile :; do /bin/sleep 60; done\n")
    stubborn.chmod(0o700)
    child = await Child.start(str(stubborn), a_plan(tmp_path), [SECRET])
    ready = asyncio.Event()
    async with within(), asyncio.TaskGroup() as tasks:
        tasks.create_task(child.read(lambda said: ready.set()))
        await ready.wait()
        assert await child.end() == -signal.SIGKILL
        os.killpg(child.pid, signal.SIGKILL)


async def test_it_is_in_a_session_of_its_own_so_that_ctrl_c_is_for_us(tmp_path: Path) -> None:
    async with running(a_plan(tmp_path)) as (child, _):
        assert os.getsid(child.pid) == child.pid != os.getsid(0)


async def test_program_that_is_not_there_ends_at_once(tmp_path: Path) -> None:
    child = await Child.start(str(tmp_path / "nothing"), a_plan(tmp_path), [SECRET])
    said = bytearray()
    async with within():
        await child.read(said.extend)
        assert await child.end() == 1
    assert b"FileNotFoundError" in said
