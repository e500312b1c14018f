"""What machines read over HTTP, and what they cannot do there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest

from bridge.conditions import Conditions
from bridge.errors import StartupError
from bridge.health.server import HealthServer
from tests.support.deadline import within


def a_server(conditions: Conditions | None = None, **options: Any) -> HealthServer:
    return HealthServer(
        **{
            "host": "127.0.0.1",
            "port": 0,
            "max_connections": 3,
            "metrics": lambda: b"figure 1\n",
            "conditions": conditions or Conditions(),
            **options,
        }
    )


@asynccontextmanager
async def connected(server: HealthServer) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionResetError):
            await writer.wait_closed()


async def is_dropped(reader: asyncio.StreamReader) -> bool:
    """Wait for the end of a connection; tell whether nothing came before."""
    try:
        return await reader.read() == b""
    except ConnectionResetError:
        return True


async def ask(server: HealthServer, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body, read until the server closes."""
    async with within(), connected(server) as (reader, writer):
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


async def test_metrics_are_text_of_prometheus() -> None:
    async with a_server() as server:
        status, headers, body = await ask(server, "/metrics")
    assert (status, body) == (200, b"figure 1\n")
    assert headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_alive_is_alive_whatever_is_degraded() -> None:
    conditions = Conditions()
    conditions.set("turn", "gone", is_down=True)
    async with a_server(conditions) as server:
        assert (await ask(server, "/healthz"))[::2] == (200, b"ok\n")


async def test_ready_names_what_is_degraded_and_is_not_while_something_is_down() -> None:
    conditions = Conditions()
    async with a_server(conditions) as server:
        status, headers, body = await ask(server, "/readyz")
        assert (status, headers["content-type"]) == (200, "application/json")
        assert json.loads(body) == {"ready": True, "stopping": False, "down": [], "problems": {}}
        conditions.set("turn.static", "slow")
        status, _, body = await ask(server, "/readyz")
        assert (status, json.loads(body)["problems"]) == (200, {"turn.static": "slow"})
        conditions.set("turn", "gone", is_down=True)
        status, _, body = await ask(server, "/readyz")
        assert (status, json.loads(body)["down"]) == (503, ["turn"])
        conditions.set("turn", None)
        assert (await ask(server, "/readyz"))[0] == 200
        server.is_stopping = True
        status, _, body = await ask(server, "/readyz")
        assert (status, json.loads(body)["stopping"]) == (503, True)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/metrics/x", 404), ("POST", "/metrics", 405), ("DELETE", "/readyz", 405)],
)
async def test_nothing_else_is_there(method: str, path: str, status: int) -> None:
    async with a_server() as server:
        assert (await ask(server, path, method))[0] == status


async def test_head_has_no_body() -> None:
    async with a_server() as server:
        assert (await ask(server, "/metrics", "HEAD"))[::2] == (200, b"")


async def test_connections_beyond_the_limit_are_dropped_and_room_comes_back() -> None:
    async with within(), a_server(max_connections=1) as server:
        async with connected(server) as (reader, writer):
            # Its connection is known to the server once this much was answered.
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
            await writer.drain()
            async with connected(server) as (refused, _):
                assert await is_dropped(refused)
            writer.write(b"\r\n")
            assert b"200" in await reader.read()
        assert (await ask(server, "/healthz"))[0] == 200


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
async def test_connection_that_does_not_ask_is_dropped_in_time(sent: bytes) -> None:
    async with within(), a_server(connection_seconds=0.05) as server, connected(server) as (reader, writer):
        writer.write(sent)
        assert await is_dropped(reader)


async def test_port_that_is_taken_is_named_with_what_to_do() -> None:
    async with a_server() as server:
        with pytest.raises(StartupError, match=rf"metrics\.port = {server.port}.*enabled = false"):
            async with a_server(port=server.port):
                pytest.fail("it listens")


async def test_end_does_not_wait_for_connections() -> None:
    server = a_server()
    async with within(), AsyncExitStack() as stack:
        async with server:
            reader, _ = await stack.enter_async_context(connected(server))
        assert await is_dropped(reader)
