"""NIP-01: regular, replaceable, addressable and ephemeral kinds."""

from __future__ import annotations

from collections.abc import Sequence

from nips.event import VerifiedEvent
from nips.keys import SecretKey
from tests.relay.checks import Level, NotApplicable, expect, rules
from tests.relay.connection import Client
from tests.relay.scene import REPLACEABLE_KINDS, Scene
from tests.relay.target import EPHEMERAL_KINDS
from tests.relay.work import Tags

rule = rules("nip01.kind", "NIP-01")
KINDS = "kinds"
ADDRESSABLE = 30078


def _replaceable(scene: Scene) -> list[int]:
    kinds = [kind for kind in REPLACEABLE_KINDS if kind in scene.target.kept]
    if not kinds:
        raise NotApplicable("the relay keeps no replaceable kind that was tried")
    return kinds


def _addressable(scene: Scene) -> int:
    if ADDRESSABLE not in scene.target.kept:
        raise NotApplicable(f"the relay keeps no addressable events (tried kind {ADDRESSABLE})")
    return ADDRESSABLE


async def _leaves(client: Client, author: SecretKey, kind: int, wanted: Sequence[VerifiedEvent], what: str) -> None:
    """Expect that of an author's events of a kind these are found, and no others."""
    answer = await client.request({"authors": [author.public_key], "kinds": [kind]})
    found = sorted(answer.ids)
    expect(found == sorted(event.id for event in wanted), f"kind {kind}: {what}; {len(found)} events were found")


def _of_one_second(scene: Scene, kind: int, author: SecretKey, tags: Tags = ()) -> list[VerifiedEvent]:
    """Return two versions of the same time, the lowest id first."""
    at = scene.now - 10
    return sorted((scene.event(kind, author, at=at, tags=tags) for _ in range(2)), key=lambda event: event.id)


@rule(Level.MUST, KINDS)
async def newer_replaces_older(scene: Scene) -> None:
    """Of a replaceable kind only the latest event of an author is kept."""
    client = await scene.connect()
    for kind in _replaceable(scene):
        author = scene.key()
        events = [scene.event(kind, author, ago=ago) for ago in (20, 10)]
        await client.must_take(*events)
        await _leaves(client, author, kind, events[1:], "the newer one did not take the older one's place")


@rule(Level.MUST, KINDS)
async def older_does_not_replace_newer(scene: Scene) -> None:
    """An older version that comes later changes nothing."""
    client = await scene.connect()
    for kind in _replaceable(scene):
        author = scene.key()
        newer, older = (scene.event(kind, author, ago=ago) for ago in (10, 20))
        await client.must_take(newer)
        await client.publish(older)
        await _leaves(client, author, kind, [newer], "the older one came instead of the newer one")


@rule(Level.SHOULD, KINDS)
async def lowest_id_wins_a_tie_when_it_comes_last(scene: Scene) -> None:
    """Of two versions of one second the one with the lowest id is kept, though it came later."""
    client = await scene.connect()
    for kind in _replaceable(scene):
        author = scene.key()
        low, high = _of_one_second(scene, kind, author)
        await client.must_take(high)
        await client.publish(low)
        await _leaves(client, author, kind, [low], "not the lowest id was kept")


@rule(Level.SHOULD, KINDS)
async def lowest_id_wins_a_tie_when_it_comes_first(scene: Scene) -> None:
    """Of two versions of one second the one with the lowest id is kept, though the other came later."""
    client = await scene.connect()
    for kind in _replaceable(scene):
        author = scene.key()
        low, high = _of_one_second(scene, kind, author)
        await client.must_take(low)
        await client.publish(high)
        await _leaves(client, author, kind, [low], "not the lowest id was kept")


@rule(Level.MUST, KINDS)
async def authors_and_kinds_are_apart(scene: Scene) -> None:
    """A version replaces those of its own author and kind only."""
    kinds = _replaceable(scene)
    authors = scene.key(), scene.key()
    client = await scene.connect()
    events = [(author, kind, scene.event(kind, author)) for author in authors for kind in kinds]
    await client.must_take(*(event for _, _, event in events))
    for author, kind, event in events:
        await _leaves(client, author, kind, [event], "another author's or kind's event took its place")


@rule(Level.MUST, KINDS)
async def d_tag_of_a_replaceable_event_means_nothing(scene: Scene) -> None:
    """Replaceable events are one for each author and kind, whatever their `d` tags."""
    client = await scene.connect()
    for kind in _replaceable(scene):
        author = scene.key()
        events = [scene.event(kind, author, ago=ago, tags=[("d", word)]) for ago, word in ((20, "a"), (10, "b"))]
        await client.must_take(*events)
        await _leaves(client, author, kind, events[1:], "two versions with different d tags were kept")


