"""What well-meaning clients do: ask in both kinds of wrap, leave and come back, write to each other, publish."""

from __future__ import annotations

import asyncio
import json

from client.entropy import draw_key
from client.wrapping import wrap_rumor
from nips import kinds
from nips.event import Event, sign_event
from nips.keys import SecretKey
from nips.nip59 import make_rumor
from tests.soak.connection import CLOCK, ENTROPY, Connection, Mishap
from tests.soak.plan import RETENTION_SECONDS
from tests.soak.visitors import Visitor, World

TURN = "turn.get_credentials"
SHORT_SECONDS = 5
"""Expiration of every second wrap between clients, so that a short run sees wraps come and go too."""

LEAVES_ONE_IN = 8
"""So often a visitor goes home after it asked, one way or the other."""


async def ask_stored(world: World) -> None:
    """A returning key asks in a stored wrap."""
    await _ask(world, TURN, kinds.GIFT_WRAP)


async def ask_live(world: World) -> None:
    """A returning key asks in a live wrap."""
    await _ask(world, TURN, kinds.EPHEMERAL_GIFT_WRAP)


async def ask_info(world: World) -> None:
    """A returning key asks what the bridge is."""
    await _ask(world, "bridge.info", kinds.EPHEMERAL_GIFT_WRAP)


async def ask_account(world: World) -> None:
    """A returning key asks for its account."""
    await _ask(world, "account.get", kinds.EPHEMERAL_GIFT_WRAP)


async def arrive(world: World) -> None:
    """A new key asks once; past `max_accounts` it is refused."""
    visitor = Visitor(world)
    await visitor.come()
    await visitor.ask(TURN, world.chance.choice([kinds.GIFT_WRAP, kinds.EPHEMERAL_GIFT_WRAP]))
    await visitor.leave()


async def ask_and_come_back(world: World) -> None:
    """A key publishes a stored request, leaves at once, and reads the answer when it is back."""
    visitor = Visitor(world)
    visitor.secret = world.chance.choice(world.visitors).secret
    await visitor.come()
    rumor = visitor.rumor(TURN)
    accepted = await visitor.publish(rumor, visitor.wrap(rumor, kinds.GIFT_WRAP))
    await visitor.leave()
    await asyncio.sleep(world.chance.uniform(0, 5))
    await visitor.come()
    if accepted:
        world.done.add(f"{await visitor.wait_for(rumor.id)} after an absence")
    await visitor.leave()


async def ask_twice(world: World) -> None:
    """The same wrap is published twice: the second time it is known, and there is still one answer."""
    visitor = world.chance.choice(world.visitors)
    async with visitor.at_work:
        await visitor.come()
        rumor = visitor.rumor(TURN)
        wrap = visitor.wrap(rumor, kinds.GIFT_WRAP)
        if await visitor.publish(rumor, wrap):
            accepted, words = await visitor.connection.publish(wrap)
            if not accepted or not words.startswith("duplicate:"):
                raise Mishap(f"a repeated wrap was told {words!r}")
            world.done.add(await visitor.wait_for(rumor.id))


async def write_to_each_other(world: World) -> None:
    """A stranger's wrap reaches a connected visitor, stored or live."""
    visitor = world.chance.choice(world.visitors)
    async with visitor.at_work:
        await visitor.come()
        is_stored = world.chance.random() < 0.7
        sender = Visitor(world)
        rumor = make_rumor(
            sender.secret.public_key,
            created_at=CLOCK.now(),
            kind=14,
            tags=[("p", visitor.secret.public_key)],
            content="x" * world.chance.randrange(1, 2000),
        )
        wrap = wrap_rumor(
            rumor,
            sender.secret,
            visitor.secret.public_key,
            kind=kinds.GIFT_WRAP if is_stored else kinds.EPHEMERAL_GIFT_WRAP,
            clock=CLOCK,
            entropy=ENTROPY,
            expires_at=CLOCK.now() + world.chance.choice([SHORT_SECONDS, RETENTION_SECONDS]),
        )
        visitor.expect(wrap.id)
        connection = await Connection.open(world.url)
        accepted, words = await connection.publish(wrap)
        if accepted:
            if is_stored:
                world.kept["gift_wraps"].add(CLOCK.now())
            world.done.add(await visitor.wait_for(wrap.id))
            if is_stored and world.chance.random() < 0.3:
                await _delete(visitor.connection, visitor.secret, wrap)
        else:
            world.done.add(f"refused by the relay: {words.partition(':')[0]}")
        await connection.close()


