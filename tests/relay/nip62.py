"""NIP-62: requests to vanish."""

from __future__ import annotations

from nips.event import Event, VerifiedEvent
from nips.keys import SecretKey
from tests.relay.checks import Level, expect, rules
from tests.relay.connection import Client
from tests.relay.scene import Scene

rule = rules("nip62.vanish", "NIP-62")
SPECIFIC = "request to vanish from specific relays"
GLOBAL = "global request to vanish"
ELSEWHERE = "wss://elsewhere.example.org"


def _need_vanishing(scene: Scene) -> None:
    scene.need_nip(62, shown=62 not in scene.target.refused)


def _vanish(scene: Scene, author: SecretKey, relay: str | None = None, *, ago: int = 0) -> VerifiedEvent:
    return scene.event(62, author, tags=[("relay", relay or scene.target.url)], content="forget me", ago=ago)


async def _is_there(client: Client, event: Event) -> bool:
    return event.id in (await client.request({"ids": [event.id]})).ids


async def _vanishes(scene: Scene, relay: str | None) -> None:
    _need_vanishing(scene)
    author = scene.key()
    events = [scene.event(kind, author, ago=20) for kind in scene.stored_kinds()]
    client = await scene.connect()
    await client.must_take(*events, _vanish(scene, author, relay, ago=10))
    answer = await client.request({"authors": [author.public_key]}, {"ids": [event.id for event in events]})
    left = [event for event in answer.events if event.get("kind") != 62]
    expect(left == [], f"{len(left)} of {len(events)} events are still found")


@rule(Level.MUST, SPECIFIC)
async def everything_of_the_key_is_deleted(scene: Scene) -> None:
    """A request that names this relay deletes every event of its author up to its time."""
    await _vanishes(scene, None)


@rule(Level.MUST, GLOBAL)
async def all_relays_are_meant(scene: Scene) -> None:
    """A request to ALL_RELAYS is to this relay too."""
    await _vanishes(scene, "ALL_RELAYS")


@rule(Level.MUST, SPECIFIC)
async def request_to_another_relay_has_no_effect(scene: Scene) -> None:
    """A request that names another relay deletes nothing here."""
    _need_vanishing(scene)
    author = scene.key()
    event = scene.event(scene.stored_kind(), author, ago=20)
    client = await scene.connect()
    await client.must_take(event)
    await client.publish(_vanish(scene, author, ELSEWHERE))
    expect(await _is_there(client, event), "the event was deleted")


@rule(Level.MUST, SPECIFIC)
async def others_events_stay(scene: Scene) -> None:
    """A request is for its author alone."""
    _need_vanishing(scene)
    event = scene.event(scene.stored_kind(), ago=20)
    client = await scene.connect()
    await client.must_take(event)
    await client.publish(_vanish(scene, scene.key()))
    expect(await _is_there(client, event), "somebody else's event was deleted")


@rule(Level.MUST, SPECIFIC)
async def later_events_stay(scene: Scene) -> None:
    """A request reaches as far as its time: later events stay, and new ones are taken."""
    _need_vanishing(scene)
    author = scene.key()
    kind = scene.stored_kind()
    event = scene.event(kind, author, ago=10)
    client = await scene.connect()
    await client.must_take(event)
    await client.publish(_vanish(scene, author, ago=20))
    expect(await _is_there(client, event), "a later event was deleted")
    newest = scene.event(kind, author)
    await client.must_take(newest)
    expect(await _is_there(client, newest), "an event after the request is not found")


@rule(Level.MUST, SPECIFIC)
async def deleted_events_do_not_come_back(scene: Scene) -> None:
    """What the request deleted is not taken again, nor what is as old and never came."""
    _need_vanishing(scene)
    author = scene.key()
    kind = scene.stored_kind()
    event, unseen = scene.event(kind, author, ago=20), scene.event(kind, author, ago=15)
    client, other = await scene.connect(), await scene.connect()
    await client.must_take(event, _vanish(scene, author, ago=10))
    for again in (event, unseen):
        await other.publish(again)
        expect(not await _is_there(client, again), "an event from before the request is found")


@rule(Level.MUST, SPECIFIC)
async def deletion_requests_vanish_too(scene: Scene) -> None:
    """Requests for deletion (NIP-09) are events like others: they go too, and what they deleted stays away."""
    _need_vanishing(scene)
    scene.need_nip(9, shown=5 not in scene.target.refused)
    author = scene.key()
    event = scene.event(scene.stored_kind(), author, ago=30)
    deletion = scene.event(5, author, tags=[("e", event.id), ("k", str(event.kind))], ago=20)
    client = await scene.connect()
    await client.must_take(event, deletion, _vanish(scene, author, ago=10))
    expect(not await _is_there(client, deletion), "the request for deletion is still found")
    await client.publish(event)
    expect(not await _is_there(client, event), "the deleted event is found again")


@rule(Level.MUST, SPECIFIC)
async def request_cannot_be_taken_back(scene: Scene) -> None:
    """A request for deletion (NIP-09) of a request to vanish has no effect."""
    _need_vanishing(scene)
    scene.need_nip(9, shown=5 not in scene.target.refused)
    author = scene.key()
    event = scene.event(scene.stored_kind(), author, ago=20)
    vanish = _vanish(scene, author, ago=10)
    client = await scene.connect()
    await client.must_take(event, vanish)
    await client.publish(scene.event(5, author, tags=[("e", vanish.id), ("k", "62")]))
    await client.publish(event)
    expect(not await _is_there(client, event), "the event is found again")


@rule(Level.SHOULD, SPECIFIC)
async def wraps_to_the_key_are_deleted(scene: Scene) -> None:
    """Gift wraps whose `p` tag is the vanishing key are deleted too, and nobody else's."""
    _need_vanishing(scene)
    scene.need_wraps()
    alice, bob = scene.key(), scene.key()
    wrap, theirs = scene.wrap(alice, ago=20), scene.wrap(bob, ago=20)
    publisher, reader = await scene.connect(), await scene.connect_as_recipient(alice, bob)
    await publisher.must_take(wrap, theirs)
    expect(await scene.has_wrap(reader, alice, wrap), "the recipient does not find the wrap in the first place")
    await publisher.must_take(_vanish(scene, alice, ago=10))
    expect(not await scene.has_wrap(reader, alice, wrap), "the wrap is still found")
    expect(await scene.has_wrap(reader, bob, theirs), "another's wrap was deleted")
    await publisher.publish(wrap)
    expect(not await scene.has_wrap(reader, alice, wrap), "the wrap is found again")


@rule(Level.SHOULD, SPECIFIC)
async def request_without_a_relay_has_no_effect(scene: Scene) -> None:
    """A request must name a relay, or ALL_RELAYS in capitals; one that does neither deletes nothing."""
    _need_vanishing(scene)
    client = await scene.connect()
    for tags in ((), (("relay", "all_relays"),), (("relay",),)):
        author = scene.key()
        event = scene.event(scene.stored_kind(), author, ago=20)
        await client.must_take(event)
        await client.publish(scene.event(62, author, tags=tags, content="forget me"))
        expect(await _is_there(client, event), f"a request with the tags {tags} deleted the event")
