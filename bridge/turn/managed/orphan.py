"""A coturn that an earlier run of this bridge left behind.

There should be none (`leash`). Only who holds the database of the home looks for one, so it is nobody else's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress
from pathlib import Path

from bridge.turn.managed.configuration import Plan

log = logging.getLogger(__name__)

END_SECONDS = 5.0
"""Time that it has to end when asked to."""

_MAX_PID_FILE_BYTES = 32


def pid_argument(pid_file: Path) -> str:
    """Return the argument by which a coturn of this home is known."""
    return f"--pidfile={pid_file}"


async def end_orphan(plan: Plan) -> None:
    """End the process that the pid file names, if it is a coturn of this home, and remove the file."""
    pid = _pid_in(plan.pid_file)
    if pid is not None:
        with suppress(ProcessLookupError):
            # The descriptor stands for this one process; its number may become another's at any time.
            descriptor = os.pidfd_open(pid)
            try:
                if _is_ours(pid, plan.pid_file):
                    await _end(descriptor, pid)
            finally:
                os.close(descriptor)
    plan.pid_file.unlink(missing_ok=True)


def _pid_in(file: Path) -> int | None:
    try:
        with file.open("rb") as opened:
            pid = int(opened.read(_MAX_PID_FILE_BYTES))
    except (OSError, ValueError):
        return None
    return pid if 1 < pid < 2**31 else None


def _is_ours(pid: int, pid_file: Path) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"turnserver" in arguments[0] and pid_argument(pid_file).encode() in arguments[1:]


async def _end(descriptor: int, pid: int) -> None:
    log.warning("ending a coturn that an earlier run left behind", extra={"facts": {"process": pid}})
    for number in (signal.SIGTERM, signal.SIGKILL):
        signal.pidfd_send_signal(descriptor, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await _ended(descriptor)
                return


async def _ended(descriptor: int) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
