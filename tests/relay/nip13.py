"""NIP-13: proof of work, for relays that ask for it."""

from __future__ import annotations

from nips.event import VerifiedEvent
from tests.relay.checks import Level, NotApplicable, expect, rules
from tests.relay.scene import Scene
from tests.relay.target import MOST_WORK
from tests.relay.work import leading_zero_bits, with_work

rule = rules("nip13.work", "NIP-13")
WORK = "mining"


def _need_work(scene: Scene) -> int:
    bits = scene.target.limit("min_pow_difficulty") or 0
    if bits < 1:
        raise NotApplicable("the relay's document asks for no proof of work (min_pow_difficulty)")
    if bits > MOST_WORK:
        raise NotApplicable(f"the relay asks for {bits} bits of work; more than {MOST_WORK} are not done")
    return bits


def _committed(scene: Scene, *, bits: int, target: int) -> VerifiedEvent:
    """Return an event whose id has so many zero bits, and which says that its author aimed at a target."""
    kind, author, now = scene.stored_kind(), scene.key(), scene.now
    tags = [("r", "wss://relay.example.org")]
    worked = with_work(author.public_key, now, kind, tags, "{}", bits=bits, target=target)
    return scene.event(kind, author, tags=worked, content="{}", at=now)


@rule(Level.MUST, WORK)
async def event_without_work_is_refused(scene: Scene) -> None:
    """An event below `min_pow_difficulty` is refused with `pow:`."""
    _need_work(scene)
    kind = scene.stored_kind()
    while leading_zero_bits((idle := scene.event(kind, tags=[("nonce", scene.text(), "0")])).id) > 0:
        pass
    client = await scene.connect()
    verdict = await client.publish(idle)
    expect(not verdict.accepted, "it was taken")
    expect(verdict.prefix == "pow", f"the message is {verdict.message!r}")


@rule(Level.MUST, WORK)
async def event_with_work_is_taken(scene: Scene) -> None:
    """An event whose id and commitment reach `min_pow_difficulty` is taken, and found."""
    bits = _need_work(scene)
    event = _committed(scene, bits=bits, target=bits)
    client = await scene.connect()
    await client.must_take(event)
    expect((await client.request({"ids": [event.id]})).ids == [event.id], "it is not found")


@rule(Level.SHOULD, WORK)
async def commitment_below_the_minimum_is_refused(scene: Scene) -> None:
    """An id that happens to reach the minimum is no proof when its author committed to less."""
    bits = _need_work(scene)
    client = await scene.connect()
    verdict = await client.publish(_committed(scene, bits=bits, target=bits - 1))
    expect(not verdict.accepted, "it was taken")
