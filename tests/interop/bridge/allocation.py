"""What TURN credentials are worth: allocations on a real server, through aioice."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from aioice import stun, turn

from tests.interop.bridge.exchange import ice_server
from tests.support.deadline import within

_URL = re.compile(r"turn:(?P<host>[\d.]+):(?P<port>\d+)\?transport=(?P<transport>udp|tcp)")


async def relays_data(credentials: Mapping[str, Any], url: str) -> bool:
    """Tell whether what a peer sends reaches us through an allocation made at `url`, and what we send reaches it."""
    loop = asyncio.get_running_loop()
    async with within():
        peer_socket, peer = await loop.create_datagram_endpoint(_Mailbox, local_addr=("127.0.0.1", 0))
        relayed, ours = await _allocate(url, credentials["turn_username"], credentials["turn_password"])
        try:
            relayed.sendto(b"there", peer_socket.get_extra_info("sockname"))
            sent, relay = await peer.letters.get()
            peer_socket.sendto(b"and back", relay)
            returned, _ = await ours.letters.get()
        finally:
            relayed.close()
            await ours.closed.wait()
            peer_socket.close()
            await peer.closed.wait()
    return (sent, returned, relay) == (b"there", b"and back", relayed.get_extra_info("sockname"))


async def refusal(url: str, username: str, password: str) -> int | None:
    """Return the code (RFC 8489 §14.8) with which the server refuses an allocation."""
    async with within():
        try:
            relayed, ours = await _allocate(url, username, password)
        except stun.TransactionFailed as failure:
            return failure.response.error_code
        relayed.close()
        await ours.closed.wait()
    raise AssertionError("the allocation was granted")


async def check_credentials(credentials: Mapping[str, Any], urls: Sequence[str]) -> None:
    """Hold credentials against a server: they name its addresses, they are good there, a wrong password is not."""
    assert credentials["turn_urls"] == list(urls)
    assert credentials["ice_servers"] == [ice_server(credentials, urls)]
    for url in urls:
        assert await relays_data(credentials, url)
        assert await refusal(url, credentials["turn_username"], "wrong") == 401


async def _allocate(url: str, username: str, password: str) -> tuple[Any, _Mailbox]:
    place = _URL.fullmatch(url)
    assert place, f"{url} is no address of a server on this machine"
    return await turn.create_turn_endpoint(
        _Mailbox,
        server_addr=(place["host"], int(place["port"])),
        username=username,
        password=password,
        transport=place["transport"],
    )


class _Mailbox(asyncio.DatagramProtocol):
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.letters: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()
        self.closed = asyncio.Event()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.letters.put_nowait((data, addr))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
