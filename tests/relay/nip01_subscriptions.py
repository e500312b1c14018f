"""NIP-01: subscriptions, their ids, and live events."""

from __future__ import annotations

import asyncio

from nips.strict_json import dump
from tests.relay.checks import Level, expect, rules
from tests.relay.scene import Scene, changed

rule = rules("nip01.sub", "NIP-01")
FROM_CLIENT = "from client to relay"
AT_THE_SEAM = 40
"""Events that are published while a subscription opens."""


@rule(Level.MUST, FROM_CLIENT)
async def id_of_64_characters_is_taken(scene: Scene) -> None:
    """A subscription id may have up to 64 characters."""
    client = await scene.connect()
    for name in ("x", "x" * 64, "é" * 64):
        answer = await client.request(scene.target.nothing, name=name)
        expect(answer.closed is None, f"an id of {len(name)} characters was refused: {answer.closed!r}")


@rule(Level.SHOULD, FROM_CLIENT)
async def id_that_is_empty_or_no_string_is_refused(scene: Scene) -> None:
    """A subscription id is a non-empty string."""
    client = await scene.connect()
    for name in ("", 7, None, ["a"]):
        await client.say("REQ", name, scene.target.nothing)
        served = [said for said in await client.settle() if said[0] == "EOSE"]
        expect(served == [], f"the id {name!r} was served: {served!r}")


@rule(Level.SHOULD, FROM_CLIENT)
async def id_that_is_too_long_is_refused(scene: Scene) -> None:
    """A subscription id has no more than 64 characters, or what the relay's document says."""
    longest = max(64, scene.target.limit("max_subid_length") or 0)
    client = await scene.connect()
    await client.say("REQ", "x" * (longest + 1), scene.target.nothing)
    served = [said for said in await client.settle() if said[0] == "EOSE"]
    expect(served == [], f"an id of {longest + 1} characters was served")


@rule(Level.MUST, FROM_CLIENT)
async def request_with_the_same_id_replaces(scene: Scene) -> None:
    """A REQ with the id of an open subscription takes its place."""
    kind = scene.stored_kind()
    before, after = scene.key(), scene.key()
    client, publisher = await scene.connect(), await scene.connect()
    await client.request({"authors": [before.public_key]}, name="same")
    await client.request({"authors": [after.public_key]}, name="same")
    marker = scene.event(kind, after)
    await publisher.must_take(scene.event(kind, before), marker)
    earlier = await client.delivered("same", marker.id)
    expect(earlier == [], "an event for the replaced filter came")


@rule(Level.MUST, FROM_CLIENT)
async def replacing_request_brings_its_stored_events(scene: Scene) -> None:
    """A REQ that replaces another is answered like any REQ: stored events, then EOSE."""
    event = scene.event(scene.stored_kind())
    client = await scene.connect()
    await client.must_take(event)
    for attempt in ("first", "second"):
        answer = await client.request({"ids": [event.id]}, name="same")
        expect(answer.ids == [event.id], f"the {attempt} REQ brought {answer.ids}")


@rule(Level.MUST, FROM_CLIENT)
async def ids_belong_to_their_connection(scene: Scene) -> None:
    """The same subscription id on two connections means two subscriptions: neither replaces or closes the other."""
    kind = scene.stored_kind()
    mine, theirs = scene.key(), scene.key()
    one, other, publisher = await scene.connect(), await scene.connect(), await scene.connect()
    await one.request({"authors": [mine.public_key]}, name="shared")
    await other.request({"authors": [theirs.public_key]}, name="shared")
    first = scene.event(kind, theirs)
    markers = scene.event(kind, mine), scene.event(kind, theirs, at=first.created_at + 1)
    await publisher.must_take(first, markers[0])
    expect(await one.delivered("shared", markers[0].id) == [], "an event came for the other connection's filter")
    await one.say("CLOSE", "shared")
    await one.settle()
    await publisher.must_take(markers[1])
    await other.delivered("shared", markers[1].id)


@rule(Level.MUST, FROM_CLIENT)
async def close_ends_delivery(scene: Scene) -> None:
    """After CLOSE nothing more comes for a subscription."""
    kind = scene.stored_kind()
    author = scene.key()
    client, publisher = await scene.connect(), await scene.connect()
    await client.request({"authors": [author.public_key]}, name="closed")
    await client.request({"authors": [author.public_key]}, name="open")
    await client.say("CLOSE", "closed")
    await client.settle()
    event = scene.event(kind, author)
    await publisher.must_take(event)
    await client.delivered("open", event.id)
    late = [said for said in await client.settle() if said[:2] == ["EVENT", "closed"]]
    expect(late == [], "an event came after CLOSE")


