"""NIP-45: counting."""

from __future__ import annotations

from nips.event import VerifiedEvent
from tests.relay.checks import Level, NotApplicable, expect, rules
from tests.relay.connection import Client, Filter, prefix_of
from tests.relay.scene import Scene

rule = rules("nip45.count", "NIP-45")
COUNTING = "filters and return values"


def _need_count(scene: Scene) -> None:
    # Whoever answers COUNT follows the NIP, whatever he says.
    if not scene.target.counts:
        scene.need_nip(45)


async def _counted(scene: Scene, amount: int = 3) -> tuple[Client, str, list[VerifiedEvent]]:
    """Return a connection, and events that share a word, all stored."""
    _need_count(scene)
    word = scene.text()
    events = [scene.event(kind, tags=[("t", word)]) for kind in scene.stored_kinds() for _ in range(amount)]
    client = await scene.connect()
    await client.must_take(*events)
    return client, word, events


async def _number(client: Client, *filters: Filter) -> int:
    said = await client.count(*filters)
    if said[0] == "CLOSED":
        raise NotApplicable(f"the relay refuses to count {filters!r}: {said[2]!r}")
    expect(isinstance(said[2], dict) and type(said[2].get("count")) is int, f"the answer is {said!r}")
    return int(said[2]["count"])


@rule(Level.MUST, COUNTING)
async def count_is_what_a_request_would_find(scene: Scene) -> None:
    """COUNT is answered with COUNT, the same id, and an object with the number of events that match."""
    client, word, events = await _counted(scene)
    expect(await _number(client, {"#t": [word]}) == len(events), "the count by tag is wrong")
    expect(await _number(client, {"ids": [event.id for event in events[:2]]}) == 2, "the count by ids is wrong")
    expect(await _number(client, {"authors": [events[0].pubkey]}) == 1, "the count by author is wrong")


@rule(Level.MUST, COUNTING)
async def nothing_counts_zero(scene: Scene) -> None:
    """The count of nothing is 0."""
    client, _, _ = await _counted(scene)
    expect(await _number(client, {"ids": [scene.text() * 2]}) == 0, "the count is not 0")


@rule(Level.MUST, COUNTING)
async def filters_are_ored_and_nothing_counts_twice(scene: Scene) -> None:
    """Several filters count the events that any of them matches, each once."""
    client, word, events = await _counted(scene)
    overlap = {"#t": [word]}, {"ids": [events[0].id]}, {"authors": [events[1].pubkey]}
    expect(await _number(client, *overlap) == len(events), "an event was counted twice, or not at all")
    apart = {"ids": [events[0].id]}, {"ids": [events[1].id]}
    expect(await _number(client, *apart) == 2, "two filters did not count as two")


@rule(Level.MUST, COUNTING)
async def count_follows_replacement(scene: Scene) -> None:
    """A replaceable event counts once, however many versions there were."""
    _need_count(scene)
    kind = next((kind for kind in scene.stored_kinds() if kind != 1), None)
    if kind is None:
        raise NotApplicable("the relay keeps no replaceable kind that was tried")
    author = scene.key()
    client = await scene.connect()
    await client.must_take(*(scene.event(kind, author, ago=ago) for ago in (30, 20, 10)))
    expect(await _number(client, {"authors": [author.public_key]}) == 1, "older versions were counted")


@rule(Level.MUST, COUNTING)
async def count_opens_no_subscription(scene: Scene) -> None:
    """COUNT asks once: no event is sent for it, stored or live."""
    client, word, _ = await _counted(scene)
    await client.say("COUNT", "counted", {"#t": [word]})
    await client.hear(lambda said: said[0] in ("COUNT", "CLOSED") and said[1] == "counted", "COUNT")
    await client.request({"#t": [word], "limit": 0}, name="live")
    event = scene.event(scene.stored_kind(), tags=[("t", word)])
    publisher = await scene.connect()
    await publisher.must_take(event)
    await client.delivered("live", event.id)
    sent = [said for said in await client.settle() if said[1] == "counted"]
    expect(sent == [], f"for COUNT came {sent!r}")


@rule(Level.MUST, COUNTING)
async def count_leaves_a_subscription_of_its_id(scene: Scene) -> None:
    """A COUNT with the id of an open subscription does not end it."""
    client, word, _ = await _counted(scene)
    await client.request({"#t": [word], "limit": 0}, name="both")
    client.take_events("both")
    await client.say("COUNT", "both", {"#t": [word]})
    await client.hear(lambda said: said[0] in ("COUNT", "CLOSED") and said[1] == "both", "COUNT")
    event = scene.event(scene.stored_kind(), tags=[("t", word)])
    publisher = await scene.connect()
    await publisher.must_take(event)
    await client.delivered("both", event.id)


@rule(Level.MUST, COUNTING)
async def refusal_is_closed_with_a_prefix(scene: Scene) -> None:
    """A COUNT that is refused is answered with CLOSED, its id, and a message that begins with a prefix."""
    _need_count(scene)
    client = await scene.connect()
    await client.say("COUNT", "wrong", {"kinds": ["one"]})
    said = await client.hear(lambda said: said[0] in ("COUNT", "CLOSED") and said[1] == "wrong", "COUNT or CLOSED")
    if said[0] == "COUNT":
        raise NotApplicable("the relay does not refuse the filter that was tried")
    expect(bool(prefix_of(str(said[2]))), f"no prefix: {said!r}")
