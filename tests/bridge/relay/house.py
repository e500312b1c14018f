"""A server whose conversations say what a test wants, and clients of it."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from bridge.relay.addresses import Origin
from bridge.relay.conversation import Coming, Conversation, Serving
from bridge.relay.limits import ServerLimits
from bridge.relay.pages import Pages
from bridge.relay.server import RelayServer
from bridge.relay.session import Farewell
from bridge.relay.subscriptions import Push
from nips.nip11 import RelayInformation
from tests.support.deadline import within

LIMITS = ServerLimits(close_seconds=2)
SMALL = 4096


class Scripted(Conversation):
    """Answers a frame with what `script` yields for it."""

    def __init__(self, house: House, push: Push, interrupt: Callable[[], None]) -> None:
        self.house = house
        self.push = push
        self.interrupt = interrupt
        self.ended = asyncio.Event()
        self.parting: Farewell | None = None

    @property
    def farewell(self) -> Farewell | None:
        return self.parting

    @property
    def is_listening(self) -> bool:
        return self.house.listens()

    def greet(self) -> str:
        return "hello"

    def dismiss(self, reason: str) -> None:
        self.parting = Farewell(1008, reason)
        self.interrupt()

    def receive(self, frame: str | bytes) -> Iterator[str | Serving | Coming]:
        yield self.house.script(self, frame)

    def end(self) -> None:
        self.ended.set()


async def echo(conversation: Scripted, frame: str | bytes) -> Serving:
    yield f"echo {frame!r}"


@dataclass
class House:
    """A server and the conversations that it holds."""

    limits: ServerLimits = LIMITS
    script: Callable[[Scripted, str | bytes], Serving | Coming] = echo
    listens: Callable[[], bool] = lambda: True
    conversations: list[Scripted] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, *, send_buffer: int | None = None) -> AsyncIterator[RelayServer]:
        server = RelayServer(
            host="127.0.0.1",
            port=0,
            limits=self.limits,
            max_message_bytes=1000,
            converse=self._converse,
            pages=lambda port: Pages(RelayInformation(name="Test"), f"ws://127.0.0.1:{port}"),
        )
        async with server:
            if send_buffer is not None:
                # Connections inherit it; otherwise the kernel takes megabytes before anything waits here.
                for listener in server._server.sockets:
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            self.server = server
            self.url = f"ws://127.0.0.1:{server.port}"
            yield server

    def _converse(self, push: Push, origin: Origin, interrupt: Callable[[], None]) -> Conversation:
        self.origins.append(origin)
        conversation = Scripted(self, push, interrupt)
        self.conversations.append(conversation)
        return conversation

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[ClientConnection]:
        async with connect(self.url, compression=None, ping_interval=None, **options) as client:
            async with within():
                assert await client.recv() == "hello"
            yield client

    @asynccontextmanager
    async def deaf_client(self) -> AsyncIterator[ClientConnection]:
        """Connect somebody who reads nothing after the greeting, with hardly any room in between."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.server.port))
        async with self.client(sock=sock, close_timeout=0.1) as client:
            client.transport.pause_reading()
            yield client


async def closed(client: ClientConnection) -> int | None:
    """Return the code with which the relay closes."""
    async with within():
        await client.wait_closed()
    return client.close_code


def get(port: int, method: str = "GET", path: str = "/", **headers: str) -> tuple[int, dict[str, str], str]:
    """Ask over plain HTTP."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        client.request(method, path, headers=headers)
        response = client.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read().decode()
    finally:
        client.close()


async def ask(port: int, method: str = "GET", path: str = "/", **headers: str) -> tuple[int, dict[str, str], str]:
    return await asyncio.to_thread(get, port, method, path, **headers)


def pause_of(server: RelayServer) -> asyncio.Event:
    """Return what is set when the only client has more waiting than its answers may add to."""
    (connection,) = server._crowd.clients
    paused, pause = asyncio.Event(), connection.pause_writing

    def pause_writing() -> None:
        pause()
        paused.set()

    connection.pause_writing = pause_writing  # type: ignore[method-assign]
    return paused
