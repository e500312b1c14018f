"""NIP-09: requests for deletion."""

from __future__ import annotations

from nips.event import Event, VerifiedEvent
from nips.keys import SecretKey
from tests.relay.checks import Level, NotApplicable, expect, rules
from tests.relay.connection import Client
from tests.relay.scene import REPLACEABLE_KINDS, Scene

rule = rules("nip09.deletion", "NIP-09")
REQUESTS = "event deletion request"
BY_RECIPIENT = "deletion of gift wrap events by recipient"


def _need_deletion(scene: Scene) -> None:
    scene.need_nip(9, shown=5 not in scene.target.refused)


def _replaceable(scene: Scene) -> int:
    for kind in REPLACEABLE_KINDS:
        if kind in scene.target.kept:
            return kind
    raise NotApplicable("the relay keeps no replaceable kind that was tried")


def _deletion(scene: Scene, author: SecretKey, *events: Event, ago: int = 0) -> VerifiedEvent:
    tags = [("e", event.id) for event in events] + [("k", str(event.kind)) for event in events]
    return scene.event(5, author, tags=tags, content="not wanted any more", ago=ago)


def _deletion_at(
    scene: Scene, author: SecretKey, kind: int, of: SecretKey, *, ago: int = 0, d: str = ""
) -> VerifiedEvent:
    tags = [("a", f"{kind}:{of.public_key}:{d}"), ("k", str(kind))]
    # Without the `e` tag that a good deletion has by default.
    event = scene.event(5, author, tags=[("e", "0" * 64), *tags], content="", ago=ago)
    return event


async def _is_there(client: Client, event: Event) -> bool:
    return event.id in (await client.request({"ids": [event.id]})).ids


@rule(Level.SHOULD, REQUESTS)
async def own_event_is_deleted(scene: Scene) -> None:
    """What an author asks to delete by id is found no more."""
    _need_deletion(scene)
    client = await scene.connect()
    for kind in scene.stored_kinds():
        author = scene.key()
        event = scene.event(kind, author, ago=10)
        await client.must_take(event, _deletion(scene, author, event))
        expect(not await _is_there(client, event), f"the event of kind {kind} is still found by its id")
        answer = await client.request({"authors": [author.public_key], "kinds": [kind]})
        expect(answer.events == [], f"the event of kind {kind} is still found by its author")


@rule(Level.SHOULD, REQUESTS)
async def several_events_are_deleted_at_once(scene: Scene) -> None:
    """One request may name several events."""
    _need_deletion(scene)
    author = scene.key()
    kinds = scene.stored_kinds(2)[:2]
    events = [scene.event(kind, author, ago=10) for kind in kinds]
    client = await scene.connect()
    await client.must_take(*events, _deletion(scene, author, *events))
    answer = await client.request({"ids": [event.id for event in events]})
    expect(answer.events == [], f"{len(answer.events)} of two are still found")


@rule(Level.MUST, REQUESTS)
async def others_events_are_not_deleted(scene: Scene) -> None:
    """A request deletes nothing by another author."""
    _need_deletion(scene)
    client = await scene.connect()
    for kind in scene.stored_kinds():
        event = scene.event(kind, ago=10)
        await client.must_take(event)
        await client.publish(_deletion(scene, scene.key(), event))
        expect(await _is_there(client, event), f"somebody else deleted the event of kind {kind}")


@rule(Level.SHOULD, REQUESTS)
async def request_itself_is_kept(scene: Scene) -> None:
    """The request stays published, for those who have the event already."""
    _need_deletion(scene)
    author = scene.key()
    event = scene.event(scene.stored_kind(), author, ago=10)
    deletion = _deletion(scene, author, event)
    client, reader = await scene.connect(), await scene.connect()
    await client.must_take(event, deletion)
    expect(await _is_there(reader, deletion), "the request is not found by its id")
    answer = await reader.request({"kinds": [5], "#e": [event.id]})
    expect(deletion.id in answer.ids, "the request is not found by the event that it names")


@rule(Level.SHOULD, REQUESTS)
async def request_is_delivered_live(scene: Scene) -> None:
    """A request reaches who listens for it, like any event."""
    _need_deletion(scene)
    author = scene.key()
    event = scene.event(scene.stored_kind(), author, ago=10)
    deletion = _deletion(scene, author, event)
    client, publisher = await scene.connect(), await scene.connect()
    await publisher.must_take(event)
    await client.request({"kinds": [5], "authors": [author.public_key]}, name="deletions")
    await publisher.must_take(deletion)
    await client.delivered("deletions", deletion.id)


@rule(Level.SHOULD, REQUESTS)
async def deleted_event_does_not_come_back(scene: Scene) -> None:
    """What was deleted is not published again when somebody sends it again."""
    _need_deletion(scene)
    author = scene.key()
    event = scene.event(scene.stored_kind(), author, ago=10)
    client, other = await scene.connect(), await scene.connect()
    await client.must_take(event, _deletion(scene, author, event))
    await other.publish(event)
    expect(not await _is_there(client, event), "the event is found again")


@rule(Level.SHOULD, REQUESTS)
async def deletion_that_comes_first_holds(scene: Scene) -> None:
    """A request may arrive before the event that it names; the event is not published then."""
    _need_deletion(scene)
    author = scene.key()
    event = scene.event(scene.stored_kind(), author, ago=10)
    client = await scene.connect()
    await client.must_take(_deletion(scene, author, event))
    await client.publish(event)
    expect(not await _is_there(client, event), "the event is found")


