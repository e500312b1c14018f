"""`switchboard status`: once, for machines, and as a view that goes on."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
from pathlib import Path

from tests.bridge.cli.callers import operate, told
from tests.bridge.cli.commands import switchboard
from tests.support.deadline import within
from tests.support.process import Switchboard


async def test_piped_it_is_said_once_in_lines(tmp_path: Path) -> None:
    async with within(60), Switchboard(tmp_path / "home") as program:
        result = await operate(program.home, "status")
        assert (result.returncode, result.stderr) == (0, "")
        facts = dict(line.split(": ", 1) for line in result.stdout.splitlines())
        assert facts["url"] == program.url
        assert facts["pid"] == str(program.pid)
        assert facts["figure connections"] == "0"
        assert "\x1b" not in result.stdout
        machine = await told(program.home, "status")
        assert machine["pid"] == program.pid
        assert machine["problems"] == {}


def test_without_a_bridge_it_ends_with_status_2_and_how_to_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert switchboard("init", "--home", str(home)).returncode == 0
    result = switchboard("status", "--home", str(home))
    assert (result.returncode, result.stdout) == (2, "")
    assert "switchboard run" in result.stderr


async def test_on_a_terminal_it_goes_on_until_an_interrupt_and_draws_what_changed(tmp_path: Path) -> None:
    async with within(60), Switchboard(tmp_path / "home") as program:
        ours, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            "switchboard",
            "status",
            "--interval",
            "0.1",
            "--home",
            str(program.home),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"},
        )
        os.close(theirs)
        try:
            seen = await asyncio.to_thread(_read_until, ours, b"everything works")
            # A page that is drawn again starts with the way back up.
            again = await asyncio.to_thread(_read_until, ours, b"\x1b[K")
            assert b"everything works" not in again
            process.send_signal(signal.SIGINT)
            rest = await asyncio.to_thread(_read_until, ours, b"\x1b[?25h")
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            os.close(ours)
        assert program.url.encode() in seen
        assert b"Traceback" not in rest


def _read_until(terminal: int, words: bytes) -> bytes:
    seen = b""
    while words not in seen:
        seen += os.read(terminal, 1 if seen.endswith(words[:1]) else 4096)
    return seen


async def test_view_of_a_bridge_that_ends_says_so(tmp_path: Path) -> None:
    async with within(60), Switchboard(tmp_path / "home") as program:
        ours, theirs = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            "switchboard",
            "status",
            "--interval",
            "0.1",
            "--home",
            str(program.home),
            stdin=theirs,
            stdout=theirs,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "TERM": "xterm-256color"},
        )
        os.close(theirs)
        await asyncio.to_thread(_read_until, ours, b"everything works")
        await program.stop()
        assert process.stderr is not None
        complaint = await process.stderr.read()
        assert await process.wait() == 2
        os.close(ours)
        await program.start()
    assert b"did not answer" in complaint
