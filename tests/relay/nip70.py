"""NIP-70: protected events."""

from __future__ import annotations

from tests.relay.checks import Level, NotApplicable, expect, rules
from tests.relay.scene import Scene

rule = rules("nip70.protected", "NIP-70")
TAG = "the tag"
PROTECTED = (("-",),)


@rule(Level.MUST, TAG)
async def event_is_refused_without_auth(scene: Scene) -> None:
    """An event with the tag ["-"] is refused on a connection that proved no key."""
    event = scene.event(scene.stored_kind(), tags=PROTECTED)
    client, reader = await scene.connect_unproved(), await scene.connect()
    verdict = await client.publish(event)
    expect(not verdict.accepted, "it was taken")
    expect(bool(verdict.prefix), f"it was refused without a prefix: {verdict.message!r}")
    expect((await reader.request({"ids": [event.id]})).events == [], "it is found")


@rule(Level.MUST, TAG)
async def event_is_refused_from_another_key(scene: Scene) -> None:
    """An event with the tag ["-"] is refused from somebody else than its author."""
    client = await scene.connect(scene.key())
    verdict = await client.publish(scene.event(scene.stored_kind(), tags=PROTECTED))
    expect(not verdict.accepted, "it was taken")
    expect(bool(verdict.prefix), f"it was refused without a prefix: {verdict.message!r}")


@rule(Level.MUST, TAG)
async def refused_event_is_not_delivered(scene: Scene) -> None:
    """A protected event that was refused reaches nobody."""
    author = scene.key()
    kind = scene.stored_kind()
    listener, client = await scene.connect(), await scene.connect_unproved()
    await listener.request({"authors": [author.public_key]}, name="all")
    marker = scene.event(kind, author)
    await client.publish(scene.event(kind, author, tags=PROTECTED, ago=10))
    await client.must_take(marker)
    expect(await listener.delivered("all", marker.id) == [], "it was delivered")


@rule(Level.MAY, TAG)
async def author_publishes_it_after_auth(scene: Scene) -> None:
    """A relay that takes protected events takes them from their authenticated author."""
    author = scene.key()
    client = await scene.connect(author)
    event = scene.event(scene.stored_kind(), author, tags=PROTECTED)
    verdict = await client.publish(event)
    if not verdict.accepted and not scene.target.claims(70):
        raise NotApplicable(f"the relay takes no protected events: {verdict.message!r}")
    expect(verdict.accepted, f"it was refused: {verdict.message!r}")
    expect((await client.request({"ids": [event.id]})).ids == [event.id], "it is not found")
