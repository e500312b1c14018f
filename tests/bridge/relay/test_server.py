"""The server: what is answered over HTTP, whose connection is closed, and how it all ends."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field, replace

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.protocol import CLOSING, Event

from bridge.relay.conversation import Coming, Serving
from bridge.relay.server import RelayServer
from bridge.relay.session import Farewell
from nips.nip11 import MEDIA_TYPE
from tests.bridge.relay.house import LIMITS, SMALL, House, Scripted, ask, closed, pause_of
from tests.support.deadline import within


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


async def test_client_that_leaves_is_no_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    async with house.open() as server:
        async with house.client():
            pass
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        writer.write_eof()
        async with within():
            await reader.read()
            await house.conversations[0].ended.wait()
        writer.close()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


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
    async def script(conversation: Scripted, frame: str | bytes) -> Serving:
        conversation.parting = Farewell(1008, "enough")
        yield "last words"

    house = House(script=script)
    async with house.open(), house.client() as client:
        await client.send("x")
        async with within():
            assert await client.recv() == "last words"
        assert await closed(client) == 1008
        assert client.close_reason == "enough"


async def test_client_that_closes_in_the_moment_of_its_dismissal_is_no_fault_of_ours(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(replace(LIMITS, close_seconds=0.05))
    async with house.open() as server, house.client(close_timeout=0.1) as client:
        (socket,) = server._crowd.clients
        seen = socket.process_event

        def see(event: Event) -> None:
            seen(event)
            if socket.state is CLOSING:
                house.conversations[0].dismiss("gone")

        monkeypatch.setattr(socket, "process_event", see)
        client.transport.pause_reading()
        client.protocol.send_close(1000)
        client.send_data()
        async with within():
            await house.conversations[0].ended.wait()
        assert house.conversations[0].parting is not None
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


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
    async def script(conversation: Scripted, frame: str | bytes) -> Serving:
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


async def test_busy_client_does_not_starve_another() -> None:
    order: list[str] = []

    async def script(conversation: Scripted, frame: str | bytes) -> Serving:
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

    async def script(conversation: Scripted, frame: str | bytes) -> Serving:
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


async def test_client_that_does_not_read_holds_up_no_stop() -> None:
    waits = asyncio.Event()

    async def script(conversation: Scripted, frame: str | bytes) -> Serving:
        for number in range(10_000):
            yield f"{number}" * 10_000
            waits.set()

    house = House(replace(LIMITS, stall_seconds=3600, close_seconds=0.2), script=script)
    async with house.open() as server, house.client(max_queue=1, close_timeout=0.1) as rude:
        await rude.send("all")
        async with within():
            await waits.wait()
            await stop(server)
            await house.conversations[0].ended.wait()


async def test_answer_that_its_client_reads_on_after_all_ends_with_the_stop() -> None:
    sent = list[int]()
    full = asyncio.Event()

    async def script(conversation: Scripted, frame: str | bytes) -> Serving:
        for number in range(100_000):
            sent.append(number)
            asyncio.get_running_loop().call_later(0, full.set)
            yield "x" * 10_000

    house = House(replace(LIMITS, stall_seconds=3600), script=script)
    async with house.open() as server, house.client(max_queue=1) as slow:
        await slow.send("all")
        async with within():
            await full.wait()
            await server.stop_reading()
            stopped = len(sent)
            for _ in range(stopped):
                await slow.recv()
            await slow.ping()
            assert len(sent) < stopped + 100
            await server.drain()


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
    async def script(conversation: Scripted, frame: str | bytes) -> Serving:
        while True:
            yield "x" * 10_000

    house = House(replace(LIMITS, close_seconds=0.1, stall_seconds=60), script=script)
    async with within(5), house.open(send_buffer=SMALL) as server, house.deaf_client() as client:
        paused = pause_of(server)
        await client.send("x")
        await paused.wait()


async def test_client_that_waits_is_sent_away_at_once_and_hears_why() -> None:
    house = House()
    async with house.open(), house.client() as client:
        house.conversations[0].dismiss("a reason")
        assert await closed(client) == 1008
        assert client.close_reason == "a reason"
        async with within():
            await house.conversations[0].ended.wait()


async def test_who_is_sent_away_is_answered_nothing_more() -> None:
    answered: list[str | bytes] = []

    async def script(conversation: Scripted, frame: str | bytes) -> Serving:
        answered.append(frame)
        conversation.dismiss("a reason")
        yield "the last"
        yield "never"

    house = House(script=script)
    async with house.open(), house.client() as client:
        await client.send("one")
        await client.send("two")
        async with within():
            assert await client.recv() == "the last"
        assert await closed(client) == 1008
    assert answered == ["one"]


async def test_who_does_not_read_is_dropped_when_sent_away() -> None:
    house = House(replace(LIMITS, close_seconds=0.1, stall_seconds=60))
    async with within(5), house.open(send_buffer=SMALL) as server, house.deaf_client():
        assert house.conversations[0].push("x" * 500_000)
        house.conversations[0].dismiss("a reason")
        await house.conversations[0].ended.wait()
        assert server.connections == 0


async def test_who_is_sent_away_in_the_middle_of_an_answer_and_does_not_read_is_dropped() -> None:
    async def script(conversation: Scripted, frame: str | bytes) -> Serving:
        while True:
            yield "x" * 10_000

    house = House(replace(LIMITS, close_seconds=0.1, stall_seconds=60), script=script)
    async with within(5), house.open(send_buffer=SMALL) as server, house.deaf_client() as client:
        paused = pause_of(server)
        await client.send("x")
        await paused.wait()
        house.conversations[0].dismiss("a reason")
        await house.conversations[0].ended.wait()


async def test_server_opens_again_after_its_end() -> None:
    for _ in range(2):
        house = House()
        async with house.open(), house.client() as client:
            await client.send("x")
            async with within():
                assert await client.recv() == "echo 'x'"


# --- events on their way into the storage


@dataclass
class Slow:
    """Answers each frame once it is let: a storage that takes its time."""

    begun: list[str] = field(default_factory=list)
    progress: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, conversation: Scripted, frame: str | bytes) -> Serving | Coming:
        assert isinstance(frame, str)
        return self._say("at once") if frame == "question" else self._store(frame)

    async def _say(self, text: str) -> Serving:
        yield text

    async def _store(self, frame: str) -> str:
        self.begun.append(frame)
        self.progress.set()
        await self.release.wait()
        return f"kept {frame}"

    async def wait_for(self, amount: int) -> None:
        async with within():
            while len(self.begun) < amount:
                self.progress.clear()
                await self.progress.wait()


async def test_events_are_stored_together_up_to_the_bound_and_then_reading_waits() -> None:
    slow = Slow()
    house = House(replace(LIMITS, max_events_in_flight=3), slow)
    async with house.open(), house.client() as client:
        for number in range(4):
            await client.send(str(number))
        await client.send("question")
        await slow.wait_for(3)
        # A pong comes after all that was sent before it was read into the same socket.
        async with within():
            await (await client.ping())
        assert slow.begun == ["0", "1", "2"]
        slow.release.set()
        async with within():
            heard = [await client.recv() for _ in range(5)]
        assert sorted(map(str, heard)) == ["at once", "kept 0", "kept 1", "kept 2", "kept 3"]


async def test_question_is_answered_while_an_event_waits_for_the_storage() -> None:
    slow = Slow()
    house = House(LIMITS, slow)
    async with house.open(), house.client() as client:
        await client.send("event")
        await slow.wait_for(1)
        await client.send("question")
        async with within():
            assert await client.recv() == "at once"
        slow.release.set()
        async with within():
            assert await client.recv() == "kept event"


async def test_stopping_waits_for_events_on_their_way_into_the_storage() -> None:
    slow = Slow()
    house = House(LIMITS, slow)
    async with house.open() as server, house.client() as client:
        await client.send("event")
        await slow.wait_for(1)
        async with within(), asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(server.stop_reading())
            await (await client.ping())
            assert not stopping.done()
            slow.release.set()
            assert await client.recv() == "kept event"


async def test_event_is_stored_to_the_end_when_its_client_has_gone() -> None:
    slow = Slow()
    house = House(LIMITS, slow)
    async with house.open():
        async with house.client() as client:
            await client.send("event")
            await slow.wait_for(1)
        (conversation,) = house.conversations
        assert not conversation.ended.is_set()
        slow.release.set()
        async with within():
            await conversation.ended.wait()


async def test_client_that_is_sent_away_is_gone_at_once_whatever_it_sent_ahead() -> None:
    async def script(conversation: Scripted, frame: str | bytes) -> Serving:
        conversation.parting = Farewell(1008, "enough")
        yield "last words"

    house = House(replace(LIMITS, close_seconds=60), script)
    async with house.open(), house.client() as client:
        # Far more than is read ahead, so that the client's own close stands behind what nobody answers.
        for _ in range(50):
            await client.send("x" * 900)
        assert await closed(client) == 1008
        (conversation,) = house.conversations
        async with within():
            await conversation.ended.wait()
