"""A TURN client that says what it is told to (RFC 8656), over UDP, TCP or TLS: also what no polite client would ask."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import ssl
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any, Protocol

from bridge.settings.ice_url import parse_ice_url
from tests.support.deadline import within

Place = tuple[str, int]
Attribute = tuple[int, bytes]

MAGIC = struct.pack(">I", 0x2112A442)
ALLOCATE, REFRESH, SEND, DATA, CREATE_PERMISSION, CONNECT = 0x003, 0x004, 0x006, 0x007, 0x008, 0x00A
USERNAME, INTEGRITY, ERROR_CODE, REALM, NONCE = 0x0006, 0x0008, 0x0009, 0x0014, 0x0015
LIFETIME, PEER, PAYLOAD, RELAYED, FAMILY, TRANSPORT = 0x000D, 0x0012, 0x0013, 0x0016, 0x0017, 0x0019
SOFTWARE = 0x8022
UDP, TCP = b"\x11\0\0\0", b"\x06\0\0\0"


class Refused(Exception):
    """The server said no."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Way(Protocol):
    def send(self, message: bytes) -> None: ...

    async def receive(self) -> bytes: ...


class TurnClient:
    """One five-tuple, and the allocation that it may have."""

    def __init__(self, way: _Way, username: str, password: str) -> None:
        self._way = way
        self._username = username
        self._password = password
        self._realm = self._nonce = b""
        self.software: set[bytes] = set()
        """What the server said that it is."""

    async def allocate(self, *, version: int = 4, transport: bytes = UDP) -> Place:
        """Return the relayed address; raise `Refused`."""
        wanted = [(TRANSPORT, transport), (LIFETIME, struct.pack(">I", 60))]
        if version == 6:
            wanted.append((FAMILY, b"\x02\0\0\0"))
        answer, transaction = await self._ask(ALLOCATE, wanted)
        return _read_place(answer[RELAYED], transaction)

    async def permit(self, host: str) -> None:
        """Ask to exchange data with a peer; raise `Refused`."""
        await self._ask(CREATE_PERMISSION, [(PEER, (host, 9))])

    async def release(self) -> None:
        """Give the allocation back."""
        await self._ask(REFRESH, [(LIFETIME, bytes(4))])

    def send(self, data: bytes, peer: Place) -> None:
        """Send to a peer."""
        transaction = os.urandom(12)
        way = [(PEER, _write_place(peer, transaction)), (PAYLOAD, data)]
        self._way.send(_message(SEND | 0x0010, transaction, way))

    async def receive(self) -> tuple[bytes, Place]:
        """Return what a peer sent, and which."""
        while True:
            kind, transaction, found = _parse(await self._way.receive())
            if kind == DATA | 0x0010:
                return found[PAYLOAD], _read_place(found[PEER], transaction)

    async def _ask(
        self, method: int, attributes: Sequence[tuple[int, bytes | Place]]
    ) -> tuple[dict[int, bytes], bytes]:
        code = 0
        for _ in range(3):
            transaction = os.urandom(12)
            plain = [
                (name, value if isinstance(value, bytes) else _write_place(value, transaction))
                for name, value in attributes
            ]
            self._way.send(self._signed(method, transaction, plain))
            kind, answer = await self._answer_to(transaction)
            if kind == method | 0x0100:
                return answer, transaction
            code = answer[ERROR_CODE][2] * 100 + answer[ERROR_CODE][3]
            # 401 without a name of ours says only how to sign (RFC 8489 §9.2.4), 438 that a nonce is old.
            if not (code == 438 or (code == 401 and not self._nonce)):
                raise Refused(code)
            self._realm, self._nonce = answer[REALM], answer[NONCE]
        raise Refused(code)

    async def _answer_to(self, transaction: bytes) -> tuple[int, dict[int, bytes]]:
        async with within():
            while True:
                kind, other, found = _parse(await self._way.receive())
                if other == transaction:
                    self.software |= {found[SOFTWARE]} if SOFTWARE in found else set()
                    return kind, found

    def _signed(self, method: int, transaction: bytes, attributes: list[Attribute]) -> bytes:
        if not self._nonce:
            return _message(method, transaction, attributes)
        name = self._username.encode()
        signed = [*attributes, (USERNAME, name), (REALM, self._realm), (NONCE, self._nonce)]
        key = hashlib.md5(b":".join((name, self._realm, self._password.encode()))).digest()
        # The length in the header counts the attribute that is still to come (RFC 8489 §14.5).
        head = _message(method, transaction, [*signed, (INTEGRITY, bytes(20))])[:-24]
        return _message(method, transaction, [*signed, (INTEGRITY, hmac.digest(key, head, "sha1"))])


@asynccontextmanager
async def turn_client(
    url: str, username: str, password: str, *, trust: ssl.SSLContext | None = None, name: str | None = None
) -> AsyncIterator[TurnClient]:
    """Go to a server by its URL; over TLS `trust` says whom to believe, and `name` who it is."""
    place = parse_ice_url(url)
    assert place.port is not None
    if place.transport == "udp":
        loop = asyncio.get_running_loop()
        transport, datagrams = await loop.create_datagram_endpoint(_Datagrams, remote_addr=(place.host, place.port))
        try:
            yield TurnClient(datagrams, username, password)
        finally:
            transport.close()
            await datagrams.closed.wait()
        return
    is_tls = place.scheme == "turns"
    reader, writer = await asyncio.open_connection(
        place.host, place.port, ssl=trust if is_tls else None, server_hostname=name if is_tls else None
    )
    try:
        yield TurnClient(_Connection(reader, writer), username, password)
    finally:
        writer.transport.abort()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self._arrived: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def datagram_received(self, data: bytes, addr: Place) -> None:
        self._arrived.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        self._arrived.put_nowait(exc)

    def send(self, message: bytes) -> None:
        self._transport.sendto(message)

    async def receive(self) -> bytes:
        arrived = await self._arrived.get()
        if isinstance(arrived, Exception):
            raise arrived
        return arrived


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, message: bytes) -> None:
        self._writer.write(message)

    async def receive(self) -> bytes:
        head = await self._reader.readexactly(20)
        return head + await self._reader.readexactly(struct.unpack(">H", head[2:4])[0])


def _message(kind: int, transaction: bytes, attributes: Sequence[Attribute]) -> bytes:
    body = b"".join(struct.pack(">HH", name, len(value)) + value + bytes(-len(value) % 4) for name, value in attributes)
    return struct.pack(">HH", kind, len(body)) + MAGIC + transaction + body


def _parse(message: bytes) -> tuple[int, bytes, dict[int, bytes]]:
    kind, length = struct.unpack(">HH", message[:4])
    found: dict[int, bytes] = {}
    body = message[20 : 20 + length]
    while body:
        name, size = struct.unpack(">HH", body[:4])
        found[name] = body[4 : 4 + size]
        body = body[4 + size + -size % 4 :]
    return kind, message[8:20], found


def _write_place(place: Place, transaction: bytes) -> bytes:
    address = ip_address(place[0])
    port = place[1] ^ 0x2112
    return struct.pack(">HH", 1 if address.version == 4 else 2, port) + _masked(address.packed, transaction)


def _read_place(value: bytes, transaction: bytes) -> Place:
    _, port = struct.unpack(">HH", value[:4])
    return str(ip_address(_masked(value[4:], transaction))), port ^ 0x2112


def _masked(address: bytes, transaction: bytes) -> bytes:
    return bytes(byte ^ mask for byte, mask in zip(address, MAGIC + transaction, strict=False))
