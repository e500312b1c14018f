"""Questions to a STUN server."""

from __future__ import annotations

import asyncio
import socket
import struct
from ipaddress import ip_address

import pytest

from bridge.turn.managed.stun import mapped_address, read_answer
from client.entropy import SystemEntropy
from tests.support.deadline import within
from tests.support.entropy import SeededEntropy

LOOPBACK = ip_address("127.0.0.1")
TRANSACTION = bytes(range(12))
MAGIC = bytes.fromhex("2112a442")
# RFC 5769 §2.2 and §2.3: the answers of the test vectors, reduced to their addresses.
VECTOR_TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
VECTOR_4 = bytes.fromhex("002000080001a147e112a643")
VECTOR_6 = bytes.fromhex("002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9")


def an_answer(attributes: bytes, *, kind: int = 0x0101, transaction: bytes = VECTOR_TRANSACTION) -> bytes:
    return struct.pack(">HH", kind, len(attributes)) + MAGIC + transaction + attributes


@pytest.mark.parametrize(
    ("attribute", "expected"), [(VECTOR_4, "192.0.2.1"), (VECTOR_6, "2001:db8:1234:5678:11:2233:4455:6677")]
)
def test_the_published_vectors_are_read(attribute: bytes, expected: str) -> None:
    assert read_answer(an_answer(attribute), VECTOR_TRANSACTION) == ip_address(expected)


def test_attributes_that_are_not_known_are_passed_over() -> None:
    software = bytes.fromhex("8022000b") + b"test vector" + b" "
    assert read_answer(an_answer(software + VECTOR_4), VECTOR_TRANSACTION) == ip_address("192.0.2.1")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        an_answer(VECTOR_4)[:19],
        an_answer(b""),
        an_answer(VECTOR_4[:-1]),
        an_answer(VECTOR_4[:5]),
        an_answer(VECTOR_4, kind=0x0111),
        an_answer(VECTOR_4, kind=0x0001),
        an_answer(VECTOR_4, transaction=TRANSACTION),
        an_answer(VECTOR_4[:5] + b"\x02" + VECTOR_4[6:]),
        an_answer(bytes.fromhex("00200000")),
        b"\x01\x01\x00\x0c" + bytes(4) + VECTOR_TRANSACTION + VECTOR_4,
    ],
)
def test_answer_that_is_none_of_ours_is_no_answer(answer: bytes) -> None:
    assert read_answer(answer, VECTOR_TRANSACTION) is None


async def test_question_is_asked_again_when_it_got_lost() -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setblocking(False)
        server.bind((str(LOOPBACK), 0))

        async def answer_the_second() -> None:
            first = await loop.sock_recv(server, 1500)
            second, asker = await loop.sock_recvfrom(server, 1500)
            assert first == second
            await loop.sock_sendto(server, b"noise", asker)
            mapped = bytes.fromhex("00200008000100000c0f6e00")
            await loop.sock_sendto(server, an_answer(mapped, transaction=second[8:20]), asker)

        async with within(), asyncio.TaskGroup() as tasks:
            tasks.create_task(answer_the_second())
            found = await mapped_address(LOOPBACK, server.getsockname()[1], seconds=5, entropy=SeededEntropy())
    assert found == ip_address(bytes(a ^ b for a, b in zip(bytes.fromhex("0c0f6e00"), MAGIC, strict=True)))


async def test_nobody_there_is_told_at_once_and_silence_in_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((str(LOOPBACK), 0))
        port = silent.getsockname()[1]
        async with within():
            assert await mapped_address(LOOPBACK, port, seconds=0.05, entropy=SystemEntropy()) is None
    async with within(5):
        assert await mapped_address(LOOPBACK, port, seconds=600, entropy=SystemEntropy()) is None
