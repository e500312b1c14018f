"""One worker as the bridge has it: a process, its two pipes, and the jobs that it has not answered."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from bridge.workers.frames import FrameReader, framed
from bridge.workers.jobs import READY

READ_BYTES = 65_536

START_SECONDS = 60.0
"""Time that a process has to load and to say that it is ready, on a machine that has much else to do."""

END_SECONDS = 1.0
"""Time that a process has to end when its input does."""


class ChildEnded(Exception):
    """The worker ended before it answered; the job may be given to another."""


class Child:
    """A worker's process, run after run. Its length is the number of jobs that it has."""

    def __init__(self, start: bytes, *, max_waiting: int, timeout_seconds: float, on_room: Callable[[], None]) -> None:
        self._start = start
        self._max_waiting = max_waiting
        self._timeout_seconds = timeout_seconds
        self._on_room = on_room
        self._process: Process | None = None
        self._is_ready = False
        self._waiting: deque[asyncio.Future[bytes]] = deque()
        self._unsent: list[bytes] = []
        self._alarm: asyncio.TimerHandle | None = None
        self.answered = 0
        """Jobs that were answered, over all runs."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_ready(self) -> bool:
        """Tell whether it runs and has said that it can work."""
        return self._is_ready

    @property
    def has_room(self) -> bool:
        """Tell whether it runs and takes another job."""
        return self._is_ready and len(self._waiting) < self._max_waiting

    @property
    def pid(self) -> int | None:
        """The number of its process, while there is one."""
        return self._process.pid if self._process else None

    async def do(self, job: bytes) -> bytes:
        """Return the answer to a job; raise `ChildEnded` if none comes. Only for one that `has_room`."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()
        if not self._waiting:
            self._watch(self._timeout_seconds)
        self._waiting.append(answered)
        if not self._unsent:
            # At the end of the turn, so that all that is asked in one turn goes in one piece.
            loop.call_soon(self._send)
        self._unsent.append(job)
        return await answered

    async def run(self) -> int:
        """Start the process and return its status when it has ended; when cancelled, end it first."""
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "bridge.workers", stdin=PIPE, stdout=PIPE, stderr=DEVNULL
        )
        try:
            assert process.stdin is not None and process.stdout is not None  # as asked for above
            process.stdin.write(framed([self._start]))
            self._watch(START_SECONDS)
            await self._read(process.stdout)
        finally:
            self._give_up()
            await _ended(process)
            self._process = None
        return process.returncode or 0

    async def _read(self, output: asyncio.StreamReader) -> None:
        frames = FrameReader()
        while data := await output.read(READ_BYTES):
            for answer in frames.feed(data):
                if self._is_ready:
                    self._settle(answer)
                else:
                    self._is_ready = answer == READY
            self._watch(self._timeout_seconds)
            self._on_room()

    def _settle(self, answer: bytes) -> None:
        waiting = self._waiting.popleft()
        self.answered += 1
        if not waiting.done():
            waiting.set_result(answer)

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._is_ready and self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(framed(unsent))

    def _watch(self, seconds: float) -> None:
        """Give the process so long from now."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._kill_if_stuck)

    def _kill_if_stuck(self) -> None:
        if self._process is not None and (self._waiting or not self._is_ready):
            _kill(self._process)

    def _give_up(self) -> None:
        self._is_ready = False
        if self._alarm is not None:
            self._alarm.cancel()
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(ChildEnded)
        self._unsent.clear()


async def _ended(process: Process) -> None:
    """Return when a process has ended, by itself or not."""
    if process.stdin is not None:
        process.stdin.close()
    # Not a timeout, which on Python 3.11 is lost in a task that is being cancelled.
    alarm = asyncio.get_running_loop().call_later(END_SECONDS, _kill, process)
    try:
        # Not `wait`: that waits for the end of an output which nobody reads any more.
        await process.communicate()
    finally:
        alarm.cancel()


def _kill(process: Process) -> None:
    # Not `process.kill`: that may collect the status itself, and asyncio then knows none.
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
