"""NIP-01: which events are taken, and that they come back as they were."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from nips.event import Event, event_id
from nips.keys import SecretKey
from nips.strict_json import dump
from tests.relay.checks import Level, expect, rules
from tests.relay.scene import Scene, changed

rule = rules("nip01.event", "NIP-01")
FORM = "events and signatures"
OUTSIDE_THE_CURVE = "eefdea4cdb677750a420fee807eacf21eb9898ae79b9768766e4faa04a2d4a34"
"""No point of secp256k1 has this x (BIP-340, test vector 5)."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Something that must not be taken, as it is sent, and the id under which it might be found."""

    what: str
    text: str
    identity: str


async def _are_refused(scene: Scene, *attempts: _Attempt) -> None:
    """Publish what must not be taken, each on a connection of its own: a relay may slow down who brings such things."""
    results = await asyncio.gather(*(_is_refused(scene, attempt) for attempt in attempts), return_exceptions=True)
    for result in results:
        if result is not None:
            raise result


async def _is_refused(scene: Scene, attempt: _Attempt) -> None:
    """It is enough that nothing says it was taken, and that it is not found."""
    client = await scene.connect()
    await client.say_text(f'["EVENT",{attempt.text}]')
    taken = [said for said in await client.settle() if said[0] == "OK" and said[2] is not False]
    expect(taken == [], f"{attempt.what} was taken: {taken!r}")
    if re.fullmatch("[0-9a-f]{64}", attempt.identity):
        found = await client.request({"ids": [attempt.identity]})
        expect(found.events == [], f"{attempt.what} was stored")


def _signed(author: SecretKey, fields: dict[str, object]) -> tuple[str, str]:
    """Return the text and the id of an event whose fields are of any type, hashed and signed as they are written."""
    canonical = dump([0, *(fields[name] for name in ("pubkey", "created_at", "kind", "tags", "content"))])
    digest = hashlib.sha256(canonical.encode()).digest()
    event = {**fields, "id": digest.hex(), "sig": author.sign(digest, bytes(32)).hex()}
    return dump(event), digest.hex()


async def _misfits_are_refused(scene: Scene, field: str, *values: object) -> None:
    """Publish events that are right in everything but one field, hash and signature included."""
    kind = scene.stored_kind()
    attempts = []
    for value in values:
        author = scene.key()
        text, identity = _signed(author, {**scene.event(kind, author).to_dict(), field: value})
        attempts.append(_Attempt(f"an event with {field} {value!r}", text, identity))
    await _are_refused(scene, *attempts)


def _altered(event: Event, what: str, **changes: object) -> _Attempt:
    return _Attempt(f"an event with {what}", dump(changed(event, **changes)), event.id)


@rule(Level.MUST, FORM)
async def event_comes_back_as_it_was(scene: Scene) -> None:
    """An event that was taken is found with all seven fields unchanged."""
    client = await scene.connect()
    for kind in scene.stored_kinds():
        event = scene.event(kind, tags=[("t", "x", "", "more"), ("alt", 'é "quoted"'), ("single",)])
        await client.must_take(event)
        found = await client.request({"ids": [event.id]})
        expect(len(found.events) == 1, f"{len(found.events)} events came")
        sent = json.loads(event.to_json())
        expect({name: found.events[0].get(name) for name in sent} == sent, f"it came as {found.events[0]!r}")


@rule(Level.MUST, FORM)
async def wrong_id_is_refused(scene: Scene) -> None:
    """The id is the hash of the event; an event with another one is refused."""
    event = scene.event(scene.stored_kind())
    false = f"{int(event.id, 16) ^ 1:064x}"
    await _are_refused(scene, _Attempt("an event with a false id", dump(changed(event, id=false)), false))


@rule(Level.MUST, FORM)
async def changed_content_is_refused(scene: Scene) -> None:
    """An event that was changed after signing is refused."""
    event = scene.event(scene.stored_kind())
    await _are_refused(scene, _altered(event, "other content than was signed", content="other"))


