"""Who is let in, and who is dropped for not reading."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidMessage, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Event

from bridge.relay.conversation import Serving
from bridge.relay.limits import AddressLimits
from bridge.relay.rates import per_second
from bridge.relay.session import Farewell
from bridge.relay.socket import ClientSocket
from tests.bridge.relay.house import LIMITS, SMALL, House, Scripted, ask, closed, pause_of
from tests.support.deadline import within

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


async def test_request_of_somebody_gone_already_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    hear = ClientSocket.data_received

    def hear_and_lose(client: ClientSocket, data: bytes) -> None:
        hear(client, data)
        client.transport.abort()

    house = by_address(AddressLimits(trusted_proxies=("127.0.0.1",)))
    async with house.open() as server:
        monkeypatch.setattr(ClientSocket, "data_received", hear_and_lose)
        for forwarded in ({}, {"X-Forwarded-For": "198.51.100.1"}):
            with pytest.raises(InvalidMessage):
                await connect(house.url, additional_headers=forwarded)
    assert server._crowd.clients == set()
    assert server._crowd.addresses._present == {}


# --- how many from one address


def by_address(limits: AddressLimits, **others: Any) -> House:
    return House(replace(LIMITS, address=limits, **others))


async def refusal(house: House, source: str = "127.0.0.1", **headers: str) -> tuple[int, str | None]:
    """Connect from an address in vain; return status and `Retry-After`."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(house.url, local_addr=(source, 0), additional_headers=headers):
            raise AssertionError("let in")
    return refused.value.response.status_code, refused.value.response.headers.get("Retry-After")


async def test_no_more_clients_of_one_address_than_allowed() -> None:
    house = by_address(AddressLimits(max_connections=2))
    async with house.open() as server, house.client(), house.client() as second:
        assert await refusal(house) == (429, "30")
        assert (await ask(server.port))[0] == 200
        async with house.client(local_addr=("127.0.0.2", 0)):
            pass
        await second.close()
        async with within():
            await house.conversations[1].ended.wait()
        async with house.client():
            assert await refusal(house) == (429, "30")


async def test_full_relay_says_so_to_everybody() -> None:
    house = by_address(AddressLimits(max_connections=2), max_connections=2)
    async with house.open(), house.client(local_addr=("127.0.0.2", 0)), house.client(local_addr=("127.0.0.3", 0)):
        assert await refusal(house, "127.0.0.4") == (503, "30")


async def test_one_address_cannot_take_the_places_of_those_who_are_opening() -> None:
    house = by_address(AddressLimits(max_connections=2), max_connections=10)
    async with house.open() as server:
        streams = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(8)]
        async with within():
            assert [await reader.read() for reader, _ in streams[4:]] == [b""] * 4
        async with house.client(local_addr=("127.0.0.2", 0)):
            assert len(server._crowd.all) == 5
        for _, writer in streams:
            writer.close()


async def test_who_connects_too_fast_is_told_when_to_come_again() -> None:
    house = by_address(AddressLimits(arrivals=per_second(0.01, burst=3)))
    async with house.open() as server:
        for _ in range(2):
            async with house.client():
                pass
        assert (await ask(server.port))[0] == 200
        status, wait = await refusal(house)
        assert status == 429
        assert 90 < int(wait or 0) <= 100
        assert (await ask(server.port))[0] == 429
        async with house.client(local_addr=("127.0.0.2", 0)):
            pass


async def test_proxys_clients_count_by_their_own_addresses() -> None:
    house = by_address(AddressLimits(max_connections=1, trusted_proxies=("127.0.0.1",)))
    async with (
        house.open(),
        house.client(additional_headers={"X-Forwarded-For": "198.51.100.1"}),
        house.client(additional_headers={"X-Forwarded-For": "198.51.100.2"}),
    ):
        assert await refusal(house, **{"X-Forwarded-For": "198.51.100.2"}) == (429, "30")
        # What stands left of it was claimed by the client.
        assert await refusal(house, **{"X-Forwarded-For": "203.0.113.1, 198.51.100.2"}) == (429, "30")
    assert [origin.name for origin in house.origins] == ["198.51.100.1", "198.51.100.2"]


