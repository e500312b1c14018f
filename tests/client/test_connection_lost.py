"""Connections that fail, are lost, or lead astray: each is made again, and nothing asked for is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from client.limits import LinkLimits
from client.publications import Outcome, Verdict
from nips.filter import Filter
from nips.messages import MessageLimits
from tests.support.clock import FixedClock
from tests.support.deadline import SCALE, within
from tests.support.fake_relay import FakeRelay, FakeSession, running
from tests.support.link_conversation import a_note
from tests.support.relay_connection import Inbox, accept_all, connection_to, silence
from tests.support.wraps import AUTHOR, NOW


async def test_next_connection_asks_with_fresh_times_and_authenticates_anew() -> None:
    clock = FixedClock(NOW)
    since: list[int] = []

    async def relay(session: FakeSession) -> None:
        await session.say("AUTH", f"challenge {session.number}")
        _, _, wanted = await session.expect("REQ")
        _, auth = await session.expect("AUTH")
        assert ["challenge", f"challenge {session.number}"] in auth["tags"]
        await session.say("OK", auth["id"], True, "")
        _, _, again = await session.expect("REQ")
        assert again == wanted
        since.append(wanted["since"])
        if session.number == 0:
            clock.advance(1_000)
            session.drop()
        else:
            await session.say("EOSE", "a")

    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url, AUTHOR, clock=clock)
        connection.subscribe("a", lambda now: [Filter(since=now - 60)], Inbox().take)
        async with running(connection):
            await connection.wait_ready()
            assert connection.status.connected_since == NOW + 1_000
            assert connection.status.last_error == "closed 1006"
    assert since == [NOW - 60, NOW + 940]


CUTS: list[tuple[str, Callable[[FakeSession], Awaitable[None]], str]] = [
    ("closed", lambda session: session.close(1001), "closed 1001"),
    ("oversize", lambda session: session.say_raw('["NOTICE","' + "x" * 5_000 + '"]'), "closed 1009"),
    ("not unicode", lambda session: session.socket.send(b"\xff", text=True), "closed 1007"),
]


@pytest.mark.parametrize(("cut", "reason"), [cut[1:] for cut in CUTS], ids=[cut[0] for cut in CUTS])
async def test_lost_connection_is_made_again(cut: Callable[[FakeSession], Awaitable[None]], reason: str) -> None:
    async def lose(session: FakeSession) -> None:
        await cut(session)
        await session.wait_closed()

    async with within(), FakeRelay(lose, accept_all) as server:
        connection = connection_to(server.url, link=LinkLimits(messages=MessageLimits(max_message_bytes=4_096)))
        async with running(connection):
            assert await connection.publish(a_note()) == Verdict(Outcome.ACCEPTED)
            assert connection.status.last_error == reason
            assert connection.status.failures == 1


async def test_relay_that_talks_nonsense_is_left_with_1008() -> None:
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def relay(session: FakeSession) -> None:
        for _ in range(4):
            await session.say_raw("nonsense")
        await codes.put(await session.wait_closed())

    async with within(), FakeRelay(relay, silence) as server:
        connection = connection_to(server.url, link=LinkLimits(max_offences=3))
        async with running(connection):
            assert await codes.get() == 1008
            await connection.wait_ready()
            assert connection.status.counts.malformed == 4


async def test_relay_that_answers_no_ping_is_left() -> None:
    thawed = asyncio.Event()

    async def freeze(session: FakeSession) -> None:
        session.socket.transport.pause_reading()
        await thawed.wait()
        session.drop()

    async with within(), FakeRelay(freeze, accept_all) as server:
        connection = connection_to(server.url, ping_seconds=0.2 * SCALE, close_seconds=0.05)
        async with running(connection):
            assert await connection.publish(a_note()) == Verdict(Outcome.ACCEPTED)
            assert connection.status.last_error == "closed 1011"
            thawed.set()


def http(status: int, **headers: str) -> Callable[[ServerConnection, Request], Response | None]:
    """Answer the first request like this, and let the others through."""
    requests = iter([Response(status, "No", Headers(headers))])
    return lambda connection, request: next(requests, None)


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_refused_handshake_is_tried_again(status: int) -> None:
    async with within(), FakeRelay(accept_all, answer_http=http(status)) as server:
        connection = connection_to(server.url)
        async with running(connection):
            assert await connection.publish(a_note()) == Verdict(Outcome.ACCEPTED)
            assert connection.status.last_error == f"HTTP {status}"


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_redirect_to_another_place_is_not_followed(scheme: str) -> None:
    async with within(), FakeRelay(silence) as elsewhere:
        place = elsewhere.url.replace("ws", scheme)
        async with FakeRelay(accept_all, answer_http=http(302, Location=place)) as server:
            connection = connection_to(server.url)
            async with running(connection):
                assert await connection.publish(a_note()) == Verdict(Outcome.ACCEPTED)
                assert connection.status.last_error == "HTTP 302"
        assert elsewhere.sessions == 0


async def test_server_that_is_no_relay_is_tried_again_and_again() -> None:
    tries: asyncio.Queue[None] = asyncio.Queue()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await tries.put(None)

    async with within(), await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connection = connection_to(f"ws://127.0.0.1:{port}")
        async with running(connection):
            for _ in range(3):
                await tries.get()
            assert connection.status.last_error in ("InvalidMessage", "ConnectionResetError")


async def test_server_that_never_answers_is_given_up_after_its_time() -> None:
    tries: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await tries.put(writer)

    async with within(), await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connection = connection_to(f"ws://127.0.0.1:{port}", open_seconds=0.05)
        async with running(connection):
            writers = [await tries.get() for _ in range(2)]
            assert connection.status.last_error == "TimeoutError"
        for writer in writers:
            writer.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1", "ws://", "ws://[", "nonsense", "ws://127.0.0.1:99999"])
async def test_url_of_no_relay_is_an_error_like_any_other(url: str) -> None:
    connection = connection_to(url)
    async with within(), running(connection):
        assert await connection.publish(a_note(), timeout_seconds=0.2 * SCALE) == Verdict(Outcome.UNANSWERED)
        assert connection.status.last_error in ("InvalidURI", "ValueError", "OverflowError")


# Where to connect to


async def test_resolver_says_where_a_name_is() -> None:
    asked: list[str] = []
    hosts: list[str] = []

    async def resolve(host: str) -> str:
        asked.append(host)
        return "127.0.0.1"

    async def relay(session: FakeSession) -> None:
        assert session.socket.request is not None
        hosts.append(session.socket.request.headers["Host"])
        await accept_all(session)

    async with within(), FakeRelay(relay) as server:
        port = server.url.rpartition(":")[2]
        connection = connection_to(f"ws://relay.invalid:{port}", resolve=resolve)
        async with running(connection):
            assert await connection.publish(a_note()) == Verdict(Outcome.ACCEPTED)
    assert asked == ["relay.invalid"]
    assert hosts == [f"relay.invalid:{port}"]


async def test_resolver_may_refuse() -> None:
    asked: asyncio.Queue[str] = asyncio.Queue()

    async def resolve(host: str) -> str:
        await asked.put(host)
        raise PermissionError("a private address")

    async with within(), FakeRelay(silence) as server:
        connection = connection_to(server.url, resolve=resolve)
        async with running(connection):
            for _ in range(2):
                assert await asked.get() == "127.0.0.1"
            assert connection.status.last_error == "PermissionError"
        assert server.sessions == 0
