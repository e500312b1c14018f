"""What careless and hostile clients do: forge, flood, break frames, vanish, and read nothing."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress
from dataclasses import replace

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from client.entropy import draw_key
from client.wrapping import wrap_rumor
from nips import kinds
from nips.event import sign_event
from nips.nip44 import conversation_key, encrypt
from nips.nip59 import make_rumor, seal_rumor, wrap_seal
from tests.soak.connection import CLOCK, DEADLINE_SECONDS, ENTROPY, Connection, Mishap, some_address
from tests.soak.visitors import Visitor, World

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nX-Forwarded-For: 10.1.0.1\r\n\r\n"
)
BAD_FRAMES = ("", "{", "[]", '["EVENT"]', '["REQ","x",5]', '["NOPE"]', '["EVENT",{"id":1}]', "[" * 5000, '["CLOSE",{}]')
OVERSIZE = 200_000
"""Characters of a frame; the relay takes 131 072 bytes."""

SLOW_SECONDS = 8.0


async def publish_unopenable(world: World) -> None:
    """A wrap for the bridge is accepted, since nobody can tell from outside that there is nothing in it."""
    one_time = draw_key(ENTROPY)
    content = world.chance.choice(["not JSON", "{}", "[" * 2000])
    wrap = sign_event(
        one_time,
        created_at=CLOCK.now(),
        kind=kinds.GIFT_WRAP,
        tags=[("p", world.bridge)],
        content=encrypt(content, conversation_key(one_time, world.bridge), ENTROPY.draw(32)),
        aux=ENTROPY.draw(32),
    )
    connection = await Connection.open(world.url)
    accepted, words = await connection.publish(wrap)
    if not accepted:
        raise Mishap(f"an unopenable wrap was refused: {words}")
    world.kept["seen"].add(CLOCK.now())
    await connection.close()


async def publish_misattributed(world: World) -> None:
    """A seal by one key around another's rumor is dropped in silence."""
    author, liar = draw_key(ENTROPY), draw_key(ENTROPY)
    rumor = make_rumor(liar.public_key, created_at=CLOCK.now(), kind=kinds.BRIDGE_REQUEST, tags=[], content="{}")
    seal = seal_rumor(rumor, liar, world.bridge, created_at=CLOCK.now(), nonce=ENTROPY.draw(32), aux=ENTROPY.draw(32))
    forged = replace(seal, pubkey=author.public_key)
    wrap = wrap_seal(
        forged,
        draw_key(ENTROPY),
        world.bridge,
        kind=kinds.EPHEMERAL_GIFT_WRAP,
        created_at=CLOCK.now(),
        expires_at=None,
        nonce=ENTROPY.draw(32),
        aux=ENTROPY.draw(32),
    )
    connection = await Connection.open(world.url)
    if (await connection.publish(wrap))[0]:
        world.kept["seen"].add(CLOCK.now())
    if (await connection.publish(replace(wrap, sig="0" * 128)))[0]:
        raise Mishap("a false signature was taken")
    await connection.close()


async def ask_malformed(world: World) -> None:
    """A request that makes no sense is refused a few times, and then met with silence."""
    visitor = Visitor(world)
    content = world.chance.choice(["", "{}", '{"_v":"9.0.0","id":"1","method":"x","params":{}}', "[1]"])
    rumor = make_rumor(
        visitor.secret.public_key,
        created_at=CLOCK.now(),
        kind=kinds.BRIDGE_REQUEST,
        tags=[("p", world.bridge)],
        content=content,
    )
    wrap = wrap_rumor(rumor, visitor.secret, world.bridge, kind=kinds.GIFT_WRAP, clock=CLOCK, entropy=ENTROPY)
    connection = await Connection.open(world.url)
    if (await connection.publish(wrap))[0]:
        world.kept["seen"].add(CLOCK.now())
        world.kept["gift_wraps"].add(CLOCK.now())
    await connection.close()


