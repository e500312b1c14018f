"""A program that ends with its parent, whatever becomes of that."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

import pytest

from bridge.turn.managed import leash
from tests.support.deadline import within

BARE = (sys.executable, "-I", "-S")
PARENT = f"""
import os, subprocess, sys
child = subprocess.Popen([*{BARE!r}, {leash.__file__!r}, str(os.getpid()), "/bin/sh", "-c", "echo $$; exec cat"])
child.wait()
"""


async def started(*command: str) -> tuple[asyncio.subprocess.Process, int]:
    """Start a program that has a child, and return both once the child has said its number."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with within():
        return process, int(await process.stdout.readline())


async def test_program_ends_when_its_parent_is_killed() -> None:
    parent, child = await started(*BARE, "-c", PARENT)
    assert parent.stdin is not None
    descriptor, over = os.pidfd_open(child), asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, over.set)
    parent.kill()
    # Its input stays open all the while, so it does not end for want of that.
    async with within():
        await over.wait()
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        parent.stdin.close()
        await parent.communicate()


async def on_leash(parent: int, *command: str) -> tuple[int, bytes]:
    """Run a program on a leash of ours and return its status and what it said."""
    process = await asyncio.create_subprocess_exec(
        *BARE, leash.__file__, str(parent), *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    async with within():
        said, _ = await process.communicate()
    return process.returncode or 0, said


async def test_program_whose_parent_is_gone_already_is_not_run() -> None:
    assert await on_leash(1, "/bin/echo", "ran") == (leash.NO_PARENT, b"")


@pytest.mark.parametrize(
    ("field", "value"), [("NoNewPrivs", "1"), ("Max core file size", "0")], ids=["privileges", "core"]
)
async def test_program_gains_no_privileges_and_leaves_no_core(field: str, value: str) -> None:
    files: Sequence[str] = ("/proc/self/status", "/proc/self/limits")
    status, said = await on_leash(os.getpid(), "/bin/cat", *files)
    (line,) = [line for line in said.decode().splitlines() if line.startswith(field)]
    assert (status, line.removeprefix(field).strip(": \t").split()[0]) == (0, value)


async def test_arguments_and_the_number_of_the_process_stay() -> None:
    process = await asyncio.create_subprocess_exec(
        *(*BARE, leash.__file__, str(os.getpid()), "/bin/sh", "-c", 'echo $$ "$@"', "sh", "a b", "c"),
        stdout=asyncio.subprocess.PIPE,
    )
    async with within():
        said, _ = await process.communicate()
    assert said.decode() == f"{process.pid} a b c\n"
