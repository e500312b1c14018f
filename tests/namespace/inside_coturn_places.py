"""Where a coturn of the bridge's own is found: by name over TLS, behind a router, at an address that it asks for."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests.namespace.house import PEER, SERVER, a_bridge, coturn_of, credentials_of, echo_peer
from tests.support.authority import Authority
from tests.support.deadline import within
from tests.support.turn_client import MAGIC, turn_client

OUTSIDE = "44.4.4.4"
NAME = "turn.test"
TLS_PORT = 443


@pytest.fixture
def authority() -> Authority:
    """Have somebody whom clients believe."""
    return Authority()


def with_tls(folder: Path) -> dict[str, Any]:
    """Return settings for TLS, with files in a folder."""
    files = {"certificate_file": str(folder / "turn.crt"), "certificate_key_file": str(folder / "turn.key")}
    return {**files, "hostname": NAME, "tls_port": TLS_PORT, "probe_seconds": 0.1}


def issue(authority: Authority, folder: Path, name: str = NAME) -> int:
    """Put a certificate into place and return its number."""
    return authority.issue(name, folder / "turn.crt", folder / "turn.key")


async def number_shown(trust: ssl.SSLContext) -> int:
    """Return the number of the certificate that the server shows."""
    _, writer = await asyncio.open_connection(SERVER, TLS_PORT, ssl=trust, server_hostname=NAME)
    number = int(writer.get_extra_info("peercert")["serialNumber"], 16)
    writer.transport.abort()
    return number


async def test_credentials_are_good_over_tls_by_the_name_in_the_certificate(
    tmp_path: Path, authority: Authority
) -> None:
    issue(authority, tmp_path)
    async with a_bridge(tmp_path / "home", **with_tls(tmp_path)) as bridge:
        credentials = await credentials_of(bridge)
        urls = [f"turn:{NAME}:3478?transport=udp", f"turn:{NAME}:3478?transport=tcp"]
        assert credentials.urls == (*urls, f"turns:{NAME}:{TLS_PORT}?transport=tcp")
        assert credentials.hostname == NAME
        at_server = f"turns:{SERVER}:{TLS_PORT}?transport=tcp"
        way = turn_client(at_server, credentials.username, credentials.password, trust=authority.trust, name=NAME)
        async with within(), way as client, echo_peer(PEER) as peer:
            assert (await client.allocate())[0] == SERVER
            await client.permit(PEER)
            client.send(b"there and back", peer)
            assert await client.receive() == (b"THERE AND BACK", peer)


async def test_renewed_certificate_is_shown_and_no_call_ends_for_it(tmp_path: Path, authority: Authority) -> None:
    first = issue(authority, tmp_path)
    async with a_bridge(tmp_path / "home", **with_tls(tmp_path)) as bridge:
        credentials = await credentials_of(bridge)
        url = f"turns:{SERVER}:{TLS_PORT}?transport=tcp"
        way = turn_client(url, credentials.username, credentials.password, trust=authority.trust, name=NAME)
        async with within(), way as client, echo_peer(PEER) as peer:
            await client.allocate()
            await client.permit(PEER)
            assert await number_shown(authority.trust) == first
            (tmp_path / "turn.key").write_text("half of a renewal")
            await bridge.wait_for("new certificate not used")
            assert await number_shown(authority.trust) == first
            second = issue(authority, tmp_path)
            await bridge.wait_for("coturn reads its new certificate")
            while await number_shown(authority.trust) != second:
                pass
            client.send(b"still there", peer)
            assert await client.receive() == (b"STILL THERE", peer)


async def test_bridge_with_a_certificate_and_another_ones_key_serves_turn_without_tls(
    tmp_path: Path, authority: Authority
) -> None:
    issue(authority, tmp_path)
    authority.issue(NAME, tmp_path / "other.crt", tmp_path / "turn.key")
    async with a_bridge(tmp_path / "home", **with_tls(tmp_path)) as bridge:
        urls = (await credentials_of(bridge)).urls
    assert urls == (f"turn:{NAME}:3478?transport=udp", f"turn:{NAME}:3478?transport=tcp")


async def test_address_outside_a_router_is_told_and_data_comes_in_by_the_one_inside(tmp_path: Path) -> None:
    async with a_bridge(tmp_path, external_addresses=(OUTSIDE,)) as bridge:
        credentials = await credentials_of(bridge)
        assert credentials.urls == (f"turn:{OUTSIDE}:3478?transport=udp", f"turn:{OUTSIDE}:3478?transport=tcp")
        inside = f"turn:{SERVER}:3478?transport=udp"
        async with within(), turn_client(inside, credentials.username, credentials.password) as client:
            assert (await client.allocate())[0] == OUTSIDE
            async with echo_peer(PEER) as peer:
                await client.permit(PEER)
                client.send(b"there and back", peer)
                assert await client.receive() == (b"THERE AND BACK", peer)
            await client.permit(OUTSIDE)


class StunServer(asyncio.DatagramProtocol):
    """Tells everybody that they come from one address (RFC 8489 §14.2)."""

    def connection_made(self, transport: Any) -> None:
        """Keep the way back."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer a question."""
        packed = ip_address(OUTSIDE).packed
        place = struct.pack(">BBH", 0, 1, 0) + bytes(byte ^ mask for byte, mask in zip(packed, MAGIC, strict=True))
        attribute = struct.pack(">HH", 0x0020, len(place)) + place
        self.transport.sendto(struct.pack(">HH", 0x0101, len(attribute)) + data[4:20] + attribute, addr)


@asynccontextmanager
async def stun_server() -> AsyncIterator[str]:
    """Have a STUN server outside, and return its URL."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(StunServer, local_addr=(PEER, 0))
    try:
        yield f"stun:{PEER}:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()


async def test_address_outside_is_asked_for_where_a_server_is_named(tmp_path: Path) -> None:
    async with stun_server() as url, a_bridge(tmp_path, discover_from=url) as bridge:
        await coturn_of(bridge)
        credentials = await credentials_of(bridge)
        assert credentials.urls[0] == f"turn:{OUTSIDE}:3478?transport=udp"
        inside = f"turn:{SERVER}:3478?transport=udp"
        async with within(), turn_client(inside, credentials.username, credentials.password) as client:
            assert (await client.allocate())[0] == OUTSIDE


async def test_stun_server_that_says_nothing_leaves_the_address_that_is_here(tmp_path: Path) -> None:
    async with a_bridge(tmp_path, discover_from=f"stun:{PEER}:9") as bridge:
        await bridge.wait_for("the STUN server in turn.managed.discover_from does not answer")
        assert (await credentials_of(bridge)).urls[0] == f"turn:{SERVER}:3478?transport=udp"