async def test_header_of_a_stranger_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    house = by_address(AddressLimits(max_connections=1, trusted_proxies=("127.0.0.1",)))
    async with (
        house.open(),
        house.client(local_addr=("127.0.0.2", 0), additional_headers={"X-Forwarded-For": "198.51.100.1"}),
    ):
        for number in range(2, 5):
            spoofed = {"X-Forwarded-For": f"198.51.100.{number}"}
            assert await refusal(house, "127.0.0.2", **spoofed) == (429, "30")
    assert [origin.name for origin in house.origins] == ["127.0.0.2"]
    hints = [record.getMessage() for record in caplog.records if record.name.startswith("bridge")]
    assert hints == ["clients refused that a proxy seems to speak for: name the proxy in relay.trusted_proxies"]


async def test_no_address_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "bridge")
    caplog.set_level(logging.INFO)
    house = by_address(AddressLimits(max_connections=1, trusted_proxies=("127.0.0.1",)))
    async with house.open():
        async with house.client(local_addr=("127.0.0.9", 0)):
            await refusal(house, "127.0.0.9", **{"X-Forwarded-For": "198.51.100.1"})
        async with house.client(additional_headers={"X-Forwarded-For": "198.51.100.1"}):
            await refusal(house, **{"X-Forwarded-For": "198.51.100.1"})
    assert caplog.records
    told = str([vars(record) for record in caplog.records])
    assert "127.0.0.9" not in told
    assert "198.51.100.1" not in told


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

    async def script(conversation: Scripted, frame: str | bytes) -> Serving:
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
    async def script(conversation: Scripted, frame: str | bytes) -> Serving:
        for _ in range(1000):
            yield "x" * 10_000

    house = House(replace(LIMITS, stall_seconds=0.1), script=script)
    async with house.open(send_buffer=SMALL), house.deaf_client() as client:
        await client.send("everything")
        async with within():
            await house.conversations[0].ended.wait()


async def test_flood_of_pings_by_somebody_who_reads_nothing_is_cut_off() -> None:
    house = House(replace(LIMITS, max_unsent_bytes=100_000, controls=per_second(1_000_000, burst=10_000_000)))
    async with house.open(send_buffer=SMALL) as server, house.deaf_client() as client:
        (connection,) = server._crowd.clients
        async with within():
            while server._crowd.clients:
                for _ in range(100):
                    client.protocol.send_ping(b"x" * 125)
                client.send_data()
                assert connection.transport.get_write_buffer_size() < 400_000
                await asyncio.sleep(0)


# --- who makes work for us alone


def flood(client: ClientConnection, frames: int, *, opcode: Opcode, data: bytes = b"") -> None:
    """Send small frames in one piece."""
    for _ in range(frames):
        client.protocol.send_frame(Frame(opcode, data))
    client.send_data()


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG])
async def test_more_pings_than_allowed_end_the_connection(opcode: Opcode) -> None:
    house = House(replace(LIMITS, controls=per_second(0.01, burst=50)))
    async with house.open(), house.client() as client, house.client() as other:
        flood(client, 50, opcode=opcode)
        await client.send("still here")
        async with within():
            assert await client.recv() == "echo 'still here'"
        flood(client, 1, opcode=opcode)
        assert await closed(client) == 1006
        await other.send("x")
        async with within():
            assert await other.recv() == "echo 'x'"


async def test_flood_of_pings_is_parsed_no_further_than_one_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = 0
    process = ClientSocket.process_event

    def count(socket: ClientSocket, event: Event) -> None:
        nonlocal parsed
        parsed += 1
        process(socket, event)

    monkeypatch.setattr(ClientSocket, "process_event", count)
    house = House(replace(LIMITS, controls=per_second(0.01, burst=50)))
    async with house.open(), house.client() as client:
        flood(client, 100_000, opcode=Opcode.PING)
        assert await closed(client) == 1006
    # An empty frame of a client has six bytes.
    assert parsed < 16_384 / 6 + 60


