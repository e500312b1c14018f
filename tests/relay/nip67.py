"""NIP-67: EOSE tells whether there is more."""

from __future__ import annotations

from nips.event import VerifiedEvent
from tests.relay.checks import Level, NotApplicable, expect, rules
from tests.relay.connection import Client
from tests.relay.scene import Scene

rule = rules("nip67.eose", "NIP-67")
SPECIFICATION = "specification"


async def _three(scene: Scene) -> tuple[Client, str, list[VerifiedEvent]]:
    """Return a connection, and three stored events that share a word, the newest first."""
    if not scene.target.hints:
        scene.need_nip(67)
    kind, word = scene.stored_kind(), scene.text()
    events = [scene.event(kind, tags=[("t", word)], ago=ago) for ago in (10, 20, 30)]
    client = await scene.connect()
    await client.must_take(*events)
    return client, word, events


@rule(Level.MUST, SPECIFICATION)
async def hints_are_strings_in_an_array(scene: Scene) -> None:
    """The third element of EOSE, where there is one, is an array of strings."""
    client, word, _ = await _three(scene)
    for wanted in ({"#t": [word]}, {"#t": [word], "limit": 1}, {"ids": ["0" * 64]}):
        end = (await client.request(wanted)).end
        hints = end[2] if len(end) > 2 else []
        is_right = isinstance(hints, list) and all(isinstance(hint, str) for hint in hints)
        expect(is_right, f"{wanted} ended with {end!r}")


@rule(Level.MUST, SPECIFICATION)
async def finish_means_that_nothing_is_left(scene: Scene) -> None:
    """`finish` is not said while matching events are left: where `limit` cut, and not on the pages before the last."""
    client, word, events = await _three(scene)
    for limit in (0, 1, 2):
        answer = await client.request({"#t": [word], "limit": limit})
        expect("finish" not in answer.hints, f"limit {limit} of 3 ended with {answer.end!r}")
    page = await client.request({"#t": [word], "limit": 1, "until": events[1].created_at})
    expect("finish" not in page.hints, f"the second page ended with {page.end!r}")


@rule(Level.MUST, SPECIFICATION)
async def more_means_that_something_is_left(scene: Scene) -> None:
    """`more` is not said when every matching event was sent."""
    client, word, _ = await _three(scene)
    for wanted in ({"#t": [word]}, {"#t": [word], "limit": 3}, {"#t": [word], "limit": 100}, {"ids": ["0" * 64]}):
        answer = await client.request(wanted)
        expect("more" not in answer.hints, f"{wanted} ended with {answer.end!r}")


@rule(Level.SHOULD, SPECIFICATION)
async def finish_is_said_when_all_was_sent(scene: Scene) -> None:
    """A relay that gives hints says `finish` when every matching event was sent."""
    client, word, _ = await _three(scene)
    nothing = {"ids": ["0" * 64], "kinds": [scene.stored_kind()]}
    for wanted in ({"#t": [word]}, {"#t": [word], "limit": 100}, nothing):
        answer = await client.request(wanted)
        expect("finish" in answer.hints, f"{wanted} ended with {answer.end!r}")


@rule(Level.OWN, SPECIFICATION)
async def hint_betrays_nothing(scene: Scene) -> None:
    """What a reader may not see makes no difference to the hint that he gets."""
    if not scene.target.hints:
        scene.need_nip(67)
    scene.need_wraps()
    author, alice = scene.key(), scene.key()
    visible = scene.event(scene.stored_kind(), author, ago=50, tags=[("p", alice.public_key)])
    publisher, reader = await scene.connect(), await scene.connect_unproved()
    await publisher.must_take(visible)
    wanted = {"#p": [alice.public_key], "limit": 1}
    before = await reader.request(wanted)
    await publisher.must_take(scene.wrap(alice, ago=60))
    after = await reader.request(wanted)
    if len(after.ids) != 1 or after.ids != before.ids:
        raise NotApplicable("the relay shows gift wraps to everybody")
    expect(before.end[2:] == after.end[2:], f"a hidden wrap changed {before.end!r} into {after.end!r}")


@rule(Level.OWN, SPECIFICATION)
async def finish_is_not_said_while_wraps_are_withheld(scene: Scene) -> None:
    """`finish` is not said to a reader whose filter could match wraps that only another key is shown."""
    if not scene.target.hints:
        scene.need_nip(67)
    scene.need_wraps()
    alice = scene.key()
    wrap = scene.wrap(alice)
    publisher, reader = await scene.connect(), await scene.connect_unproved()
    await publisher.must_take(wrap)
    for wanted in ({"#p": [alice.public_key]}, {"ids": [wrap.id]}, {"kinds": [0, 1059], "authors": [wrap.pubkey]}):
        answer = await reader.request(wanted)
        if answer.ids or answer.closed is not None:
            raise NotApplicable("the relay shows gift wraps to everybody, or refuses such a REQ as a whole")
        expect("finish" not in answer.hints, f"{wanted} ended with {answer.end!r}")
