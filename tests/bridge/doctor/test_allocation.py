"""Allocations on a real coturn, over each transport; and servers that grant none."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from bridge.doctor.allocation import AllocationFailed, allocate, bind, transport_of
from bridge.settings.ice_url import parse_ice_url
from bridge.turn.coturn import coturn_password, coturn_username
from client.clock import SystemClock
from tests.bridge.doctor.places import a_free_port
from tests.support.certificates import make_certificate
from tests.support.coturn import coturn_server
from tests.support.deadline import SCALE, within
from tests.support.tls_coturn import tls_coturn

USER = "0123456789abcdef"
SECRET = "s" * 64


async def allocated(url: str, secret: str, *, seconds: float = 5, age: int = 0) -> str:
    parsed = parse_ice_url(url)
    username = coturn_username(USER, SystemClock().now() + 3600 - age)
    async with within(20):
        granted = await allocate(
            parsed,
            host=parsed.host,
            name=parsed.host,
            username=username,
            password=coturn_password(secret.encode(), username),
            seconds=seconds * SCALE,
        )
    return granted.relayed


async def test_allocation_is_granted_over_udp_and_tcp(tmp_path: Path) -> None:
    async with coturn_server(tmp_path) as server:
        for url in server.urls:
            assert await allocated(url, server.secret) == "127.0.0.1"
        stun = parse_ice_url(f"stun:127.0.0.1:{server.port}")
        assert await bind(stun, host="127.0.0.1", seconds=5 * SCALE) == "127.0.0.1"


async def test_allocation_is_granted_over_tls_to_who_knows_the_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(tmp_path, host="localhost")
    async with tls_coturn(tmp_path, certificate=certificate, key=key, secret=SECRET) as port:
        with pytest.raises(AllocationFailed, match="certificate is not accepted"):
            await allocated(f"turns:localhost:{port}?transport=tcp", SECRET)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert await allocated(f"turns:localhost:{port}", SECRET) == "127.0.0.1"


async def test_wrong_secret_and_expired_credentials_are_told_alike(tmp_path: Path) -> None:
    async with coturn_server(tmp_path) as server:
        with pytest.raises(AllocationFailed, match="401") as failure:
            await allocated(server.urls[0], "another")
        assert "static-auth-secret" in failure.value.fix
        with pytest.raises(AllocationFailed, match="401"):
            await allocated(server.urls[0], server.secret, age=7200)


async def test_server_that_says_nothing_costs_only_the_patience() -> None:
    clock = SystemClock()
    with socket.socket(type=socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{deaf.getsockname()[1]}"
        begun = clock.monotonic()
        with pytest.raises(AllocationFailed, match="no answer"):
            await allocated(f"turn:{place}?transport=udp", SECRET, seconds=0.3)
        with pytest.raises(AllocationFailed, match="no answer"):
            await bind(parse_ice_url(f"stun:{place}"), host="127.0.0.1", seconds=0.3)
    assert clock.monotonic() - begun < 5 * SCALE


async def test_nobody_listening_is_told() -> None:
    with pytest.raises(AllocationFailed, match="nobody listens"):
        await allocated(f"turn:127.0.0.1:{a_free_port()}?transport=tcp", SECRET)
    with pytest.raises(AllocationFailed, match="nobody listens"):
        await bind(parse_ice_url(f"stun:127.0.0.1:{a_free_port()}"), host="127.0.0.1", seconds=SCALE)


async def test_what_is_no_turn_server_is_told() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        with pytest.raises(AllocationFailed):
            await allocated(f"turn:127.0.0.1:{server.sockets[0].getsockname()[1]}?transport=tcp", SECRET, seconds=0.5)


@pytest.mark.parametrize(
    ("url", "transport"),
    [("turn:a", "udp"), ("turn:a?transport=tcp", "tcp"), ("turns:a", "tcp"), ("turns:a?transport=udp", "udp")],
)
def test_transport_follows_the_scheme(url: str, transport: str) -> None:
    assert transport_of(parse_ice_url(url)) == transport
