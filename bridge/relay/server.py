"""The sockets of the relay: connections in, frames to conversations, texts out. All else is decided elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Self, cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN

from bridge.errors import StartupError
from bridge.relay.conversation import Conversation
from bridge.relay.faults import note_fault
from bridge.relay.limits import ServerLimits
from bridge.relay.pages import FULL, Page, Pages, Question
from bridge.relay.socket import ClientSocket, Crowd
from bridge.relay.subscriptions import Push

log = logging.getLogger(__name__)

# Frames that are read ahead of the one being answered, before reading pauses.
_FRAMES_AHEAD = 4

# Waiting bytes from which on the sender of an answer waits.
_HIGH_WATER_BYTES = 65_536


class RelayServer:
    """Listens, from entering its context to leaving it; `websockets` owns one task for each connection in between."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        limits: ServerLimits,
        max_message_bytes: int,
        converse: Callable[[Push], Conversation],
        pages: Callable[[int], Pages],
    ) -> None:
        """Take what makes a conversation and, as soon as the port is known, what makes the pages."""
        self.port = port
        self._host = host
        self._limits = limits
        self._max_message_bytes = max_message_bytes
        self._converse = converse
        self._make_pages = pages
        self._crowd = Crowd()
        self._listening: set[asyncio.Timeout] = set()
        self._answering = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        try:
            self._server = await self._listen_on_port()
        except OSError as error:
            reason = error.strerror or str(error)
            raise StartupError(
                f"relay.host = {self._host!r}, relay.port = {self.port}: cannot listen there ({reason}); "
                "stop the other program, or write another host or port"
            ) from None
        self.port = int(next(iter(self._server.sockets)).getsockname()[1])
        self._pages = self._make_pages(self.port)
        await self._server.start_serving()
        return self

    async def _listen_on_port(self) -> Server:
        limits = self._limits
        return await serve(
            self._talk,
            self._host,
            self.port,
            # Wraps are ciphertext: deflate would cost time and memory and gain nothing.
            compression=None,
            process_request=self._process_request,
            server_header=None,
            open_timeout=limits.handshake_seconds,
            ping_interval=limits.ping_interval_seconds,
            ping_timeout=limits.ping_timeout_seconds,
            close_timeout=limits.close_seconds,
            max_size=self._max_message_bytes,
            max_queue=_FRAMES_AHEAD,
            # Far enough below the bound that one more answer does not reach it.
            write_limit=min(_HIGH_WATER_BYTES, limits.max_unsent_bytes // 4),
            create_connection=cast("type[ServerConnection]", partial(ClientSocket, crowd=self._crowd, limits=limits)),
            start_serving=False,
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.close_seconds):
                await self.stop_reading()
        await self.drain()

    async def stop_reading(self) -> None:
        """Accept no connection and read no frame any more; return when those read are answered.

        Connections stay, and live events still reach them.
        """
        self._stopping.set()
        self._server.close(close_connections=False)
        for patience in self._listening:
            if not patience.expired():
                patience.reschedule(0)
        await self._quiet.wait()

    async def drain(self) -> None:
        """Send what waits, close every connection (1001), and return when all are gone."""
        async with asyncio.TaskGroup() as closing:
            for socket in tuple(self._crowd.all):
                closing.create_task(self._close(socket))
        await self._server.wait_closed()

    async def _close(self, socket: ClientSocket) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.close_seconds):
                if socket.state is OPEN:
                    await socket.close(CloseCode.GOING_AWAY, "the relay is stopping")
        socket.transport.abort()

    async def _talk(self, socket: ServerConnection) -> None:
        conversation = self._converse(cast("ClientSocket", socket).push)
        try:
            await socket.send(conversation.greet())
            await self._listen(socket, conversation)
        except ConnectionClosed:
            pass
        except Exception as error:
            note_fault(log, error)
            raise  # `websockets` closes the connection (1011)
        finally:
            conversation.end()

    async def _listen(self, socket: ServerConnection, conversation: Conversation) -> None:
        while not self._stopping.is_set():
            frame = await self._next_frame(socket)
            if self._stopping.is_set():
                break  # whoever stops us has counted what is being answered, and this is not
            if frame is not None:
                await self._answer(frame, socket, conversation)
            elif not conversation.is_listening:
                return await socket.close(CloseCode.NORMAL_CLOSURE, "idle")
            if conversation.farewell is not None:
                return await socket.close(conversation.farewell.code, conversation.farewell.reason)
            # Frames read ahead come without waiting; others have their turn after each.
            await asyncio.sleep(0)
        await socket.wait_closed()

    async def _next_frame(self, socket: ServerConnection) -> str | bytes | None:
        try:
            async with asyncio.timeout(self._limits.idle_seconds) as patience:
                self._listening.add(patience)
                try:
                    return await socket.recv()
                finally:
                    self._listening.discard(patience)
        except TimeoutError:
            return None

    async def _answer(self, frame: str | bytes, socket: ServerConnection, conversation: Conversation) -> None:
        with self._busy():
            async with aclosing(conversation.answer(frame)) as texts:
                async for text in texts:
                    await socket.send(text)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        self._answering += 1
        self._quiet.clear()
        try:
            yield
        finally:
            self._answering -= 1
            if not self._answering:
                self._quiet.set()

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        question = Question(
            request.method,
            request.path,
            accept=", ".join(request.headers.get_all("Accept")),
            wants_websocket="websocket" in ", ".join(request.headers.get_all("Upgrade")).lower(),
        )
        page = self._pages.answer(question)
        if page is None and not cast("ClientSocket", connection).admit():
            page = FULL
        return None if page is None else _response(connection, page)


def _response(connection: ServerConnection, page: Page) -> Response:
    response = connection.respond(page.status, page.text)
    del response.headers["Content-Type"]
    if page.status is HTTPStatus.NO_CONTENT:
        del response.headers["Content-Length"]
    else:
        response.headers["Content-Type"] = page.media_type
    response.headers.update(page.headers)
    if not page.has_body:
        response.body = b""
    return response
