"""Programs on libraries that others wrote, as child processes: one JSON object in, one out, and a deadline."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.deadline import within

HERE = Path(__file__).resolve().parent
NODE_PACKAGES = HERE.parent / "node_modules"
OLDEST_NODE = (20, 19)
OURS = {"bridge", "client", "nips", "protocol", "storage", "tests"}
STDERR_SHOWN = 4000
"""Characters at the end of what a failed program said."""


class PeerFailed(AssertionError):
    """A program of others did not do its part; the text ends with what it said."""


async def run_script(name: str, **question: Any) -> Any:
    """Return what a script of this folder answers to a question, or skip the test where its libraries are missing."""
    with tempfile.TemporaryFile() as errors:
        process = await _start(name, errors)
        try:
            async with within(20):
                said, _ = await process.communicate(json.dumps(question).encode())
        except TimeoutError:
            raise PeerFailed(f"{name} did not end in time\n{_end_of(errors)}") from None
        finally:
            await _end(process)
        if process.returncode != 0:
            raise PeerFailed(f"{name} ended with status {process.returncode}\n{_end_of(errors)}")
    # The last line, since pynostr prints messages that it cannot use.
    return json.loads(said.splitlines()[-1])


class Talk:
    """A program that answers line by line."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, errors: IO[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._name, self._errors = name, errors
        self._to, self._from = process.stdin, process.stdout

    async def hear(self) -> Any:
        """Return what it says next."""
        async with within(20):
            said = await self._from.readline()
        if not said:
            raise PeerFailed(f"{self._name} said nothing\n{_end_of(self._errors)}")
        return json.loads(said)

    async def ask(self, question: str = "") -> Any:
        """Send one line and return what it says to it."""
        self._to.write(question.encode() + b"\n")
        return await self.hear()


@asynccontextmanager
async def talking_script(name: str) -> AsyncIterator[Talk]:
    """Run a script of this folder that lasts until its stdin ends."""
    with tempfile.TemporaryFile() as errors:
        process = await _start(name, errors)
        assert process.stdin is not None
        try:
            yield Talk(name, process, errors)
            process.stdin.close()
            async with within(20):
                await process.wait()
            if process.returncode != 0:
                raise PeerFailed(f"{name} ended with status {process.returncode}\n{_end_of(errors)}")
        finally:
            await _end(process)


@asynccontextmanager
async def running_script(name: str) -> AsyncIterator[Any]:
    """Run a script of this folder that says one thing and then lasts until its stdin ends."""
    async with talking_script(name) as talk:
        yield await talk.hear()


def imported_packages(script: Path) -> set[str]:
    """Return the packages that a script imports, those of its language's own library excepted."""
    text = script.read_text("utf-8")
    if script.suffix == ".mjs":
        names = re.findall(r'\bfrom "([^"]+)"', text)
        return {name.split("/")[0] for name in names if not name.startswith("node:")}
    names = re.findall(r"^\s*(?:import|from) (\w+)", text, re.MULTILINE)
    return {name for name in names if name not in sys.stdlib_module_names}


async def _start(name: str, errors: IO[bytes]) -> asyncio.subprocess.Process:
    assert imported_packages(HERE / name).isdisjoint(OURS), f"{name} shares code with us"
    return await asyncio.create_subprocess_exec(
        _node() if name.endswith(".mjs") else sys.executable,
        str(HERE / name),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=errors,
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.communicate()


def _end_of(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read().decode(errors="replace")[-STDERR_SHOWN:]


@cache
def _node() -> str:
    node = shutil.which("node")
    if node is None or _version(node) < OLDEST_NODE:
        oldest = ".".join(map(str, OLDEST_NODE))
        pytest.skip(f"no Node {oldest} or later on the PATH: run ./test, which brings one")
    if not (NODE_PACKAGES / "nostr-tools").is_dir():
        pytest.skip("no nostr-tools: run ./test, or npm ci in tests/interop")
    return node


def _version(node: str) -> tuple[int, ...]:
    said = subprocess.run([node, "--version"], capture_output=True, encoding="ascii", check=True).stdout
    return tuple(map(int, said.strip().removeprefix("v").split(".")[:2]))
