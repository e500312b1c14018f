"""NIP-59 and NIP-17: gift wraps are for the key in their `p` tag, through whichever door they are asked for.

For kind 1059 that is advice of both NIPs; for the ephemeral kind 21059 it is a rule of our own, since who is called by
whom, and when, is worth as much as who is written to.
"""

from __future__ import annotations

from typing import Any

from nips.event import Event
from nips.keys import SecretKey
from tests.relay.checks import Check, Level, NotApplicable, expect, rules
from tests.relay.connection import Client
from tests.relay.scene import Scene
from tests.relay.target import EPHEMERAL_KINDS, STORED_KINDS

read = rules("nip59.read", "NIP-17 and NIP-59")
live = rules("nip59.live", "NIP-17 and NIP-59")
ephemeral = rules("nip59.ephemeral", "NIP-59")
wraps = rules("nip59.wrap", "NIP-59")
RELAYS = "relays"
LIVE_ONLY = "ephemeral gift wraps"
STORED, EPHEMERAL = 1059, 21059
TWO_DAYS = 2 * 86_400


def doors_to(wrap: Event, alice: SecretKey) -> dict[str, dict[str, Any]]:
    """Return the ways to ask for a wrap to a key."""
    to = [alice.public_key]
    second = {"since": wrap.created_at, "until": wrap.created_at + 1}
    return {
        "by_kind": {"kinds": [wrap.kind]},
        "among_other_kinds": {"kinds": [0, 1, wrap.kind, 10050]},
        "by_id": {"ids": [wrap.id]},
        "by_id_and_kind": {"ids": [wrap.id], "kinds": [wrap.kind]},
        "by_recipient": {"#p": to},
        "by_recipient_and_kind": {"#p": to, "kinds": [wrap.kind]},
        "by_author": {"authors": [wrap.pubkey]},
        "by_author_and_kind": {"authors": [wrap.pubkey], "kinds": [wrap.kind]},
        "without_kinds": second,
        "by_limit_alone": {"limit": 400},
        "by_everything": {"ids": [wrap.id], "authors": [wrap.pubkey], "kinds": [wrap.kind], "#p": to, **second},
    }


DOORS = tuple(doors_to(Event("", SecretKey(b"\1" * 32).public_key, 0, STORED, (), "", ""), SecretKey(b"\1" * 32)))


async def _strangers(scene: Scene) -> list[Client]:
    """Return a connection that has proved nothing, and one that has proved another key, where one can be proved."""
    strangers = [await scene.connect_unproved()]
    if not scene.target.no_auth:
        strangers.append(await scene.connect(scene.key()))
    return strangers


def _check_of(door: str) -> Check:
    async def script(scene: Scene) -> None:
        scene.need_wraps()
        alice = scene.key()
        wrap = scene.wrap(alice)
        publisher = await scene.connect()
        await publisher.must_take(wrap)
        wanted = doors_to(wrap, alice)[door]
        for number, stranger in enumerate(await _strangers(scene)):
            answer = await stranger.request(wanted)
            who = ("without AUTH", "with another key's AUTH")[number]
            expect(wrap.id not in answer.ids, f"{who} {wanted} found it")

    words = door.replace("_", " ")
    script.__name__ = f"{door}_needs_the_recipient"
    script.__doc__ = f"A stored wrap (1059) asked for {words} is shown to nobody but its recipient."
    return read(Level.SHOULD, RELAYS)(script)


THROUGH_DOORS = [_check_of(door) for door in DOORS]


@read(Level.SHOULD, RELAYS)
async def count_does_not_tell(scene: Scene) -> None:
    """COUNT does not tell others that a wrap exists, by whichever of its marks they ask."""
    scene.need_wraps()
    if not scene.target.counts:
        raise NotApplicable("the relay does not answer COUNT")
    alice = scene.key()
    wrap = scene.wrap(alice)
    publisher = await scene.connect()
    await publisher.must_take(wrap)
    doors = [name for name in DOORS if name.startswith(("by_id", "by_recipient", "by_author", "by_everything"))]
    for client in await _strangers(scene):
        for door in doors:
            said = await client.count(doors_to(wrap, alice)[door])
            tells = said[0] == "COUNT" and said[2].get("count") != 0
            expect(not tells, f"{doors_to(wrap, alice)[door]} counted it: {said!r}")