async def read_without_key(world: World) -> None:
    """Wraps are shown to nobody who has not proved the key."""
    connection = await Connection.open(world.url)
    key = world.chance.choice(world.visitors).secret.public_key
    words = await connection.request("theirs", {"kinds": [1059], "#p": [key]})
    if words is None or not words.startswith("auth-required:"):
        raise Mishap(f"a REQ without a key was told {words!r}")
    if await connection.authenticate(draw_key(ENTROPY), challenge="another"):
        raise Mishap("an AUTH with a false challenge was taken")
    await connection.close()


async def fail_to_authenticate(world: World) -> None:
    """Whoever fails again and again is sent away."""
    connection = await Connection.open(world.url)
    secret = draw_key(ENTROPY)
    with suppress(Mishap, ConnectionClosed):
        for _ in range(20):
            await connection.authenticate(secret, challenge="another")
    if await connection.closed() != 1008:
        raise Mishap(f"failed attempts to authenticate ended with {connection.socket.close_code}")


async def subscribe_too_much(world: World) -> None:
    """Subscriptions past the limit are refused, and those there are closed."""
    connection = await Connection.open(world.url)
    refused = 0
    for number in range(24):
        refused += await connection.request(f"s{number}", {"kinds": [0], "limit": 1}) is not None
    if not refused:
        raise Mishap("there was no end to subscriptions")
    for number in range(0, 24, 2):
        await connection.say(["CLOSE", f"s{number}"])
    await connection.close()


async def break_frames(world: World) -> None:
    """Frames that make no sense end the connection when they are too many."""
    connection = await Connection.open(world.url)
    is_patient = world.chance.random() < 0.5
    with suppress(ConnectionClosed):
        for _ in range(5 if is_patient else 40):
            await connection.socket.send(world.chance.choice(BAD_FRAMES if is_patient else BAD_FRAMES[:4]))
    if is_patient:
        await connection.close()
    elif await connection.closed() != 1008:
        raise Mishap(f"too many broken frames ended with {connection.socket.close_code}")


async def send_oversize(world: World) -> None:
    """A frame past the limit ends the connection."""
    connection = await Connection.open(world.url)
    with suppress(ConnectionClosed):
        await connection.socket.send('["EVENT",' + "x" * OVERSIZE)
    if await connection.closed() != 1009:
        raise Mishap(f"an oversize frame ended with {connection.socket.close_code}")


async def vanish_mid_frame(world: World) -> None:
    """A client dies in the handshake, in a header, in a payload or between two fragments."""
    _, writer = await asyncio.open_connection("127.0.0.1", world.port)
    beginnings = (
        HANDSHAKE[:40],
        HANDSHAKE,
        HANDSHAKE + b"\x81",
        HANDSHAKE + b"\x81\xfe\x10\x00abcd" + b"x" * 100,
        HANDSHAKE + b"\x01\x85abcd" + b"hello",
    )
    writer.write(world.chance.choice(beginnings))
    await writer.drain()
    await asyncio.sleep(world.chance.uniform(0, 0.3))
    writer.transport.abort()


async def ask_for_page(world: World) -> None:
    """A browser and a client that wants the information document."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    accept = world.chance.choice([b"text/html", b"application/nostr+json"])
    writer.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.2.0.1\r\nAccept: %s\r\nConnection: close\r\n\r\n" % accept
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        page = await reader.read()
    if not page.startswith(b"HTTP/1.1 200"):
        raise Mishap(f"a page was told {page[:20]!r}")
    writer.close()


async def read_slowly(world: World) -> None:
    """A client asks for much and reads nothing, until it is dropped or goes."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", world.port))
    client = await connect(
        world.url,
        sock=raw,
        compression=None,
        max_queue=1,
        ping_interval=None,
        close_timeout=1,
        additional_headers={"X-Forwarded-For": some_address()},
    )
    client.transport.pause_reading()
    try:
        for number in range(60):
            await client.send(json.dumps(["REQ", f"s{number % 10}", {"kinds": [0, 10002, 10050]}]))
        await asyncio.sleep(SLOW_SECONDS)
    finally:
        client.transport.abort()
