"""The real program in a process of its own: `switchboard init` in a fresh folder, then `switchboard run`.

A test talks to it as an operator does: through `relay.toml`, signals and the JSON log on stderr. Whatever goes wrong
with it fails the test and shows that log.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bridge.home import SETTINGS_FILE
from bridge.settings.reading import load_settings
from bridge.settings.rendering import render
from bridge.settings.tree import Settings
from nips.keys import PublicKey
from nips.nip19 import decode_npub
from tests.support.deadline import within

PROGRAM = Path(sys.executable).with_name("switchboard")

Change = Callable[[Settings], Settings]
LogLine = Mapping[str, Any]


class ProgramFailed(AssertionError):
    """The program did something else than it was asked for; the text ends with what it said."""


class Switchboard:
    """A bridge that lives from entering to leaving, with pauses in between if a test wants them.

    It takes a free port each time that it starts, unless `change` says otherwise.
    """

    def __init__(
        self,
        home: Path,
        *init_options: str,
        change: Change = lambda settings: settings,
        keeps: Callable[[LogLine], bool] = lambda line: True,
        program: Sequence[str | Path] = (PROGRAM,),
    ) -> None:
        """Plan a bridge in a folder that holds none yet; `change` adapts the settings that `init` writes.

        `keeps` sees each line of the log and tells whether to remember it; a long run says more than there is room for.
        `program` runs the bridge in the place of the installed command.
        """
        self.home = home
        self._program = tuple(program)
        self._keeps = keeps
        self.log: list[LogLine] = []
        """All that was said since the first start; text that is no JSON stands as a `message` without a `level`."""
        self._init_options = init_options
        self._change = change
        self._public_key: PublicKey | None = None
        self._run: _Run | None = None

    async def __aenter__(self) -> Self:
        said = await _output_of("init", "--home", str(self.home), *self._init_options)
        (npub,) = [line.removeprefix("npub: ") for line in said.splitlines() if line.startswith("npub: ")]
        self._public_key = decode_npub(npub)
        self.change_settings(lambda settings: self._change(apart(settings)))
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            if self._run is not None:
                await self.stop()
            return
        if self._run is not None:
            await self.kill()
        if not isinstance(error, ProgramFailed):
            error.add_note(self._report())

    @property
    def public_key(self) -> PublicKey:
        """The bridge's own key."""
        assert self._public_key is not None, "the bridge is not made yet"
        return self._public_key

    @property
    def url(self) -> str:
        """Where its relay listens; another place after each start."""
        return str(self._running.ready["url"])

    @property
    def port(self) -> int:
        """The port of the relay."""
        return int(self._running.ready["port"])

    @property
    def metrics_url(self) -> str:
        """Where machines read how it is; another place after each start."""
        return str(self._running.ready["metrics"])

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._running.pid

    @property
    def family(self) -> Sequence[int]:
        """The number of its process and those of all that descend from it."""
        found = [self.pid]
        for member in found:
            for thread in Path(f"/proc/{member}/task").iterdir():
                found.extend(map(int, (thread / "children").read_text().split()))
        return found

    @property
    def complaints(self) -> Sequence[LogLine]:
        """What was said that no operator likes to read: warnings, errors, and text that is no log line."""
        return [line for line in self.log if line.get("level") not in {"debug", "info"}]

    def change_settings(self, change: Change) -> None:
        """Rewrite `relay.toml`; a running program does not notice."""
        file = self.home / SETTINGS_FILE
        file.write_text(render(change(load_settings(file))), encoding="utf-8")

    async def start(self) -> None:
        """Start and wait until it says that it is ready."""
        assert self._run is None, "it runs"
        self._run = await _Run.begin(self._program, self.home, self.log, self._keeps)
        try:
            self._run.ready = await self.wait_for("ready")
        except BaseException:
            await self.kill()
            raise

    async def stop(self) -> None:
        """Ask it to stop (SIGTERM); it must end with status 0."""
        if (status := await self.end(signal.SIGTERM)) != 0:
            raise ProgramFailed(f"it ended with status {status} when asked to stop\n{self._report()}")

    async def kill(self) -> None:
        """End it on the spot (SIGKILL)."""
        await self.end(signal.SIGKILL)

    async def restart(self) -> None:
        """Stop it if it runs, and start it again."""
        if self._run is not None:
            await self.stop()
        await self.start()

    async def wait_for(self, message: str, **facts: object) -> LogLine:
        """Return the first line since the latest start with this message and these facts, once it has been said."""
        run = self._running
        position = run.since
        async with run.said:
            try:
                async with within(20):
                    while True:
                        for line in self.log[position:]:
                            if line["message"] == message and facts.items() <= line.items():
                                return line
                        if run.is_silent:
                            break
                        position = len(self.log)
                        await run.said.wait()
            except TimeoutError:
                raise ProgramFailed(f"{message!r} was not said in time\n{self._report()}") from None
        raise ProgramFailed(f"it ended before it said {message!r}\n{self._report()}")

    async def next_line(self) -> None:
        """Wait until it says something more."""
        async with self._running.said:
            await self._running.said.wait()

    async def figures(self) -> LogLine:
        """Return what it says of its memory when asked (SIGUSR1)."""
        run = self._running
        run.figures = asyncio.get_running_loop().create_future()
        os.kill(run.pid, signal.SIGUSR1)
        try:
            async with within(60):
                return await run.figures
        except TimeoutError:
            raise ProgramFailed(f"it did not say how much is in its memory\n{self._report()}") from None

    @property
    def _running(self) -> _Run:
        assert self._run is not None, "it does not run"
        return self._run

    async def end(self, number: signal.Signals) -> int:
        """Send a signal and return the status with which it ends."""
        run, self._run = self._running, None
        try:
            async with within(20):
                return await run.end(number)
        except TimeoutError:
            await run.end(signal.SIGKILL)
            raise ProgramFailed(f"it did not end on {number.name}\n{self._report()}") from None

    def _report(self) -> str:
        return "\n".join(["what the program said:", *(json.dumps(line, ensure_ascii=False) for line in self.log)])