@rule(Level.MUST, KINDS)
async def replaceable_time_travels_no_further_than_its_author(scene: Scene) -> None:
    """A version is found in its own second, and its predecessor is not found in the window that holds both."""
    client = await scene.connect()
    for kind in _replaceable(scene):
        author = scene.key()
        older, newer = (scene.event(kind, author, ago=ago) for ago in (20, 10))
        await client.must_take(older, newer)
        wanted = {"authors": [author.public_key], "kinds": [kind], "since": older.created_at, "until": newer.created_at}
        expect((await client.request(wanted)).ids == [newer.id], "not the latest alone was found")
        expect((await client.request({**wanted, "limit": 5})).ids == [newer.id], "not the latest alone was found")


@rule(Level.MUST, KINDS)
async def regular_events_are_all_kept(scene: Scene) -> None:
    """Of a regular kind every event is kept, those of one second too."""
    if 1 not in scene.target.kept:
        raise NotApplicable("the relay keeps no regular kind that everybody may read (tried kind 1)")
    author, at = scene.key(), scene.now - 5
    events = [scene.event(1, author, at=at) for _ in range(3)]
    client = await scene.connect()
    await client.must_take(*events)
    await _leaves(client, author, 1, events, "not all were kept")


@rule(Level.MUST, KINDS)
async def newer_replaces_older_at_its_address(scene: Scene) -> None:
    """Of an addressable kind the latest event of each author and `d` tag is kept."""
    kind, author = _addressable(scene), scene.key()
    client = await scene.connect()
    kept = [scene.event(kind, author, tags=[("d", word)], ago=10) for word in ("a", "b")]
    await client.must_take(scene.event(kind, author, tags=[("d", "a")], ago=20), *kept)
    await client.publish(scene.event(kind, author, tags=[("d", "b")], ago=20))
    await _leaves(client, author, kind, kept, "not the latest of each d tag was kept")


@rule(Level.SHOULD, KINDS)
async def lowest_id_wins_a_tie_at_its_address(scene: Scene) -> None:
    """Of two addressable versions of one second the one with the lowest id is kept."""
    kind = _addressable(scene)
    client = await scene.connect()
    for order in (1, -1):
        author = scene.key()
        pair = _of_one_second(scene, kind, author, [("d", "x")])
        first, second = pair[::order]
        await client.must_take(first)
        await client.publish(second)
        await _leaves(client, author, kind, pair[:1], "not the lowest id was kept")


@rule(Level.MUST, KINDS)
async def only_the_first_d_tag_is_the_address(scene: Scene) -> None:
    """The address is the first value of the first `d` tag."""
    kind, author = _addressable(scene), scene.key()
    client = await scene.connect()
    older = scene.event(kind, author, tags=[("d", "one", "two"), ("d", "three")], ago=20)
    newer = scene.event(kind, author, tags=[("d", "one"), ("d", "four")], ago=10)
    await client.must_take(older, newer)
    await _leaves(client, author, kind, [newer], "a second d tag made another address")


@rule(Level.MUST, KINDS)
async def ephemeral_event_is_delivered(scene: Scene) -> None:
    """An ephemeral event reaches who listens, and is answered with OK like any other."""
    kind = scene.need_kind(*EPHEMERAL_KINDS)
    author = scene.key()
    client, publisher = await scene.connect(), await scene.connect()
    await client.request({"authors": [author.public_key], "kinds": [kind]}, name="live")
    event = scene.event(kind, author)
    await publisher.must_take(event)
    await client.delivered("live", event.id)


@rule(Level.SHOULD, KINDS)
async def ephemeral_event_is_not_stored(scene: Scene) -> None:
    """An ephemeral event is found by nobody who asks afterwards."""
    event = scene.event(scene.need_kind(*EPHEMERAL_KINDS))
    client = await scene.connect()
    await client.must_take(event)
    for wanted in ({"ids": [event.id]}, {"authors": [event.pubkey]}, {"kinds": [event.kind], "since": scene.now - 60}):
        expect(event.id not in (await client.request(wanted)).ids, f"{wanted} found it")


@rule(Level.MUST, KINDS)
async def ephemeral_events_do_not_replace_each_other(scene: Scene) -> None:
    """Ephemeral events are delivered one by one, those of one author and second too."""
    kind = scene.need_kind(*EPHEMERAL_KINDS)
    author, at = scene.key(), scene.now
    client, publisher = await scene.connect(), await scene.connect()
    await client.request({"authors": [author.public_key], "kinds": [kind]}, name="live")
    events = [scene.event(kind, author, at=at) for _ in range(4)]
    await publisher.must_take(*events)
    earlier = await client.delivered("live", events[-1].id)
    expect(list(earlier) == [event.id for event in events[:-1]], f"of four {len(earlier) + 1} came")