@rule(Level.MUST, FORM)
async def wrong_signature_is_refused(scene: Scene) -> None:
    """The signature is the author's over the id; an event with another one is refused."""
    kind = scene.stored_kind()
    event = scene.event(kind)
    await _are_refused(
        scene,
        _altered(event, "a flipped bit in the signature", sig=f"{int(event.sig, 16) ^ 1:0128x}"),
        _altered(event, "somebody else's signature", sig=scene.key().sign(bytes.fromhex(event.id), bytes(32)).hex()),
        _altered(event, "another event's signature", sig=scene.event(kind).sig),
        _altered(event, "a signature of zeros", sig="0" * 128),
    )


@rule(Level.MUST, FORM)
async def key_that_is_no_point_is_refused(scene: Scene) -> None:
    """A public key is the x of a point of the curve; an event by another key is refused."""
    event = scene.event(scene.stored_kind())
    identity = event_id(OUTSIDE_THE_CURVE, event.created_at, event.kind, event.tags, event.content)
    text = dump(changed(event, pubkey=OUTSIDE_THE_CURVE, id=identity))
    await _are_refused(scene, _Attempt("an event by a key outside the curve", text, identity))


@rule(Level.MUST, FORM)
async def upper_case_hex_is_refused(scene: Scene) -> None:
    """id, pubkey and sig are lower-case hex."""
    kind, author = scene.stored_kind(), scene.key()
    one, other = scene.event(kind), scene.event(kind)
    good = scene.event(kind, author).to_dict()
    await _are_refused(
        scene,
        _altered(one, "upper-case id", id=one.id.upper()),
        _altered(other, "upper-case sig", sig=other.sig.upper()),
        _Attempt("an event with upper-case pubkey", *_signed(author, {**good, "pubkey": author.public_key.upper()})),
    )


@rule(Level.MUST, FORM)
async def hex_of_another_length_is_refused(scene: Scene) -> None:
    """id and pubkey are 64 digits, sig is 128."""
    kind = scene.stored_kind()
    attempts = []
    for field, spoil in _OTHER_LENGTHS:
        event = scene.event(kind)
        value = spoil(str(event.to_dict()[field]))
        attempts.append(_altered(event, f"{field} of {len(value)} digits", **{field: value}))
    await _are_refused(scene, *attempts)


_OTHER_LENGTHS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("id", lambda digits: digits[:-2]),
    ("id", lambda digits: digits + "00"),
    ("id", lambda _: ""),
    ("pubkey", lambda digits: digits[:-2]),
    ("pubkey", lambda digits: "02" + digits),
    ("sig", lambda digits: digits[:-2]),
    ("sig", lambda digits: digits + "00"),
    ("sig", lambda _: ""),
)


@rule(Level.MUST, FORM)
async def missing_field_is_refused(scene: Scene) -> None:
    """An event has seven fields; one without any of them is refused."""
    kind = scene.stored_kind()
    fields = ("id", "pubkey", "created_at", "kind", "tags", "content", "sig")
    await _are_refused(scene, *(_altered(scene.event(kind), f"no {field}", **{field: ...}) for field in fields))


@rule(Level.MUST, FORM)
async def kind_out_of_range_is_refused(scene: Scene) -> None:
    """A kind is an integer between 0 and 65535."""
    await _misfits_are_refused(scene, "kind", -1, 65_536, 2**32 + 1)


@rule(Level.MUST, FORM)
async def kind_of_another_type_is_refused(scene: Scene) -> None:
    """A kind is a number: no string, no null, no boolean."""
    await _misfits_are_refused(scene, "kind", "1", None, True, [1])


@rule(Level.MUST, FORM)
async def time_of_another_type_is_refused(scene: Scene) -> None:
    """`created_at` is a number: no string, no null, no boolean."""
    await _misfits_are_refused(scene, "created_at", str(scene.now), None, True)


@rule(Level.SHOULD, FORM)
async def fraction_for_an_integer_is_refused(scene: Scene) -> None:
    """`kind` and `created_at` are integers: a fraction, or an integer written as one, hashes to another id."""
    kind = scene.stored_kind()
    await _misfits_are_refused(scene, "kind", float(kind), kind + 0.5)
    await _misfits_are_refused(scene, "created_at", float(scene.now), scene.now - 0.5)


@rule(Level.SHOULD, FORM)
async def negative_time_is_refused(scene: Scene) -> None:
    """`created_at` counts seconds since 1970."""
    await _misfits_are_refused(scene, "created_at", -1)