@read(Level.MUST, RELAYS)
async def recipient_finds_a_wrap(scene: Scene) -> None:
    """The recipient finds a stored wrap, by kind and by `p` tag, as it was published."""
    scene.need_wraps()
    alice = scene.key()
    wrap = scene.wrap(alice)
    publisher, reader = await scene.connect(), await scene.connect_as_recipient(alice)
    await publisher.must_take(wrap)
    answer = await reader.request({"kinds": [STORED], "#p": [alice.public_key]})
    expect(answer.ids == [wrap.id], f"{answer.ids} came, and it ended with {answer.end!r}")
    fields = {**wrap.to_dict(), "tags": [list(tag) for tag in wrap.tags]}
    expect({name: answer.events[0].get(name) for name in fields} == fields, "it came back changed")


@read(Level.OWN, RELAYS)
async def recipient_finds_a_wrap_through_every_door(scene: Scene) -> None:
    """What hides a wrap from others hides nothing from its recipient."""
    scene.need_wraps()
    alice = scene.key()
    wrap = scene.wrap(alice, at=scene.soon)
    publisher, reader = await scene.connect(), await scene.connect_as_recipient(alice)
    await publisher.must_take(wrap)
    for door, wanted in doors_to(wrap, alice).items():
        answer = await reader.request(wanted)
        expect(wrap.id in answer.ids, f"{door} found {len(answer.ids)} events without it, and ended {answer.end!r}")


@read(Level.SHOULD, RELAYS)
async def keys_of_one_connection_see_their_own(scene: Scene) -> None:
    """A connection that proved two keys is shown the wraps of both, and nobody else's."""
    scene.need_wraps()
    alice, bob, carol = scene.key(), scene.key(), scene.key()
    mine = [scene.wrap(key) for key in (alice, carol)]
    publisher = await scene.connect()
    await publisher.must_take(*mine, theirs := scene.wrap(bob))
    reader = await scene.connect(alice, carol)
    everybody = [key.public_key for key in (alice, bob, carol)]
    for wanted in ({"kinds": [STORED]}, {"kinds": [STORED], "#p": everybody}, {"#p": everybody}):
        found = (await reader.request(wanted)).ids
        expect(theirs.id not in found, f"{wanted} found another's wrap")
    both = (await reader.request({"kinds": [STORED], "#p": [alice.public_key, carol.public_key]})).ids
    expect(set(both) == {wrap.id for wrap in mine}, f"of the two keys' wraps {len(both)} were found")


@read(Level.SHOULD, RELAYS)
async def naming_oneself_beside_another_helps_nobody(scene: Scene) -> None:
    """A filter that names the reader's own key among others shows the reader's own wraps only."""
    scene.need_wraps()
    alice, eve = scene.key(), scene.key()
    wrap = scene.wrap(alice)
    publisher = await scene.connect()
    await publisher.must_take(wrap)
    reader = await scene.connect(eve)
    keys = [eve.public_key, alice.public_key]
    for filters in ([{"kinds": [STORED], "#p": keys}], [{"#p": keys}], [{"#p": keys[:1]}, {"#p": keys[1:]}]):
        found = (await reader.request(*filters)).ids
        expect(wrap.id not in found, f"{filters} found another's wrap")


@read(Level.SHOULD, RELAYS)
async def second_recipient_opens_no_door(scene: Scene) -> None:
    """A wrap with two `p` tags is refused, or shown to these two keys and to nobody else."""
    scene.need_wraps()
    alice, bob = scene.key(), scene.key()
    wrap = scene.wrap(alice, tags=[("p", bob.public_key)])
    publisher = await scene.connect()
    await publisher.publish(wrap)
    for client in await _strangers(scene):
        for key in (alice, bob):
            for door, wanted in doors_to(wrap, key).items():
                found = (await client.request(wanted)).ids
                expect(wrap.id not in found, f"{door} showed it to somebody who is neither")


