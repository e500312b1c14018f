"""A coturn that was left behind is ended, and nobody else."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from bridge.turn.managed.orphan import end_orphan, pid_argument
from tests.bridge.turn.managed.plans import a_plan
from tests.support.deadline import within

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); input()"


async def a_process(name: str, *arguments: str, code: str = "print(flush=True); input()") -> asyncio.subprocess.Process:
    """Start a process under a name of our choice, and wait until it runs."""
    process = await asyncio.create_subprocess_exec(
        *(name, "-I", "-S", "-c", code, *arguments),
        executable=sys.executable,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with within():
        await process.stdout.readline()
    return process


async def ended(process: asyncio.subprocess.Process) -> int:
    """Return the status of a process that ends by itself or has ended."""
    async with within():
        await process.communicate(b"\n")
    return process.returncode or 0


async def test_coturn_of_this_home_is_asked_to_end(tmp_path: Path) -> None:
    plan = a_plan(tmp_path)
    orphan = await a_process("/usr/bin/turnserver", pid_argument(plan.pid_file))
    plan.pid_file.write_text(f"{orphan.pid}\n")
    async with within():
        await end_orphan(plan)
    assert await ended(orphan) == -signal.SIGTERM
    assert not plan.pid_file.exists()


async def test_one_that_does_not_heed_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.turn.managed.orphan.END_SECONDS", 0.1)
    plan = a_plan(tmp_path)
    orphan = await a_process("turnserver", pid_argument(plan.pid_file), code=STUBBORN)
    plan.pid_file.write_text(f"{orphan.pid}\n")
    async with within():
        await end_orphan(plan)
    assert await ended(orphan) == -signal.SIGKILL


@pytest.mark.parametrize("name", ["turnserver", "cat"])
async def test_coturn_of_another_home_and_other_programs_go_on(tmp_path: Path, name: str) -> None:
    plan = a_plan(tmp_path)
    own = pid_argument(plan.pid_file) if name == "cat" else pid_argument(tmp_path / "other" / "coturn.pid")
    other = await a_process(name, own)
    plan.pid_file.write_text(f"{other.pid}\n")
    await end_orphan(plan)
    assert other.returncode is None
    assert await ended(other) == 0
    assert not plan.pid_file.exists()


@pytest.mark.parametrize("content", ["", "0", "-1", "1", "no number", "9" * 40, "2147483647", "4\n5"])
async def test_file_that_names_no_process_is_only_removed(tmp_path: Path, content: str) -> None:
    plan = a_plan(tmp_path)
    plan.pid_file.write_text(content)
    await end_orphan(plan)
    assert not plan.pid_file.exists()


async def test_without_a_file_there_is_nothing_to_do(tmp_path: Path) -> None:
    await end_orphan(a_plan(tmp_path))
    assert not list(tmp_path.iterdir())
