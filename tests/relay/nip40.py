"""NIP-40: events that expire."""

from __future__ import annotations

from tests.relay.checks import Level, NotApplicable, expect, rules
from tests.relay.scene import Scene

rule = rules("nip40.expiration", "NIP-40")
RELAYS = "relay behavior"
LIFE = 2
"""Seconds that an event lives which is to be seen before and after its end."""


@rule(Level.SHOULD, RELAYS)
async def expired_event_is_not_taken(scene: Scene) -> None:
    """An event whose expiration is over when it comes is dropped: it is never found."""
    scene.need_nip(40)
    client = await scene.connect()
    for kind in scene.stored_kinds():
        event = scene.event(kind, tags=[("expiration", str(scene.now - 60))], ago=120)
        await client.publish(event)
        expect((await client.request({"ids": [event.id]})).events == [], f"an expired event of kind {kind} is found")


@rule(Level.SHOULD, RELAYS)
async def event_that_expires_later_is_served(scene: Scene) -> None:
    """Until its expiration an event is one like all others."""
    client = await scene.connect()
    for kind in scene.stored_kinds():
        event = scene.event(kind, tags=[("expiration", str(scene.now + 3600))])
        await client.must_take(event)
        expect((await client.request({"ids": [event.id]})).ids == [event.id], f"kind {kind} is not found")


@rule(Level.SHOULD, RELAYS)
async def event_is_not_served_after_its_expiration(scene: Scene) -> None:
    """An event that has expired is not sent any more, though it may still be stored."""
    scene.need_nip(40)
    client = await scene.connect()
    ends = scene.now + LIFE
    events = [scene.event(kind, tags=[("expiration", str(ends))]) for kind in scene.stored_kinds()]
    wanted = {"ids": [event.id for event in events]}
    await client.must_take(*events)
    seen = len((await client.request(wanted)).ids)
    if scene.now < ends:
        expect(seen == len(events), "an event was not found before its expiration")
    await scene.until(ends + 1)
    expect((await client.request(wanted)).events == [], "an event is found after its expiration")


@rule(Level.SHOULD, RELAYS)
async def wrap_is_not_served_after_its_expiration(scene: Scene) -> None:
    """A gift wrap with an expiration disappears like any other event (NIP-17)."""
    scene.need_nip(40)
    scene.need_wraps()
    alice = scene.key()
    ends = scene.now + LIFE
    wrap = scene.wrap(alice, tags=[("expiration", str(ends))])
    publisher, reader = await scene.connect(), await scene.connect_as_recipient(alice)
    await publisher.must_take(wrap)
    wanted = {"kinds": [1059], "#p": [alice.public_key]}
    seen = (await reader.request(wanted)).ids
    if scene.now < ends:
        expect(seen == [wrap.id], "the wrap was not found before its expiration")
    await scene.until(ends + 1)
    expect((await reader.request(wanted)).events == [], "the wrap is found after its expiration")


@rule(Level.SHOULD, RELAYS)
async def expired_event_is_not_counted(scene: Scene) -> None:
    """What is not sent is not counted either."""
    scene.need_nip(40)
    if not scene.target.counts:
        raise NotApplicable("the relay does not answer COUNT")
    client = await scene.connect()
    event = scene.event(scene.stored_kind(), tags=[("expiration", str(scene.now - 60))], ago=120)
    await client.publish(event)
    said = await client.count({"ids": [event.id]})
    expect(said[0] == "CLOSED" or said[2].get("count") == 0, f"the answer is {said!r}")