@rule(Level.SHOULD, REQUESTS)
async def deletion_of_a_deletion_has_no_effect(scene: Scene) -> None:
    """A request against a request undoes nothing."""
    _need_deletion(scene)
    author = scene.key()
    event = scene.event(scene.stored_kind(), author, ago=10)
    deletion = _deletion(scene, author, event, ago=5)
    client = await scene.connect()
    await client.must_take(event, deletion)
    await client.publish(_deletion(scene, author, deletion))
    await client.publish(event)
    expect(not await _is_there(client, event), "the event is found again")
    expect(await _is_there(client, deletion), "the first request is gone")


@rule(Level.SHOULD, REQUESTS)
async def address_deletes_versions_up_to_the_request(scene: Scene) -> None:
    """An `a` tag deletes the versions of a replaceable event up to the request's time, and keeps them out."""
    _need_deletion(scene)
    kind, author = _replaceable(scene), scene.key()
    event = scene.event(kind, author, ago=20)
    client = await scene.connect()
    await client.must_take(event, _deletion_at(scene, author, kind, author, ago=10))
    expect(not await _is_there(client, event), "the version is still found")
    older = scene.event(kind, author, ago=15)
    await client.publish(older)
    expect(not await _is_there(client, older), "a version from before the request came back")


@rule(Level.MUST, REQUESTS)
async def address_leaves_newer_versions(scene: Scene) -> None:
    """An `a` tag says nothing about versions after the request."""
    _need_deletion(scene)
    kind, author = _replaceable(scene), scene.key()
    client = await scene.connect()
    event = scene.event(kind, author, ago=10)
    await client.must_take(event)
    await client.publish(_deletion_at(scene, author, kind, author, ago=20))
    expect(await _is_there(client, event), "a newer version was deleted")
    newest = scene.event(kind, author)
    await client.must_take(newest)
    expect(await _is_there(client, newest), "a version after the request is not found")


@rule(Level.MUST, REQUESTS)
async def address_of_others_has_no_effect(scene: Scene) -> None:
    """An `a` tag that names another author deletes nothing of his."""
    _need_deletion(scene)
    kind, author = _replaceable(scene), scene.key()
    event = scene.event(kind, author, ago=10)
    client = await scene.connect()
    await client.must_take(event)
    await client.publish(_deletion_at(scene, scene.key(), kind, author))
    expect(await _is_there(client, event), "somebody else deleted it")


@rule(Level.MUST, REQUESTS)
async def address_is_bound_to_its_d_tag(scene: Scene) -> None:
    """An `a` tag deletes one address, not the others of its author and kind."""
    _need_deletion(scene)
    if 30078 not in scene.target.kept:
        raise NotApplicable("the relay keeps no addressable events (tried kind 30078)")
    author = scene.key()
    one, other = (scene.event(30078, author, tags=[("d", word)], ago=10) for word in ("one", "other"))
    client = await scene.connect()
    await client.must_take(one, other)
    await client.publish(_deletion_at(scene, author, 30078, author, d="one"))
    expect(await _is_there(client, other), "another address was deleted")


def _need_wrap_deletion(scene: Scene) -> None:
    _need_deletion(scene)
    scene.need_wraps()


@rule(Level.SHOULD, BY_RECIPIENT)
async def recipient_deletes_a_wrap(scene: Scene) -> None:
    """The key in a gift wrap's `p` tag may delete it, and it does not come back."""
    _need_wrap_deletion(scene)
    alice = scene.key()
    wrap = scene.wrap(alice)
    publisher, reader = await scene.connect(), await scene.connect_as_recipient(alice)
    await publisher.must_take(wrap)
    expect(await scene.has_wrap(reader, alice, wrap), "the recipient does not find the wrap in the first place")
    await reader.must_take(_deletion(scene, alice, wrap))
    expect(not await scene.has_wrap(reader, alice, wrap), "the wrap is still found")
    await publisher.publish(wrap)
    expect(not await scene.has_wrap(reader, alice, wrap), "the wrap is found again")


@rule(Level.MUST, BY_RECIPIENT)
async def stranger_does_not_delete_a_wrap(scene: Scene) -> None:
    """A key that is neither the wrap's author nor its recipient deletes nothing."""
    _need_wrap_deletion(scene)
    alice, eve = scene.key(), scene.key()
    wrap = scene.wrap(alice)
    publisher, reader = await scene.connect(), await scene.connect_as_recipient(alice)
    await publisher.must_take(wrap)
    await publisher.publish(_deletion(scene, eve, wrap))
    expect(await scene.has_wrap(reader, alice, wrap), "somebody else deleted it")


@rule(Level.SHOULD, REQUESTS)
async def author_deletes_a_wrap(scene: Scene) -> None:
    """A wrap's one-time key is its author, and may delete it."""
    _need_wrap_deletion(scene)
    alice, one_time = scene.key(), scene.key()
    wrap = scene.wrap(alice, author=one_time)
    publisher, reader = await scene.connect(), await scene.connect_as_recipient(alice)
    await publisher.must_take(wrap, _deletion(scene, one_time, wrap))
    expect(not await scene.has_wrap(reader, alice, wrap), "the wrap is still found")
