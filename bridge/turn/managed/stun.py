"""Questions to a STUN server: is it there, and from where do we come (RFC 8489 §5, §14.2)."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from ipaddress import ip_address

from bridge.turn.managed.peers import Address
from client.entropy import Entropy

_MAGIC = 0x2112A442
_BINDING, _SUCCESS = 0x0001, 0x0101
_XOR_MAPPED_ADDRESS = 0x0020
_FAMILIES = {1: 4, 2: 16}
"""Bytes of an address, by the number of its family."""

ATTEMPT_SECONDS = 0.5
"""A question is asked again after so long, since datagrams get lost."""


async def mapped_address(address: Address, port: int, *, seconds: float, entropy: Entropy) -> Address | None:
    """Return the address under which a server sees us; None when it says nothing of use in that time."""
    transaction = entropy.draw(12)
    question = struct.pack(">HHI", _BINDING, 0, _MAGIC) + transaction
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        with suppress(TimeoutError, OSError):
            asking.connect((str(address), port))
            async with asyncio.timeout(seconds):
                return await _ask(asking, question, transaction)
    return None


async def _ask(asking: socket.socket, question: bytes, transaction: bytes) -> Address:
    loop = asyncio.get_running_loop()
    while True:
        await loop.sock_sendall(asking, question)
        with suppress(TimeoutError):
            async with asyncio.timeout(ATTEMPT_SECONDS):
                while True:
                    mapped = read_answer(await loop.sock_recv(asking, 1500), transaction)
                    if mapped is not None:
                        return mapped


def read_answer(answer: bytes, transaction: bytes) -> Address | None:
    """Return the XOR-MAPPED-ADDRESS of an answer to a question; None when it is none."""
    if len(answer) < 20 or answer[4:20] != struct.pack(">I", _MAGIC) + transaction:
        return None
    kind, length = struct.unpack(">HH", answer[:4])
    body = answer[20 : 20 + length]
    while kind == _SUCCESS and len(body) >= 4:
        name, size = struct.unpack(">HH", body[:4])
        value = body[4 : 4 + size]
        if name == _XOR_MAPPED_ADDRESS and len(value) >= 2 and len(value) - 4 == _FAMILIES.get(value[1]):
            pad = struct.pack(">I", _MAGIC) + transaction
            return ip_address(bytes(byte ^ mask for byte, mask in zip(value[4:], pad, strict=False)))
        body = body[4 + size + -size % 4 :]
    return None