async def test_no_more_small_frames_wait_than_one_buffer_holds() -> None:
    held = asyncio.Event()
    go_on = asyncio.Event()

    async def script(conversation: Scripted, frame: str | bytes) -> Serving:
        held.set()
        await go_on.wait()
        yield "done"

    house = House(replace(LIMITS, close_seconds=0.1), script=script)
    async with house.open() as server, house.client(close_timeout=0.1) as client, house.client() as other:
        flood(client, 100_000, opcode=Opcode.TEXT, data=b"x")
        async with within():
            await held.wait()
            # As long as this takes, there is time to read more.
            for _ in range(20):
                await (await other.ping())
        waiting = max(len(connection.recv_messages.frames) for connection in server._crowd.clients)
        go_on.set()
    assert 4 < waiting < 16_384 / 7 + 10


@pytest.mark.parametrize("data", [b"", b"x"])
async def test_message_in_ever_more_fragments_ends_the_connection(data: bytes) -> None:
    house = House()
    async with house.open(), house.client() as client, house.client() as other:
        client.protocol.send_text(b"[", fin=False)
        async with within():
            while client.state is OPEN:
                for _ in range(500):
                    client.protocol.send_continuation(data, fin=False)
                client.send_data()
                await (await other.ping())
        assert await closed(client) == 1009
        assert other.state is OPEN


async def test_compressed_frame_that_nobody_agreed_on_ends_the_connection() -> None:
    house = House()
    async with house.open(), house.client() as client:
        # RSV1 and TEXT; masked, one byte long; the mask; the byte.
        client.transport.write(bytes([0xC1, 0x81, 0, 0, 0, 0, 0x78]))
        assert await closed(client) == 1002


@pytest.mark.parametrize(
    "request_of",
    [
        lambda size: b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 8000 + b"\r\n" + b"Z: " + b"y" * size,
        lambda size: b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * (size // 6),
        lambda size: b"GET /" + b"x" * size,
    ],
    ids=["long headers", "many headers", "long path"],
)
async def test_request_larger_than_allowed_is_refused(request_of: Callable[[int], bytes]) -> None:
    house = House(replace(LIMITS, max_request_bytes=10_000, handshake_seconds=60))
    async with house.open() as server, house.client():
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request_of(100_000))
        async with within():
            with suppress(ConnectionError):
                status = await reader.readline()
                assert status.split()[1:2] in ([b"431"], [b"400"], [b"414"], [])
                await reader.read()
        writer.close()
        assert len(server._crowd.all) == 1


async def test_request_that_comes_byte_by_byte_is_cut_off_by_its_size_too() -> None:
    house = House(replace(LIMITS, max_request_bytes=2000, handshake_seconds=60))
    async with house.open(), house.client() as other:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
        request = b"GET / HTTP/1.1\r\nX: ".ljust(2000, b"y")
        async with within():
            for number in range(2000):
                writer.write(request[number : number + 1])
                if number % 100 == 99:
                    await (await other.ping())
            assert not reader.at_eof()
            writer.write(b"y")
            assert (await reader.readline()).split()[1] == b"431"
            await reader.read()
        writer.close()


async def test_who_floods_on_after_our_close_is_not_waited_for() -> None:
    async def script(conversation: Scripted, frame: str | bytes) -> Serving:
        conversation.parting = Farewell(1008, "enough")
        yield "last words"

    house = House(replace(LIMITS, close_seconds=60), script=script)
    async with house.open(), house.client(close_timeout=0.1) as client:
        client.transport.pause_reading()
        flood(client, 50_000, opcode=Opcode.TEXT, data=b"x")
        async with within():
            await house.conversations[0].ended.wait()
