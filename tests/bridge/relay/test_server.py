"""The sockets: who is let in, who is dropped, and how it all ends. Conversations here say what a test wants."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bridge.relay.conversation import Conversation
from bridge.relay.limits import ServerLimits
from bridge.relay.pages import Pages
from bridge.relay.server import RelayServer
from bridge.relay.session import Farewell
from bridge.relay.subscriptions import Push
from nips.nip11 import MEDIA_TYPE, RelayInformation
from tests.support.deadline import within

LIMITS = ServerLimits(close_seconds=2)
SMALL = 4096


class Scripted(Conversation):
    """Answers a frame with what `script` yields for it."""

    def __init__(self, house: House, push: Push) -> None:
        self.house = house
        self.push = push
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

    async def answer(self, frame: str | bytes) -> AsyncGenerator[str]:
        async for text in self.house.script(self, frame):
            yield text

    def end(self) -> None:
        self.ended.set()


async def echo(conversation: Scripted, frame: str | bytes) -> AsyncIterator[str]:
    yield f"echo {frame!r}"


@dataclass
class House:
    """A server and the conversations that it holds."""

    limits: ServerLimits = LIMITS
    script: Callable[[Scripted, str | bytes], AsyncIterator[str]] = echo
    listens: Callable[[], bool] = lambda: True
    conversations: list[Scripted] = field(default_factory=list)

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

    def _converse(self, push: Push) -> Conversation:
        conversation = Scripted(self, push)
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


async def stop(server: RelayServer) -> None:
    await server.stop_reading()
    await server.drain()


async def test_client_is_greeted_and_answered() -> None:
    house = House()
    async with house.open(), house.client() as client:
        await client.send("one")
        await client.send(b"two")
        async with within():
            assert [await client.recv(), await client.recv()] == ["echo 'one'", "echo b'two'"]


async def test_conversation_ends_with_its_connection() -> None:
    house = House()
    async with house.open():
        async with house.client():
            (conversation,) = house.conversations
            assert not conversation.ended.is_set()
        async with within():
            await conversation.ended.wait()
        assert conversation.push("too late") is False


async def test_nothing_is_compressed() -> None:
    house = House()
    async with house.open(), connect(house.url, compression="deflate") as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers
        assert "Server" not in client.response.headers


# --- plain HTTP


async def test_information_document_is_on_the_same_port_for_every_origin() -> None:
    house = House()
    async with house.open() as server:
        status, headers, body = await ask(server.port, Accept=MEDIA_TYPE, Origin="https://app.example")
    assert status == 200
    assert headers["content-type"] == MEDIA_TYPE
    assert headers["access-control-allow-origin"] == "*"
    assert json.loads(body)["name"] == "Test"


async def test_browser_asks_first_and_is_let_in() -> None:
    house = House()
    async with house.open() as server:
        status, headers, body = await ask(
            server.port, "OPTIONS", **{"Origin": "https://app.example", "Access-Control-Request-Headers": "accept"}
        )
    assert (status, body) == (204, "")
    assert "content-length" not in headers
    assert headers["access-control-allow-headers"] == "*"
    assert "GET" in headers["access-control-allow-methods"]


async def test_people_read_what_this_is() -> None:
    house = House()
    async with house.open() as server:
        status, headers, body = await ask(server.port)
        assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert house.url in body
        assert (await ask(server.port, "HEAD"))[2] == ""
        assert (await ask(server.port, "DELETE"))[0] == 405
        assert (await ask(server.port, path="/metrics"))[0] == 404


# --- who is let in


async def test_no_more_clients_than_allowed() -> None:
    house = House(replace(LIMITS, max_connections=2))
    async with house.open() as server:
        async with house.client(), house.client():
            with pytest.raises(InvalidStatus) as refused:
                await connect(house.url)
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers["Retry-After"] == "30"
            assert (await ask(server.port))[0] == 200
        async with within():
            await asyncio.gather(*(conversation.ended.wait() for conversation in house.conversations))
        async with house.client():
            pass


async def test_no_more_than_as_many_again_are_connected_without_being_clients() -> None:
    house = House(replace(LIMITS, max_connections=2))
    async with house.open() as server:
        streams = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(6)]
        async with within():
            ends = [await reader.read() for reader, _ in streams[4:]]
        assert ends == [b"", b""]
        assert len(server._crowd.all) == 4
        for _, writer in streams:
            writer.close()


async def test_who_does_not_open_the_websocket_in_time_is_let_go() -> None:
    house = House(replace(LIMITS, handshake_seconds=0.05))
    async with house.open() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\n")
        async with within():
            assert await reader.read() == b""
        writer.close()


async def test_request_that_only_looks_like_a_websocket_takes_no_place() -> None:
    house = House(replace(LIMITS, max_connections=1))
    async with house.open() as server:
        for _ in range(3):
            status, _, _ = await ask(server.port, Upgrade="websocket", Connection="Upgrade")
            assert status == 400
        async with house.client():
            pass


# --- who is sent away


async def test_frame_larger_than_allowed_closes_the_connection() -> None:
    house = House()
    async with house.open(), house.client() as client:
        await client.send("x" * 1000)
        async with within():
            await client.recv()
        await client.send("x" * 1001)
        assert await closed(client) == 1009


async def test_text_that_is_not_utf8_closes_the_connection() -> None:
    house = House()
    async with house.open(), house.client() as client:
        await client.send(b"\xff", text=True)
        assert await closed(client) == 1007


async def test_farewell_closes_the_connection_after_the_answer() -> None:
    async def script(conversation: Scripted, frame: str | bytes) -> AsyncIterator[str]:
        conversation.parting = Farewell(1008, "enough")
        yield "last words"

    house = House(script=script)
    async with house.open(), house.client() as client:
        await client.send("x")
        async with within():
            assert await client.recv() == "last words"
        assert await closed(client) == 1008
        assert client.close_reason == "enough"


async def test_silent_client_that_waits_for_nothing_is_let_go() -> None:
    house = House(replace(LIMITS, idle_seconds=0.05), listens=lambda: False)
    async with house.open(), house.client() as client:
        assert await closed(client) == 1000


async def test_silent_client_that_listens_stays() -> None:
    looked = asyncio.Event()

    def listens() -> bool:
        looked.set()
        return True

    house = House(replace(LIMITS, idle_seconds=0.01), listens=listens)
    async with house.open(), house.client() as client:
        async with within():
            await looked.wait()
        await client.send("still here")
        async with within():
            assert await client.recv() == "echo 'still here'"


async def test_client_that_answers_no_ping_is_dropped() -> None:
    house = House(replace(LIMITS, ping_interval_seconds=0.05, ping_timeout_seconds=0.05, close_seconds=0.1))
    async with house.open(), house.client(close_timeout=0.1) as client:
        client.transport.pause_reading()
        async with within():
            await house.conversations[0].ended.wait()


async def test_fault_of_ours_closes_one_connection_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def script(conversation: Scripted, frame: str | bytes) -> AsyncIterator[str]:
        if frame == "bug":
            raise KeyError("a recipient's key")
        yield "fine"

    house = House(script=script)
    async with house.open(), house.client() as unlucky, house.client() as other:
        await unlucky.send("bug")
        assert await closed(unlucky) == 1011
        await other.send("x")
        async with within():
            assert await other.recv() == "fine"
    assert "failed" in [record.getMessage() for record in caplog.records if record.name.startswith("bridge")]
    assert "recipient" not in str([vars(record).get("facts") for record in caplog.records])


# --- who does not read


async def test_slow_reader_is_dropped_while_a_fast_one_gets_everything() -> None:
    house = House(replace(LIMITS, max_unsent_bytes=200_000))
    async with house.open(send_buffer=SMALL), house.deaf_client(), house.client() as fast:
        slow, quick = (conversation.push for conversation in house.conversations)
        for number in range(500):
            text = f"{number} {'x' * 10_000}"
            slow(text)
            assert quick(text)
            async with within():
                assert await fast.recv() == text
        assert slow("more") is False
        async with within():
            await house.conversations[0].ended.wait()
        assert not house.conversations[1].ended.is_set()


async def test_no_more_waits_for_a_client_than_allowed_and_one_text() -> None:
    house = House(replace(LIMITS, max_unsent_bytes=200_000))
    async with house.open(send_buffer=SMALL) as server, house.deaf_client():
        (conversation,) = house.conversations
        (connection,) = server._crowd.clients
        most = 0
        while conversation.push("x" * 10_000):
            most = max(most, connection.transport.get_write_buffer_size())
        assert 100_000 < most <= 200_000


async def test_answers_wait_for_the_reader_and_what_makes_them_waits_too() -> None:
    made = 0

    async def script(conversation: Scripted, frame: str | bytes) -> AsyncIterator[str]:
        nonlocal made
        for _ in range(1000):
            made += 1
            yield "x" * 10_000

    house = House(script=script)
    async with house.open(send_buffer=SMALL) as server, house.deaf_client() as client:
        paused = pause_of(server)
        await client.send("everything")
        async with within():
            await paused.wait()
        assert made < 100
        client.transport.resume_reading()
        async with within():
            for _ in range(1000):
                assert len(await client.recv()) == 10_000
        assert made == 1000


async def test_client_that_leaves_lying_what_it_asked_for_is_dropped() -> None:
    async def script(conversation: Scripted, frame: str | bytes) -> AsyncIterator[str]:
        for _ in range(1000):
            yield "x" * 10_000

    house = House(replace(LIMITS, stall_seconds=0.1), script=script)
    async with house.open(send_buffer=SMALL), house.deaf_client() as client:
        await client.send("everything")
        async with within():
            await house.conversations[0].ended.wait()


async def test_flood_of_pings_by_somebody_who_reads_nothing_is_cut_off() -> None:
    house = House(replace(LIMITS, max_unsent_bytes=100_000))
    async with house.open(send_buffer=SMALL) as server, house.deaf_client() as client:
        (connection,) = server._crowd.clients
        async with within():
            while server._crowd.clients:
                for _ in range(100):
                    client.protocol.send_ping(b"x" * 125)
                client.send_data()
                assert connection.transport.get_write_buffer_size() < 400_000
                await asyncio.sleep(0)


async def test_busy_client_does_not_starve_another() -> None:
    order: list[str] = []

    async def script(conversation: Scripted, frame: str | bytes) -> AsyncIterator[str]:
        order.append(str(frame))
        yield "done"

    house = House(replace(LIMITS, close_seconds=0.1), script=script)
    async with house.open(), house.client(close_timeout=0.1) as busy, house.client() as other:
        for _ in range(500):
            busy.protocol.send_text(b"busy")
        busy.send_data()
        await other.send("other")
        async with within():
            assert await other.recv() == "done"
        assert order.index("other") < 100


# --- how it ends


async def test_what_was_read_is_answered_before_the_end() -> None:
    started, finish = asyncio.Event(), asyncio.Event()

    async def script(conversation: Scripted, frame: str | bytes) -> AsyncIterator[str]:
        started.set()
        await finish.wait()
        yield f"answer to {frame!r}"

    house = House(script=script)
    async with house.open() as server, house.client() as busy, house.client() as idle:
        await busy.send("last")
        async with within():
            await started.wait()
        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(server.stop_reading())
            await busy.send("too late")
            await idle.send("too late")
            await asyncio.sleep(0)
            assert not stopping.done()
            finish.set()
            async with within():
                assert await busy.recv() == "answer to 'last'"
                await stopping
        # Live events still go out.
        assert house.conversations[1].push("news")
        async with within():
            assert await idle.recv() == "news"
        with pytest.raises(OSError):
            await connect(house.url)
        async with within():
            await server.drain()
        assert (await closed(busy), await closed(idle)) == (1001, 1001)


async def test_what_waits_is_sent_before_the_end() -> None:
    house = House(replace(LIMITS, max_unsent_bytes=10_000_000))
    async with house.open() as server, house.client() as client:
        for number in range(200):
            assert house.conversations[0].push(f"{number} {'x' * 10_000}")
        async with asyncio.TaskGroup() as tasks, within():
            tasks.create_task(stop(server))
            for number in range(200):
                assert str(await client.recv()).split()[0] == str(number)
            with pytest.raises(ConnectionClosed):
                await client.recv()
        assert client.close_code == 1001


async def test_nobody_holds_up_the_end() -> None:
    house = House(replace(LIMITS, close_seconds=0.1, stall_seconds=60, handshake_seconds=60))
    async with house.open(send_buffer=SMALL) as server, house.deaf_client():
        assert house.conversations[0].push("x" * 500_000)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with within(5):
            await stop(server)
            assert await reader.read() == b""
        writer.close()


async def test_answer_that_never_ends_does_not_hold_up_the_end() -> None:
    async def script(conversation: Scripted, frame: str | bytes) -> AsyncIterator[str]:
        while True:
            yield "x" * 10_000

    house = House(replace(LIMITS, close_seconds=0.1, stall_seconds=60), script=script)
    async with within(5), house.open(send_buffer=SMALL) as server, house.deaf_client() as client:
        paused = pause_of(server)
        await client.send("x")
        await paused.wait()


async def test_server_opens_again_after_its_end() -> None:
    for _ in range(2):
        house = House()
        async with house.open(), house.client() as client:
            await client.send("x")
            async with within():
                assert await client.recv() == "echo 'x'"
