"""The same hostility through real sockets: frames of hostile clients, and bytes that are no websocket at all."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from nips import messages
from nips.messages import write_publish
from tests.fuzz.faults import no_faults
from tests.fuzz.frames import Speaker
from tests.fuzz.guests import Guest
from tests.fuzz.judging import Finding, check_words
from tests.fuzz.mutation import Mutator
from tests.fuzz.sessions import Chapter, a_chapter, a_good_event
from tests.support.deadline import within
from tests.support.pipeline import OWN_URL

FRAMES: Final = 500
AT_ONCE: Final = 20
HANDSHAKES: Final = 40
FAREWELLS: Final = {1002, 1007, 1008, 1009}
"""How the relay may end a connection with somebody hostile: RFC 6455 §7.4.1."""


async def talk_through(folder: Path, *, seed: int, number: int, frames: int = FRAMES) -> int:
    """Have a listening bridge live through one chapter; return how many texts it sent, or raise what went wrong."""
    mutator = Mutator(Random(f"{seed}/sockets/{number}"))
    with no_faults():
        async with within(120), a_chapter(folder, number=number) as chapter:
            async with chapter.endpoint:
                await _attack(chapter, mutator, frames)
                await _check_good_client(chapter)
            if chapter.endpoint.connections or chapter.endpoint.subscriptions:
                raise Finding("connections or subscriptions are left behind")
            return chapter.house.texts


async def _attack(chapter: Chapter, mutator: Mutator, frames: int) -> None:
    said = 0
    while said < frames:
        said += await _converse(chapter, mutator, frames - said)
    for _ in range(HANDSHAKES):
        await _send_bytes(chapter.endpoint.port, _handshake(mutator), mutator)


async def _converse(chapter: Chapter, mutator: Mutator, frames: int) -> int:
    """Say frames on one connection until it ends; return how many."""
    guest = Guest(chapter.house)
    speaker = Speaker(mutator, "guest", relay_url=OWN_URL)
    said = 0
    async with connect(
        _address(chapter), compression=None, ping_interval=None, max_size=None, max_queue=None
    ) as socket:
        speaker.challenge = await _hear_challenge(guest, socket)
        try:
            while said < frames:
                for _ in range(AT_ONCE):
                    await _say(guest, socket, speaker.frame())
                    said += 1
                await _hear_until_good(chapter, guest, socket)
        except ConnectionClosed:
            _check_close(guest, socket, chapter)
    return said


async def _say(guest: Guest, socket: ClientConnection, frame: str | bytes) -> None:
    if isinstance(frame, str):
        frame = frame.encode("utf-8", "replace").decode()
    guest.says(frame)
    await socket.send(frame)


async def _hear_challenge(guest: Guest, socket: ClientConnection) -> str:
    greeting = guest.hears(str(await socket.recv()))
    assert isinstance(greeting, messages.Challenge)
    return greeting.challenge


async def _hear_until_good(chapter: Chapter, guest: Guest, socket: ClientConnection) -> None:
    """Publish something good and listen until it is answered."""
    good = a_good_event(chapter.pipeline.clock.now())
    await socket.send(write_publish(good))
    while True:
        text = await socket.recv()
        if not isinstance(text, str):
            raise Finding("a binary frame")
        answer = guest.hears(text)
        if isinstance(answer, messages.Ok) and answer.event_id == good.id:
            return


def _check_close(guest: Guest, socket: ClientConnection, chapter: Chapter) -> None:
    code, reason = socket.close_code, socket.close_reason or ""
    if code not in FAREWELLS:
        raise Finding(f"closed with {code}: {reason!r}")
    check_words(reason or "-")
    if code == 1008 and chapter.limits.session.max_bad_frames > guest.house.frames:
        raise Finding("hung up without a reason")


async def _check_good_client(chapter: Chapter) -> None:
    guest = Guest(chapter.house)
    async with connect(_address(chapter), compression=None, ping_interval=None) as socket:
        await _hear_challenge(guest, socket)
        await _hear_until_good(chapter, guest, socket)


def _address(chapter: Chapter) -> str:
    return f"ws://127.0.0.1:{chapter.endpoint.port}"


async def _send_bytes(port: int, data: bytes, mutator: Mutator) -> None:
    """Send bytes as they are, read what comes, and go."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(ConnectionError):
        writer.write(data)
        if mutator.is_so(0.5):
            writer.write_eof()
        await writer.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                _check_page(await reader.read(65_536))
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def _check_page(answer: bytes) -> None:
    head, _, _ = answer.partition(b"\r\n\r\n")
    for line in head.decode("latin-1").split("\r\n"):
        if line.isprintable() and line:
            check_words(line, longest=1000)


def _handshake(mutator: Mutator) -> bytes:
    """Return a handshake with frames behind it, changed somewhere."""
    rng = mutator.rng
    key = base64.b64encode(rng.randbytes(16)).decode()
    lines = [
        rng.choice(("GET / HTTP/1.1", "HEAD / HTTP/1.1", "OPTIONS / HTTP/1.1", "POST / HTTP/1.1", "GET /x HTTP/1.0")),
        "Host: bridge.example",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        f"X-Forwarded-For: {rng.choice(('192.0.2.1', '٣', '[::1]:1, ::ffff:1.2.3.4', ',' * 50, 'a' * 3000))}",
        f"Accept: {rng.choice(('application/nostr+json', '*/*', 'é', ','))}",
    ]
    if rng.random() < 0.3:
        del lines[rng.randrange(len(lines))]
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    frame = bytes([0x80 | rng.randrange(16), 0x80 | rng.randrange(126)]) + rng.randbytes(rng.randrange(40))
    data = head + frame * rng.randrange(3)
    return mutator.data(data) if rng.random() < 0.6 else data
