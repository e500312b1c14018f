"""NIP-65 and NIP-17: the lists by which others find somebody's relays are for everybody."""

from __future__ import annotations

from tests.relay.checks import Level, expect, rules
from tests.relay.scene import Scene

rule = rules("nip65.list", "NIP-65")
inbox = rules("nip17.inbox", "NIP-17")


async def _is_public(scene: Scene, kind: int) -> None:
    scene.need_kind(kind)
    event = scene.event(kind)
    publisher, reader = await scene.connect(), await scene.connect_unproved()
    await publisher.must_take(event)
    found = await reader.request({"kinds": [kind], "authors": [event.pubkey]})
    expect(found.ids == [event.id], f"it is not found, and the REQ ended with {found.end!r}")


@rule(Level.SHOULD, "when to use")
async def relay_list_is_readable_by_all(scene: Scene) -> None:
    """A list of relays (kind 10002) is found by everybody."""
    await _is_public(scene, 10002)


@inbox(Level.SHOULD, "publishing")
async def inbox_list_is_readable_by_all(scene: Scene) -> None:
    """A list of inbox relays (kind 10050) is found by everybody."""
    await _is_public(scene, 10050)