@rule(Level.MUST, FORM)
async def content_of_another_type_is_refused(scene: Scene) -> None:
    """The content is a string."""
    await _misfits_are_refused(scene, "content", None, 5, {}, ["x"])


@rule(Level.MUST, "tags")
async def tags_of_another_form_are_refused(scene: Scene) -> None:
    """Tags are an array of arrays of strings, none of them null."""
    wrong: tuple[object, ...] = (None, {}, "t", ["t"], [["t", None]], [["t", 5]], [["t", ["x"]]], [{"t": "x"}])
    await _misfits_are_refused(scene, "tags", *wrong)


@rule(Level.SHOULD, "tags")
async def empty_tag_is_refused(scene: Scene) -> None:
    """A tag is an array of one or more strings."""
    await _misfits_are_refused(scene, "tags", [[]], [["t", "x"], []])


@rule(Level.MUST, "tags")
async def unusual_tags_are_taken(scene: Scene) -> None:
    """A tag may have one string or many, empty ones and long names; the same tag may come twice."""
    tags = [("t",), ("t", ""), ("a-long-name", "x"), ("t", "x"), ("t", "x"), ("", ""), ("é", "😀"), ("x", *"abcdefgh")]
    client = await scene.connect()
    event = scene.event(scene.stored_kind(), tags=tags)
    await client.must_take(event)
    found = await client.request({"ids": [event.id]})
    expect([item.get("tags") for item in found.events] == [[list(tag) for tag in event.tags]], "other tags came back")


@rule(Level.MUST, FORM)
async def order_of_fields_means_nothing(scene: Scene) -> None:
    """An event is an object: its fields may come in any order."""
    event = scene.event(scene.stored_kind())
    fields = event.to_dict()
    client = await scene.connect()
    verdict = await client.publish_text(dump({name: fields[name] for name in sorted(fields)}), event.id)
    expect(verdict.accepted, f"it was refused: {verdict.message!r}")


@rule(Level.MAY, FORM)
async def unknown_field_is_overlooked(scene: Scene) -> None:
    """A field outside the seven is outside the id too: it is no reason to refuse."""
    event = scene.event(scene.stored_kind())
    client = await scene.connect()
    verdict = await client.publish_text(dump(changed(event, seen_on=["wss://relay.example.org"])), event.id)
    expect(verdict.accepted, f"it was refused: {verdict.message!r}")


@rule(Level.MUST, "from relay to client")
async def duplicate_is_ok_true(scene: Scene) -> None:
    """An event that the relay has already is answered with OK true."""
    event = scene.event(scene.stored_kind())
    client, other = await scene.connect(), await scene.connect()
    await client.must_take(event)
    for again in (client, other):
        verdict = await again.publish(event)
        expect(verdict.accepted, f"the duplicate was refused: {verdict.message!r}")


@rule(Level.SHOULD, "from relay to client")
async def duplicate_is_named_so(scene: Scene) -> None:
    """The OK for an event that the relay has already begins with `duplicate:`."""
    event = scene.event(scene.stored_kind())
    client = await scene.connect()
    await client.must_take(event)
    verdict = await client.publish(event)
    expect(verdict.prefix == "duplicate", f"the message is {verdict.message!r}")


@rule(Level.MUST, FORM)
async def duplicate_is_stored_once(scene: Scene) -> None:
    """An event that came twice is found once."""
    event = scene.event(scene.stored_kind())
    client, other = await scene.connect(), await scene.connect()
    await client.must_take(event)
    await other.publish(event)
    found = await client.request({"ids": [event.id]})
    expect(found.ids == [event.id], f"it came {len(found.ids)} times")


@rule(Level.MUST, FORM)
async def same_content_by_two_authors_is_two_events(scene: Scene) -> None:
    """Events that differ in their author alone are different events."""
    kind, at, word = scene.stored_kind(), scene.now, scene.text()
    client = await scene.connect()
    events = [scene.event(kind, tags=[("t", word)], content="{}", at=at) for _ in range(2)]
    await client.must_take(*events)
    found = await client.request({"ids": [event.id for event in events]})
    expect(set(found.ids) == {event.id for event in events}, f"{len(found.ids)} of two came")
