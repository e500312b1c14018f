"""Relays that others wrote, each in processes of its own: what ours is checked and measured beside."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tests.support.deadline import within

PROGRAM = Path(__file__).resolve().parents[2] / ".venv-peers" / "bin" / "nostr-relay"
STDERR_SHOWN = 4000
"""Characters at the end of what a failed program said."""


class PeerFailed(AssertionError):
    """A relay of others did not start; the text ends with what it said."""


@asynccontextmanager
async def nostr_relay(folder: Path, **changes: Any) -> AsyncIterator[str]:
    """Run PyPI's `nostr-relay` on an SQLite file in an empty folder, as one worker; yield its URL.

    `changes` replace whole entries of its configuration, which is otherwise the shipped one with AUTH switched on.
    """
    if not PROGRAM.exists():
        raise PeerFailed("no nostr-relay in .venv-peers: run ./test, which puts it there")
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryFile() as said:
        # The worker inherits the socket: it is bound before anybody asks, and no port can be taken in between.
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}"
        file = folder / "nostr_relay.yaml"
        # JSON is YAML.
        file.write_text(json.dumps(_configuration(folder, url, listener.fileno()) | changes), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            "-c",
            str(file),
            "serve",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=(listener.fileno(),),
            # It keeps a control socket under its home.
            env={**os.environ, "HOME": str(folder)},
            start_new_session=True,
        )
        try:
            await _wait_serving(url, process, said)
            yield url
        finally:
            await _end(process)


def _configuration(folder: Path, url: str, descriptor: int) -> dict[str, Any]:
    return {
        "storage": {
            "sqlalchemy.url": f"sqlite+aiosqlite:///{folder / 'nostr_relay.db'}",
            "num_concurrent_reqs": 10,
            "num_concurrent_adds": 2,
            "validators": [
                "nostr_relay.validators.is_not_too_large",
                "nostr_relay.validators.is_signed",
                "nostr_relay.validators.is_recent",
                "nostr_relay.validators.is_not_hellthread",
            ],
        },
        "verification": {"nip05_verification": "disabled"},
        "authentication": {"enabled": True, "valid_urls": [url], "actions": {"save": "a", "query": "a"}},
        "gunicorn": {"bind": f"fd://{descriptor}", "workers": 1, "loglevel": "warning"},
        "subscription_limit": 32,
        "max_limit": 6000,
        "hellthread_limit": 100,
        "message_timeout": 1800,
    }


async def _wait_serving(url: str, process: asyncio.subprocess.Process, said: IO[bytes]) -> None:
    """Return when it has answered a request: the socket was open all the time, so this waits, and never polls."""
    ended = asyncio.create_task(process.wait())
    asking = asyncio.create_task(_ask(url))
    try:
        async with within(30):
            await asyncio.wait({ended, asking}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done() or asking.exception() is not None:
            raise PeerFailed(f"nostr-relay does not answer\n{_end_of(said)}")
    except TimeoutError:
        raise PeerFailed(f"nostr-relay did not answer in time\n{_end_of(said)}") from None
    finally:
        for task in (ended, asking):
            task.cancel()
        await asyncio.gather(ended, asking, return_exceptions=True)


async def _ask(url: str) -> None:
    address = url.removeprefix("ws://")
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
    finally:
        writer.close()
    if not answer.startswith(b"HTTP/1.1 200"):
        raise PeerFailed(f"nostr-relay answers {answer[:80]!r}")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill master and worker: what they keep is thrown away, and the worker takes seconds over a polite request."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _end_of(said: IO[bytes]) -> str:
    said.seek(0)
    return said.read().decode(errors="replace")[-STDERR_SHOWN:]
