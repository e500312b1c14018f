"""The program under measurement: `switchboard init`, then `switchboard run` in its own process, as operators do it.

What is raised here are limits that would refuse the load. Nothing else differs from what `init` writes: every write is
durable (`synchronous=FULL`), every check is done, the log is written.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from bench.machine import pinned
from bridge.home import SETTINGS_FILE
from bridge.settings.accounts import LimiterSettings
from bridge.settings.reading import load_settings
from bridge.settings.rendering import render
from bridge.settings.tree import Settings
from nips.keys import PublicKey
from nips.nip19 import decode_npub

PROGRAM = Path(sys.executable).with_name("switchboard")
PATIENCE_SECONDS = 60.0

Change = Callable[[Settings], Settings]


def unhindered(settings: Settings) -> Settings:
    """Return settings on any free port, whose limits let a whole load through from few connections."""
    plenty = LimiterSettings(burst=1_000_000, refill_seconds=0.001)
    return replace(
        settings,
        accounts=replace(settings.accounts, budget=plenty),
        permits=replace(settings.permits, turn=plenty, info=plenty),
        metrics=replace(settings.metrics, port=0),
        relay=replace(
            settings.relay,
            port=0,
            events_per_second=1_000_000,
            events_burst=10_000_000,
            event_bytes_per_second=2**40,
            event_burst_bytes=2**40,
            queries_per_second=1_000_000,
            queries_burst=10_000_000,
            max_auth_keys=1000,
            max_unsent_bytes=64 * 1_048_576,
            max_connections=5000,
            max_connections_per_address=5000,
            address_connections_per_second=1_000_000,
            address_connections_burst=10_000_000,
            max_limit=1000,
        ),
        wraps=replace(
            settings.wraps,
            recipient_wraps_per_second=1_000_000,
            recipient_wraps_burst=10_000_000,
            sender_wraps_per_second=1_000_000,
            sender_wraps_burst=10_000_000,
            sender_wraps_per_day=10_000_000,
        ),
    )


class Failed(Exception):
    """The program did not do what it was asked for; the text ends with what it said."""


class Program:
    """A bridge that runs from entering to leaving."""

    def __init__(self, home: Path, *, cores: frozenset[int], change: Change = unhindered) -> None:
        """Plan a bridge on these cores, in a folder that holds none yet or that an earlier one left."""
        self._home = home
        self._log = home.with_name(f"{home.name}.log")
        self._cores = cores
        self._change = change
        self._process: subprocess.Popen[bytes] | None = None
        self._ready: Mapping[str, Any] = {}

    def __enter__(self) -> Self:
        self.make()
        self.start()
        return self

    def make(self) -> None:
        """Make the bridge: its keys, its database, its settings."""
        command = [str(PROGRAM), "init", "--home", str(self._home), "--turn-host", "turn.example.org"]
        said = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE_SECONDS, check=True)
        (npub,) = [line.removeprefix("npub: ") for line in said.stdout.splitlines() if line.startswith("npub: ")]
        self.public_key: PublicKey = decode_npub(npub)
        file = self._home / SETTINGS_FILE
        file.write_text(render(self._change(load_settings(file))), encoding="utf-8")

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.stop()

    @property
    def url(self) -> str:
        """Where its relay listens."""
        return str(self._ready["url"])

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    @property
    def database(self) -> Path:
        """The file of its database."""
        return self._home / "switchboard.db"

    def start(self) -> float:
        """Start it; return the seconds until it says that it is ready."""
        with self._log.open("wb") as log, pinned(self._cores):
            started = time.perf_counter()
            command = [str(PROGRAM), "run", "--home", str(self._home)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
            )
        while time.perf_counter() - started < PATIENCE_SECONDS and self._process.poll() is None:
            if b'"ready"' in (said := self._log.read_bytes()):
                took = time.perf_counter() - started
                self._ready = next(line for line in map(json.loads, said.splitlines()) if line["message"] == "ready")
                return took
            time.sleep(0.002)
        self.stop()
        raise Failed(f"the program was not ready\n{self._log.read_text('utf-8', 'replace')[-2000:]}")

    def stop(self) -> None:
        """End it, and complain of what it complained of."""
        process, self._process = self._process, None
        assert process is not None, "it does not run"
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        complaints = [line for line in self._log.read_text("utf-8", "replace").splitlines() if not _is_calm(line)]
        if process.returncode or complaints:
            raise Failed("\n".join([f"the program ended with status {process.returncode}", *complaints[:20]]))


def _is_calm(line: str) -> bool:
    try:
        return json.loads(line)["level"] in {"debug", "info"}
    except (ValueError, KeyError, TypeError):
        return False