@read(Level.SHOULD, RELAYS)
async def other_mentions_open_no_door(scene: Scene) -> None:
    """A key that a wrap mentions elsewhere than as the value of its `p` tag is not its recipient."""
    scene.need_wraps()
    alice, eve = scene.key(), scene.key()
    publisher = await scene.connect()
    reader = await scene.connect(eve)
    for tags in ([("P", eve.public_key)], [("x", eve.public_key)], [("alt", "p", eve.public_key)]):
        wrap = scene.wrap(alice, tags=tags)
        if not (await publisher.publish(wrap)).accepted:
            continue
        name = f"#{tags[0][0]}" if len(tags[0][0]) == 1 else "ids"
        for wanted in ({"ids": [wrap.id]}, {name: [eve.public_key]} if name != "ids" else {"kinds": [STORED]}):
            found = (await reader.request(wanted)).ids
            expect(wrap.id not in found, f"the tag {tags[0]} showed it through {wanted}")


@read(Level.OWN, RELAYS)
async def author_is_no_recipient(scene: Scene) -> None:
    """The one-time key that signed a wrap is no way to read it."""
    scene.need_wraps()
    alice, one_time = scene.key(), scene.key()
    wrap = scene.wrap(alice, author=one_time)
    publisher, reader = await scene.connect(), await scene.connect(one_time)
    await publisher.must_take(wrap)
    for door, wanted in doors_to(wrap, alice).items():
        expect(wrap.id not in (await reader.request(wanted)).ids, f"{door} showed it to its author")


async def _is_not_shown_live(scene: Scene, kind: int, listener: Client) -> None:
    """Open a subscription through every door to a wrap that does not exist yet; publish it; nothing may come."""
    alice, marking = scene.key(), scene.key()
    wrap = scene.wrap(alice, kind=kind)
    doors = doors_to(wrap, alice)
    del doors["by_limit_alone"], doors["without_kinds"]
    doors["without_kinds"] = {"since": wrap.created_at}
    for door, wanted in doors.items():
        await listener.request({**wanted, "limit": 0} if door == "without_kinds" else wanted, name=door)
    marker = scene.event(scene.need_kind(*STORED_KINDS, *EPHEMERAL_KINDS), marking)
    await listener.request({"authors": [marking.public_key], "kinds": [marker.kind]}, name="marker")
    publisher = await scene.connect()
    await publisher.publish(wrap)
    await publisher.must_take(marker)
    await listener.delivered("marker", marker.id)
    for door in doors:
        came = [event["id"] for event in listener.take_events(door)]
        expect(wrap.id not in came, f"{doors[door]} got it")


async def _live_to_nobody(scene: Scene, kind: int) -> None:
    scene.need_wraps(kind)
    await _is_not_shown_live(scene, kind, await scene.connect_unproved())


async def _live_to_a_stranger(scene: Scene, kind: int) -> None:
    scene.need_wraps(kind)
    await _is_not_shown_live(scene, kind, await scene.connect(scene.key()))


async def _live_to_the_recipient(scene: Scene, kind: int) -> None:
    scene.need_wraps(kind)
    alice = scene.key()
    wrap = scene.wrap(alice, kind=kind)
    publisher, reader = await scene.connect(), await scene.connect_as_recipient(alice)
    answer = await reader.request({"kinds": [kind], "#p": [alice.public_key]}, name="mine")
    expect(answer.closed is None, f"the recipient's REQ was refused: {answer.closed!r}")
    await publisher.must_take(wrap)
    await reader.delivered("mine", wrap.id)


@live(Level.SHOULD, RELAYS)
async def stored_kind_is_not_shown_without_auth(scene: Scene) -> None:
    """A new wrap of kind 1059 reaches no subscription of a connection that proved nothing."""
    await _live_to_nobody(scene, STORED)


@live(Level.SHOULD, RELAYS)
async def stored_kind_is_not_shown_to_another_key(scene: Scene) -> None:
    """A new wrap of kind 1059 reaches no subscription of a connection that proved another key."""
    await _live_to_a_stranger(scene, STORED)


@live(Level.MUST, RELAYS)
async def stored_kind_reaches_its_recipient(scene: Scene) -> None:
    """A new wrap of kind 1059 reaches its recipient's subscription."""
    await _live_to_the_recipient(scene, STORED)


@live(Level.OWN, RELAYS)
async def ephemeral_kind_is_not_shown_without_auth(scene: Scene) -> None:
    """A wrap of kind 21059 reaches no subscription of a connection that proved nothing."""
    await _live_to_nobody(scene, EPHEMERAL)