async def count(world: World) -> None:
    """A visitor counts its own wraps, and is not told how many others have."""
    visitor, other = world.chance.sample(world.visitors, 2)
    async with visitor.at_work:
        await visitor.come()
        own = {"kinds": [1059], "#p": [visitor.secret.public_key]}
        if await visitor.connection.count("how many", own) is None:
            raise Mishap("own wraps were not counted")
        if await visitor.connection.count("theirs", {**own, "#p": [other.secret.public_key]}):
            raise Mishap("somebody else's wraps were counted")


async def publish_and_read(world: World) -> None:
    """A known author replaces an event, and somebody without a key reads it."""
    author = world.chance.choice(world.authors)
    event = sign_event(
        author,
        created_at=CLOCK.now(),
        kind=world.chance.choice([0, 10002, 10050]),
        tags=[("relay", world.url)],
        content=json.dumps({"name": "n" * 5000, "at": CLOCK.now_ms()}),
        aux=ENTROPY.draw(32),
    )
    read: list[str] = []
    connection = await Connection.open(world.url, lambda event: read.append(str(event["pubkey"])))
    accepted, words = await connection.publish(event)
    if not accepted:
        raise Mishap(f"a replaceable event was refused: {words}")
    await connection.request("profile", {"authors": [author.public_key], "kinds": [0, 10002, 10050]})
    if set(read) != {author.public_key}:
        raise Mishap("a replaceable event was not found")
    await connection.say(["CLOSE", "profile"])
    await connection.close()


async def publish_and_withdraw(world: World) -> None:
    """A new key publishes something, deletes it or vanishes as a whole, and nobody reads it any more."""
    author = draw_key(ENTROPY)
    read: list[str] = []
    connection = await Connection.open(world.url, lambda event: read.append(str(event["id"])))
    event = sign_event(author, created_at=CLOCK.now(), kind=0, tags=[], content="x" * 500, aux=ENTROPY.draw(32))
    await connection.publish(event)
    if world.chance.random() < 0.7:
        await _delete(connection, author, event)
    else:
        tags = [("relay", world.url)]
        vanish = sign_event(
            author, created_at=CLOCK.now(), kind=kinds.VANISH, tags=tags, content="", aux=ENTROPY.draw(32)
        )
        if not (await connection.publish(vanish))[0]:
            raise Mishap("a request to vanish was refused")
    await connection.request("gone", {"authors": [author.public_key], "kinds": [0]})
    if read or not (await connection.publish(event))[1]:
        raise Mishap("what was deleted is there, or may come back")
    await connection.close()


async def _delete(connection: Connection, owner: SecretKey, event: Event) -> None:
    tags = [("e", event.id), ("k", str(event.kind))]
    request = sign_event(
        owner, created_at=CLOCK.now(), kind=kinds.DELETION, tags=tags, content="", aux=ENTROPY.draw(32)
    )
    if not (await connection.publish(request))[0]:
        raise Mishap("a request to delete was refused")


async def _ask(world: World, method: str, kind: int) -> None:
    visitor = world.chance.choice(world.visitors)
    async with visitor.at_work:
        await visitor.come()
        await visitor.ask(method, kind)
        if world.chance.randrange(LEAVES_ONE_IN) == 0:
            if world.chance.random() < 0.5:
                await visitor.leave()
            else:
                visitor.vanish()