@rule(Level.MUST, FROM_CLIENT)
async def live_event_reaches_every_subscription_that_matches(scene: Scene) -> None:
    """A new event is sent to every open subscription that it matches, on whichever connection, the publisher's too."""
    kind = scene.stored_kind()
    author = scene.key()
    wanted = ({"authors": [author.public_key]}, {"authors": [author.public_key], "kinds": [kind]})
    publisher, other = await scene.connect(), await scene.connect()
    for client in (publisher, other):
        await client.request(wanted[0], name="one")
        await client.request(wanted[1], name="two")
    event = scene.event(kind, author)
    await publisher.must_take(event)
    for client in (publisher, other):
        await client.delivered("one", event.id)
        await client.delivered("two", event.id)


@rule(Level.MUST, FROM_CLIENT)
async def live_event_that_does_not_match_is_not_sent(scene: Scene) -> None:
    """A live event is held against every condition of the filter, as a stored one is."""
    kind = scene.stored_kind()
    author, word = scene.key(), scene.text()
    client, publisher = await scene.connect(), await scene.connect()
    wanted = {"authors": [author.public_key], "kinds": [kind], "#t": [word], "since": scene.now - 10}
    await client.request(wanted, name="all")
    tags = [("t", word)]
    marker = scene.event(kind, author, tags=tags)
    at = marker.created_at
    await publisher.must_take(
        scene.event(kind, tags=tags),
        scene.event(kind, author, tags=[("t", word.upper())], at=at - 4),
        scene.event(kind, author, tags=[("T", word)], at=at - 3),
        scene.event(kind, author, tags=[("x", "y", word)], at=at - 2),
        scene.event(kind, author, at=at - 1),
        marker,
    )
    expect(await client.delivered("all", marker.id) == [], "an event came that breaks a condition")


@rule(Level.MUST, FROM_CLIENT)
async def live_event_is_held_against_since_and_until(scene: Scene) -> None:
    """`since` and `until` hold for live events too."""
    kind = scene.stored_kind()
    author = scene.key()
    now = scene.now
    client, publisher = await scene.connect(), await scene.connect()
    wanted = {"authors": [author.public_key], "since": now - 100, "until": now - 50}
    await client.request(wanted, name="window")
    early, marker, late = (scene.event(kind, author, at=now - ago) for ago in (101, 75, 49))
    await client.request({"ids": [late.id]}, name="late")
    await publisher.must_take(early, marker, late)
    expect(await client.delivered("window", marker.id) == [], "an event from before `since` came")
    await client.delivered("late", late.id)
    expect(client.take_events("window") == [], "an event from after `until` came")


@rule(Level.MUST, FROM_CLIENT)
async def limit_is_ignored_once_stored_events_are_sent(scene: Scene) -> None:
    """`limit` is for the first answer only; every live event comes."""
    kind = scene.stored_kind()
    author = scene.key()
    client, publisher = await scene.connect(), await scene.connect()
    await client.request({"authors": [author.public_key], "limit": 1}, name="one")
    events = [scene.event(kind, author, ago=ago) for ago in (3, 2, 1)]
    await publisher.must_take(*events)
    earlier = await client.delivered("one", events[-1].id)
    expect(list(earlier) == [event.id for event in events[:-1]], f"of three live events only {len(earlier) + 1} came")


@rule(Level.SHOULD, FROM_CLIENT)
async def limit_zero_brings_live_events_only(scene: Scene) -> None:
    """With `limit` 0 no stored event comes, and every live one."""
    kind = scene.stored_kind()
    author = scene.key()
    client, publisher = await scene.connect(), await scene.connect()
    await publisher.must_take(scene.event(kind, author, ago=9))
    answer = await client.request({"authors": [author.public_key], "limit": 0}, name="none")
    expect(answer.closed is None, f"the REQ was refused: {answer.closed!r}")
    expect(answer.events == [], f"{len(answer.events)} stored events came")
    event = scene.event(kind, author)
    await publisher.must_take(event)
    await client.delivered("none", event.id)


@rule(Level.SHOULD, FROM_CLIENT)
async def live_event_comes_once_though_two_filters_match(scene: Scene) -> None:
    """Filters of one REQ are or-ed: a live event that two of them match comes once."""
    kind = scene.stored_kind()
    author = scene.key()
    client, publisher = await scene.connect(), await scene.connect()
    await client.request({"authors": [author.public_key]}, {"kinds": [kind], "authors": [author.public_key]}, name="or")
    event, marker = scene.event(kind, author, ago=1), scene.event(kind, author)
    await publisher.must_take(event, marker)
    earlier = await client.delivered("or", marker.id)
    expect(list(earlier) == [event.id], f"the event came {len(earlier)} times")