class _Run:
    """One process, from its start to its end."""

    def __init__(
        self, process: asyncio.subprocess.Process, log: list[LogLine], keeps: Callable[[LogLine], bool]
    ) -> None:
        self.ready: LogLine = {}
        self.since = len(log)
        """Where in the log this run begins."""
        self.said = asyncio.Condition()
        """Notified of each line, and of the end."""
        self.is_silent = False
        """Nothing more will be said."""
        self.figures: asyncio.Future[LogLine] | None = None
        """Waits for the next line of figures."""
        self._process = process
        self._reading = asyncio.create_task(self._read(log, keeps))

    @classmethod
    async def begin(
        cls, program: Sequence[str | Path], home: Path, log: list[LogLine], keeps: Callable[[LogLine], bool]
    ) -> _Run:
        """Start the program."""
        process = await asyncio.create_subprocess_exec(
            *program,
            "run",
            "--home",
            str(home),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        return cls(process, log, keeps)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    async def end(self, number: signal.Signals) -> int:
        """Send a signal, unless it has ended by itself, and return its status once all that it said is read."""
        # Not `send_signal`: it may collect the status of a process that has just ended, before asyncio does.
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
        await asyncio.shield(self._reading)
        return await self._process.wait()

    async def _read(self, log: list[LogLine], keeps: Callable[[LogLine], bool]) -> None:
        assert self._process.stderr is not None
        async for raw in self._process.stderr:
            line = _parse(raw.decode(errors="replace").rstrip("\n"))
            if line["message"] == "figures" and self.figures is not None and not self.figures.done():
                self.figures.set_result(line)
            if keeps(line):
                log.append(line)
            async with self.said:
                self.said.notify_all()
        async with self.said:
            self.is_silent = True
            self.said.notify_all()


def apart(settings: Settings) -> Settings:
    """Let several run beside each other: on any port, and without a TURN server, which has one for all."""
    turn = replace(settings.turn, managed=replace(settings.turn.managed, enabled=False))
    metrics = replace(settings.metrics, port=0)
    return replace(settings, relay=replace(settings.relay, port=0), turn=turn, metrics=metrics)


def _parse(text: str) -> LogLine:
    try:
        line = json.loads(text)
    except ValueError:
        line = None
    return line if isinstance(line, dict) and "message" in line else {"message": text}


async def _output_of(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        PROGRAM,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with within(20):
            said, complaint = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise ProgramFailed(f"`switchboard {arguments[0]}` did not end") from None
    if process.returncode != 0:
        raise ProgramFailed(
            f"`switchboard {arguments[0]}` ended with status {process.returncode}\n{complaint.decode(errors='replace')}"
        )
    return said.decode()
