"""A relay that says exactly what a test has written for it, over a real websocket.

A script is a coroutine for one connection: it awaits what the client must say and says what a relay would. A script
that fails, or that the client cuts short, fails the test; one that has returned keeps its connection open.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from client.connection import RelayConnection

AnswerHttp = Callable[[ServerConnection, Request], Response | None]


class FakeSession:
    """One client's connection, as the relay sees it."""

    def __init__(self, number: int, socket: ServerConnection) -> None:
        self.number = number
        """0 for the first connection, and so on."""
        self.socket = socket
        self.subscription = ""
        """The subscription that a script serves; scripts set it."""

    async def expect(self, verb: str) -> list[Any]:
        """Return the client's next message, which must begin with this verb."""
        message: list[Any] = json.loads(await self.socket.recv())
        assert message[0] == verb, f"session {self.number}: {verb} expected, not {message}"
        return message

    async def say(self, *message: Any) -> None:
        """Send one message."""
        await self.socket.send(json.dumps(message))

    async def say_raw(self, message: str | bytes) -> None:
        """Send one frame as it is."""
        await self.socket.send(message)

    async def close(self, code: int = 1000) -> None:
        """Close with a closing handshake."""
        await self.socket.close(code)

    def drop(self) -> None:
        """Cut the connection without a word."""
        self.socket.transport.abort()

    async def wait_closed(self) -> int | None:
        """Wait until the client has closed and return the code; what it says until then is not read."""
        await self.socket.wait_closed()
        return self.socket.close_code


Script = Callable[[FakeSession], Awaitable[None]]


class FakeRelay:
    """A websocket server on a free port of this machine that plays a script for each connection."""

    def __init__(self, *scripts: Script, answer_http: AnswerHttp | None = None) -> None:
        """Play the first script for the first connection and so on; the last one for all that follow."""
        self._scripts = scripts
        self._answer_http = answer_http
        self._failures: list[Exception] = []
        self._cut_short: list[Exception] = []
        self._server: Server | None = None
        self.sessions = 0
        """Connections so far."""

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._play, "127.0.0.1", 0, compression=None, ping_interval=None, process_request=self._answer_http
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        # A test whose time is over waited for what a failed script would have said: the script's failure tells more.
        if self._failures and (error is None or isinstance(error, asyncio.CancelledError)):
            raise self._failures[0]
        if self._cut_short and error is None:
            raise self._cut_short[0]

    async def _play(self, socket: ServerConnection) -> None:
        session = FakeSession(self.sessions, socket)
        self.sessions += 1
        script = self._scripts[min(session.number, len(self._scripts) - 1)]
        try:
            await script(session)
        except ConnectionClosed:
            self._cut_short.append(AssertionError(f"session {session.number}: the script was cut short"))
        except Exception as error:  # noqa: BLE001 - raised again where the test sees it
            self._failures.append(error)
        await socket.wait_closed()


@asynccontextmanager
async def running(*connections: RelayConnection) -> AsyncIterator[None]:
    """Run connections to relays while the block lasts, and close them after it."""
    async with asyncio.TaskGroup() as tasks:
        runs: Sequence[asyncio.Task[None]] = [tasks.create_task(connection.run()) for connection in connections]
        try:
            yield
        finally:
            for connection in connections:
                await connection.close()
            for run in runs:
                await run
