"""One coturn process, from its start to its end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from bridge.turn.managed import leash
from bridge.turn.managed.configuration import Plan, configuration
from bridge.turn.managed.orphan import pid_argument
from bridge.turn.managed.stun import mapped_address
from client.entropy import Entropy

PROGRAM = "turnserver"
"""coturn's name for itself; Debian's package is `coturn`."""

END_SECONDS = 5.0
"""Time that it has to end when asked to."""

_READ_BYTES = 16_384


def find_program() -> str | None:
    """Return where coturn is installed; None where it is not."""
    return shutil.which(PROGRAM, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/bin")


class Child:
    """A running coturn."""

    def __init__(self, process: Process, plan: Plan) -> None:
        self._process = process
        self._plan = plan

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    @classmethod
    async def start(cls, program: str, plan: Plan, secrets: Sequence[str]) -> Child:
        """Start coturn, which is not ready yet; raise `OSError` if that cannot be done.

        The configuration is a file in memory that only the child has: every user of the machine can read a command
        line, and what is written to a disk stays there. Were it not found, coturn would let in nobody, since that much
        is on the command line.
        """
        file = os.memfd_create("turnserver.conf")
        try:
            with os.fdopen(file, "w", encoding="utf-8", closefd=False) as text:
                text.write(configuration(plan, secrets))
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), program),
                *("-c", f"/proc/self/fd/{file}", "--use-auth-secret", pid_argument(plan.pid_file)),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                env={},
                cwd=plan.pid_file.parent,
                pass_fds=[file],
                # Ctrl-C on a terminal is for us: it runs until what we accepted is answered.
                start_new_session=True,
            )
        finally:
            os.close(file)
        return cls(process, plan)

    async def read(self, take: Callable[[bytes], None]) -> None:
        """Pass on what it says until it ends."""
        assert self._process.stdout is not None  # as asked for above
        while data := await self._process.stdout.read(_READ_BYTES):
            take(data)

    async def answers(self, *, seconds: float, entropy: Entropy) -> bool:
        """Ask for a STUN binding and tell whether an answer came in that time."""
        answer = await mapped_address(self._plan.addresses[0], self._plan.port, seconds=seconds, entropy=entropy)
        return answer is not None

    def read_certificate_again(self) -> None:
        """Have it load its certificate anew; connections that there are go on."""
        self._send(signal.SIGUSR2)

    async def end(self, *, is_hung: bool = False) -> int:
        """Ask it to end, kill it if it does not, and return its status; one that is hung is not asked."""
        for number in (signal.SIGKILL,) if is_hung else (signal.SIGTERM, signal.SIGKILL):
            self._send(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await self._process.wait()
                    break
        _remove(self._plan.pid_file)
        return await self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        # Not `send_signal`: it may collect the status of a process that has just ended, before asyncio does.
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink(missing_ok=True)
