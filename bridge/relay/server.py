"""The sockets of the relay: connections in, frames to conversations, texts out. All else is decided elsewhere.

Frames are answered in the order in which they came, with one exception: while an event is on its way into the storage,
the next frames are read, so that one commit serves many of a client's events. There are at most `max_events_in_flight`
of those.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
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
from bridge.relay.addresses import Addresses, Origin
from bridge.relay.conversation import Coming, Conversation
from bridge.relay.faults import note_fault
from bridge.relay.limits import ServerLimits
from bridge.relay.pages import Page, Pages, Question
from bridge.relay.session import Farewell
from bridge.relay.socket import HIGH_WATER_BYTES, ClientSocket, Crowd
from bridge.relay.subscriptions import Push

log = logging.getLogger(__name__)

# Frames that are read ahead of the one being answered, before reading pauses.
_FRAMES_AHEAD = 4

# Frames of one client that are answered before others have their turn.
_FRAMES_A_TURN = 4


class _Desk:
    """Where the answers of one connection are that wait for the storage."""

    def __init__(self, answers: asyncio.TaskGroup, *, slots: int) -> None:
        self.answers = answers
        self.slots = asyncio.Semaphore(slots)
        self._outstanding = 0
        self._is_clear = asyncio.Event()
        self._is_clear.set()

    def enter(self) -> None:
        """Count an answer in."""
        self._outstanding += 1
        self._is_clear.clear()

    def leave(self) -> None:
        """Count an answer out."""
        self.slots.release()
        self._outstanding -= 1
        if not self._outstanding:
            self._is_clear.set()

    async def clear(self) -> None:
        """Wait until no answer is outstanding."""
        await self._is_clear.wait()


class RelayServer:
    """Listens, from entering its context to leaving it; `websockets` owns one task for each connection in between."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        limits: ServerLimits,
        max_message_bytes: int,
        converse: Callable[[Push, Origin, Callable[[], None]], Conversation],
        pages: Callable[[int], Pages],
    ) -> None:
        """Take what makes a conversation and, as soon as the port is known, what makes the pages."""
        self.port = port
        self._host = host
        self._limits = limits
        self._max_message_bytes = max_message_bytes
        self._converse = converse
        self._make_pages = pages
        self._crowd = Crowd(Addresses(limits.address))
        self._listening: set[asyncio.Timeout] = set()
        self._answering = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._stopping = asyncio.Event()

    @property
    def connections(self) -> int:
        """How many are connected, with a websocket or on the way to one."""
        return len(self._crowd.all)

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
            write_limit=min(HIGH_WATER_BYTES, limits.max_unsent_bytes // 4),
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

        Whoever does not read what answers them is not waited for. Connections stay, and live events still reach them.
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
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.close_seconds):
                await self._server.wait_closed()

    async def _close(self, socket: ClientSocket) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.close_seconds):
                if socket.state is OPEN:
                    await socket.close(CloseCode.GOING_AWAY, "the relay is stopping")
        socket.transport.abort()

    async def _talk(self, connection: ServerConnection) -> None:
        socket = cast("ClientSocket", connection)
        conversation = self._converse(socket.push, socket.origin, socket.interrupt)
        try:
            # What runs in the group does not raise: in early 3.11, as Debian 12 has it, that would leave us cancelled.
            async with asyncio.TaskGroup() as answers:
                fault = await self._listen(socket, conversation, answers)
        finally:
            conversation.end()
        if fault is not None:
            raise fault  # `websockets` closes the connection (1011)

    async def _listen(
        self, socket: ClientSocket, conversation: Conversation, answers: asyncio.TaskGroup
    ) -> Exception | None:
        """Answer frames until there are no more; return what nobody foresaw."""
        desk = _Desk(answers, slots=self._limits.max_events_in_flight)
        try:
            socket.push(conversation.greet())
            turns = 0
            while not self._stopping.is_set():
                frame = await self._next_frame(socket)
                if self._stopping.is_set():
                    break  # whoever stops us has counted what is being answered, and this is not
                # Somebody else may have ended the conversation while nothing came.
                if frame is not None and conversation.farewell is None:
                    await self._answer(frame, socket, conversation, desk)
                farewell = conversation.farewell
                if farewell is None and frame is None and not conversation.is_listening:
                    farewell = Farewell(CloseCode.NORMAL_CLOSURE, "idle")
                if farewell is not None:
                    await self._part(socket, desk, farewell)
                    return None
                # Frames read ahead come without waiting, so others have to be given their turn.
                turns += 1
                if turns % _FRAMES_A_TURN == 0:
                    await asyncio.sleep(0)
            await socket.wait_closed()
        except ConnectionClosed:
            return None
        except Exception as error:  # noqa: BLE001 - the caller raises it again
            note_fault(log, error)
            return error
        return None

    async def _part(self, socket: ClientSocket, desk: _Desk, farewell: Farewell) -> None:
        """Close, after the answers that are on their way."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.close_seconds):
                await desk.clear()
        await socket.dismiss(farewell.code, farewell.reason)

    async def _next_frame(self, socket: ClientSocket) -> str | bytes | None:
        if socket.has_frames:
            return await socket.recv()
        try:
            async with asyncio.timeout(self._limits.idle_seconds) as patience:
                self._listening.add(patience)
                socket.patience = patience
                try:
                    return await socket.recv()
                finally:
                    socket.patience = None
                    self._listening.discard(patience)
        except TimeoutError:
            return None

    async def _answer(self, frame: str | bytes, socket: ClientSocket, conversation: Conversation, desk: _Desk) -> None:
        self._count_answering(1)
        try:
            for answer in conversation.receive(frame):
                if isinstance(answer, str):
                    socket.push(answer)
                elif isinstance(answer, AsyncGenerator):
                    async with aclosing(answer) as texts:
                        async for text in texts:
                            socket.push(text)
                            if not await self._room(socket) or conversation.farewell is not None:
                                break
                else:
                    await self._answer_later(answer, socket, desk)
            await self._room(socket)
        finally:
            self._count_answering(-1)

    async def _room(self, socket: ClientSocket) -> bool:
        """Wait until a client has read; tell whether to go on. Whoever stops us does not wait for it."""
        if not socket.paused:
            await socket.room()
            return True
        self._count_answering(-1)
        try:
            await socket.room()
        finally:
            self._count_answering(1)
        return not self._stopping.is_set()

    async def _answer_later(self, coming: Coming, socket: ClientSocket, desk: _Desk) -> None:
        async def answer() -> None:
            socket.push(await coming)

        def done(_: object) -> None:
            desk.leave()
            self._count_answering(-1)

        try:
            await desk.slots.acquire()
        except BaseException:
            coming.close()
            raise
        self._count_answering(1)
        desk.enter()
        desk.answers.create_task(answer()).add_done_callback(done)

    def _count_answering(self, more: int) -> None:
        self._answering += more
        if self._answering:
            self._quiet.clear()
        else:
            self._quiet.set()

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        question = Question(
            request.method,
            request.path,
            accept=", ".join(request.headers.get_all("Accept")),
            wants_websocket="websocket" in ", ".join(request.headers.get_all("Upgrade")).lower(),
        )
        client = cast("ClientSocket", connection)
        page = client.arrive(request.headers.get_all("X-Forwarded-For")) or self._pages.answer(question)
        if page is None:
            page = client.admit()
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