@rule(Level.MUST, "events and signatures")
async def refused_event_is_not_delivered(scene: Scene) -> None:
    """What was refused reaches nobody."""
    kind = scene.stored_kind()
    author = scene.key()
    client, publisher = await scene.connect(), await scene.connect()
    await client.request({"authors": [author.public_key]}, name="all")
    forged, marker = scene.event(kind, author, ago=1), scene.event(kind, author)
    verdict = await publisher.publish_text(dump(changed(forged, content="another")), forged.id)
    expect(not verdict.accepted, "an event with a false id was taken")
    await publisher.must_take(marker)
    expect(await client.delivered("all", marker.id) == [], "the refused event was delivered")
    stored = await client.request({"ids": [forged.id]})
    expect(stored.events == [], "the refused event was stored")


@rule(Level.SHOULD, FROM_CLIENT)
async def duplicate_is_not_delivered_again(scene: Scene) -> None:
    """An event that the relay has already is not a new one: it is not delivered again."""
    kind = scene.stored_kind()
    author = scene.key()
    client, publisher = await scene.connect(), await scene.connect()
    event, marker = scene.event(kind, author, ago=1), scene.event(kind, author)
    await publisher.must_take(event)
    await client.request({"authors": [author.public_key], "limit": 0}, name="live")
    client.take_events("live")
    await publisher.publish(event)
    await publisher.must_take(marker)
    expect(await client.delivered("live", marker.id) == [], "the duplicate was delivered")


@rule(Level.MUST, FROM_CLIENT)
async def nothing_is_lost_between_stored_and_live(scene: Scene) -> None:
    """A subscription that opens while events are published gets each of them, stored or live."""
    expected, got = await _through_the_seam(scene)
    missing = expected - set(got)
    expect(not missing, f"{len(missing)} of {len(expected)} events never came")


@rule(Level.SHOULD, FROM_CLIENT)
async def nothing_is_repeated_between_stored_and_live(scene: Scene) -> None:
    """A subscription that opens while events are published gets none of them twice."""
    _, got = await _through_the_seam(scene)
    expect(len(got) == len(set(got)), f"{len(got) - len(set(got))} of {len(got)} events came twice")


async def _through_the_seam(scene: Scene) -> tuple[set[str], list[str]]:
    """Return the ids published while subscriptions opened, and the ids that one of them got, in their order."""
    kind, word = scene.stored_kind(), scene.text()
    client, publisher = await scene.connect(), await scene.connect()
    tags = [("t", word)]
    events = [scene.event(kind, tags=tags) for _ in range(AT_THE_SEAM)]
    marker = scene.event(kind, tags=tags)
    halfway = asyncio.Event()

    async def publish() -> None:
        for number, event in enumerate(events):
            await publisher.must_take(event)
            if number == AT_THE_SEAM // 4:
                halfway.set()

    publishing = asyncio.create_task(publish())
    # Either some are stored already, or publishing has failed.
    waiting = asyncio.create_task(halfway.wait())
    try:
        await asyncio.wait({publishing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        answer = await client.request({"kinds": [kind], "#t": [word]}, name="seam")
        await publishing
    finally:
        waiting.cancel()
        publishing.cancel()
    await publisher.must_take(marker)
    live = await client.delivered("seam", marker.id)
    return {event.id for event in events}, [*answer.ids, *live]


@rule(Level.SHOULD, "communication between clients and relays")
async def client_that_breaks_off_disturbs_nobody(scene: Scene) -> None:
    """A connection that breaks off takes its own subscriptions with it and no others."""
    kind = scene.stored_kind()
    author = scene.key()
    client, publisher, rude = await scene.connect(), await scene.connect(), await scene.connect()
    for listener in (client, rude):
        await listener.request({"authors": [author.public_key]}, name="all")
    await rude.drop()
    event = scene.event(kind, author)
    await publisher.must_take(event)
    await client.delivered("all", event.id)


@rule(Level.MUST, "communication between clients and relays")
async def stored_event_is_there_on_another_connection(scene: Scene) -> None:
    """What one connection published, another finds, also after the first is gone."""
    event = scene.event(scene.stored_kind())
    publisher = await scene.connect()
    await publisher.must_take(event)
    await publisher.drop()
    reader = await scene.connect()
    expect((await reader.request({"ids": [event.id]})).ids == [event.id], "the event was not found")