@live(Level.OWN, RELAYS)
async def ephemeral_kind_is_not_shown_to_another_key(scene: Scene) -> None:
    """A wrap of kind 21059 reaches no subscription of a connection that proved another key."""
    await _live_to_a_stranger(scene, EPHEMERAL)


@live(Level.MUST, RELAYS)
async def ephemeral_kind_reaches_its_recipient(scene: Scene) -> None:
    """A wrap of kind 21059 reaches its recipient's subscription."""
    await _live_to_the_recipient(scene, EPHEMERAL)


@live(Level.SHOULD, RELAYS)
async def keys_of_one_connection_get_their_own(scene: Scene) -> None:
    """A connection that proved two keys gets the new wraps of both, and nobody else's."""
    scene.need_wraps()
    alice, bob, carol = scene.key(), scene.key(), scene.key()
    reader, publisher = await scene.connect(alice, carol), await scene.connect()
    keys = [key.public_key for key in (alice, bob, carol)]
    await reader.request({"kinds": [STORED], "#p": keys}, name="all")
    first, theirs, last = (scene.wrap(key) for key in (alice, bob, carol))
    await publisher.must_take(first, theirs, last)
    earlier = await reader.delivered("all", last.id)
    expect(list(earlier) == [first.id], "another's wrap came, or one of its own did not")


@ephemeral(Level.MUST, LIVE_ONLY)
async def ephemeral_wrap_is_not_stored(scene: Scene) -> None:
    """A wrap of kind 21059 is found by nobody afterwards, its recipient included."""
    scene.need_wraps(EPHEMERAL)
    alice = scene.key()
    wrap = scene.wrap(alice, kind=EPHEMERAL)
    publisher, reader = await scene.connect(), await scene.connect_as_recipient(alice)
    await publisher.must_take(wrap)
    for door, wanted in doors_to(wrap, alice).items():
        expect(wrap.id not in (await reader.request(wanted)).ids, f"{door} found it")


@ephemeral(Level.SHOULD, LIVE_ONLY)
async def ephemeral_wrap_is_answered_with_ok(scene: Scene) -> None:
    """A wrap of kind 21059 is answered with OK true, whether or not somebody listens."""
    scene.need_wraps(EPHEMERAL)
    publisher = await scene.connect()
    await publisher.must_take(scene.wrap(scene.key(), kind=EPHEMERAL))


@wraps(Level.SHOULD, "timestamps")
async def back_dated_wrap_is_taken(scene: Scene) -> None:
    """Times of wraps lie up to two days in the past; such a wrap is taken and found."""
    scene.need_wraps()
    alice = scene.key()
    events = [scene.wrap(alice, ago=ago) for ago in (60, 86_400, TWO_DAYS - 60)]
    publisher, reader = await scene.connect(), await scene.connect_as_recipient(alice)
    await publisher.must_take(*events)
    answer = await reader.request({"kinds": [STORED], "#p": [alice.public_key]})
    expect(answer.ids == [event.id for event in events], f"of three {len(answer.ids)} were found, or in another order")


@wraps(Level.MUST, "kinds")
async def wraps_do_not_replace_each_other(scene: Scene) -> None:
    """Kind 1059 is regular: every wrap is kept, those of one author, recipient and second too."""
    scene.need_wraps()
    alice, author = scene.key(), scene.key()
    events = [scene.wrap(alice, author=author) for _ in range(3)]
    publisher, reader = await scene.connect(), await scene.connect_as_recipient(alice)
    await publisher.must_take(*events)
    found = (await reader.request({"kinds": [STORED], "#p": [alice.public_key]})).ids
    expect(sorted(found) == sorted(event.id for event in events), f"of three {len(found)} were found")


@wraps(Level.OWN, RELAYS)
async def wrap_without_a_recipient_is_shown_to_nobody(scene: Scene) -> None:
    """A wrap without a `p` tag, or with one that is no key, is refused, or shown to nobody."""
    scene.need_wraps()
    good = scene.wrap(scene.key())
    publisher, reader = await scene.connect(), await scene.connect_unproved()
    for tags in ((), (("p",),), (("p", "nobody"),), (("p", ""),)):
        wrap = scene.event(STORED, tags=tags, content=good.content)
        await publisher.publish(wrap)
        found = (await reader.request({"ids": [wrap.id]})).ids
        expect(found == [], f"a wrap with the tags {tags} was shown")
