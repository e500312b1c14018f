"""NIP-01: the forms of what a relay says, and what it bears."""

from __future__ import annotations

import asyncio

from nips.strict_json import dump
from tests.relay.checks import Level, NotApplicable, expect, rules
from tests.relay.connection import prefix_of
from tests.relay.scene import Scene, changed

rule = rules("nip01.frame", "NIP-01")
FROM_CLIENT = "from client to relay"
FROM_RELAY = "from relay to client"
STANDARD = {"duplicate", "pow", "blocked", "rate-limited", "invalid", "restricted", "mute", "error", "auth-required"}


@rule(Level.MUST, FROM_RELAY)
async def event_is_answered_with_ok(scene: Scene) -> None:
    """An EVENT is answered with OK: its id, true or false, and a string."""
    event = scene.event(scene.stored_kind())
    client = await scene.connect()
    await client.say("EVENT", event.to_dict())
    said = await client.hear(lambda said: said[0] == "OK", "OK")
    expect(said[1] == event.id, f"OK is for {said[1]!r}, not for the event sent")
    expect(said[2] is True, f"a good event was refused: {said!r}")
    expect(len(said) == 4 and isinstance(said[3], str), f"OK does not have four elements, the last a string: {said!r}")


@rule(Level.MUST, FROM_RELAY)
async def refusal_begins_with_a_prefix(scene: Scene) -> None:
    """The message of an OK that is false is a single word, a colon, and words for a human."""
    event = scene.event(scene.stored_kind())
    client = await scene.connect()
    verdict = await client.publish_text(dump(changed(event, sig="0" * 128)), event.id)
    expect(not verdict.accepted, "an event with a false signature was taken")
    expect(bool(verdict.prefix), f"no prefix: {verdict.message!r}")


@rule(Level.SHOULD, FROM_RELAY)
async def prefix_of_a_refusal_is_a_standard_one(scene: Scene) -> None:
    """The prefixes of OK are the standardised ones; a false signature makes an event `invalid`."""
    event = scene.event(scene.stored_kind())
    client = await scene.connect()
    verdict = await client.publish_text(dump(changed(event, sig="0" * 128)), event.id)
    expect(verdict.prefix == "invalid", f"the prefix is {verdict.prefix!r} in {verdict.message!r}")


@rule(Level.MUST, FROM_RELAY)
async def stored_events_end_with_eose(scene: Scene) -> None:
    """After the stored events comes EOSE with the subscription's id."""
    event = scene.event(scene.stored_kind())
    client = await scene.connect()
    await client.must_take(event)
    answer = await client.request({"ids": [event.id]})
    expect(answer.closed is None, f"the REQ was refused: {answer.closed!r}")
    expect(answer.ids == [event.id], f"the event did not come before EOSE, but {answer.ids}")


@rule(Level.MUST, FROM_RELAY)
async def request_without_matches_ends_with_eose(scene: Scene) -> None:
    """A REQ that nothing matches is answered with EOSE alone."""
    client = await scene.connect()
    answer = await client.request({"kinds": [1], "ids": [scene.text() * 2]})
    expect(answer.closed is None, f"the REQ was refused: {answer.closed!r}")
    expect(answer.events == [], "events came for an id that does not exist")


@rule(Level.MUST, FROM_RELAY)
async def eose_comes_once(scene: Scene) -> None:
    """Stored events end once: a subscription gets one EOSE, whatever comes afterwards."""
    kind = scene.stored_kind()
    author = scene.key()
    client, publisher = await scene.connect(), await scene.connect()
    await client.request({"authors": [author.public_key]}, name="once")
    event = scene.event(kind, author)
    await publisher.must_take(event)
    await client.delivered("once", event.id)
    again = [said for said in await client.settle() if said[0] == "EOSE"]
    expect(again == [], f"EOSE came again: {again!r}")


@rule(Level.MUST, FROM_RELAY)
async def refused_request_is_closed_with_a_prefix(scene: Scene) -> None:
    """A REQ that is refused is answered with CLOSED, its id, and a message that begins with a prefix."""
    client = await scene.connect()
    for wanted in ({"kinds": ["one"]}, {"ids": ["not hex"]}, {"since": "yesterday"}, {"limit": -1}):
        await client.say("REQ", "wrong", wanted)
        end = await client.hear(
            lambda said: said[0] in ("CLOSED", "EOSE", "NOTICE") and (said[0] == "NOTICE" or said[1] == "wrong"),
            "CLOSED or EOSE",
        )
        client.take_events("wrong")
        if end[0] == "EOSE":
            continue
        expect(end[0] == "CLOSED", f"only a NOTICE came for the filter {wanted}: {end!r}")
        expect(bool(prefix_of(str(end[2]))), f"no prefix: {end!r}")
        return
    raise NotApplicable("the relay refuses none of the filters that were tried")


@rule(Level.MUST, FROM_CLIENT)
async def subscription_id_comes_back_as_it_was(scene: Scene) -> None:
    """A subscription id is an arbitrary string: quotes, backslashes, line ends and emoji come back as they were."""
    client = await scene.connect()
    for name in ('a "quoted" id', "back\\slash", "new\nline", "tab\there", "😀 Ünï", "\x01"):
        answer = await client.request(scene.target.nothing, name=name)
        expect(answer.closed is None, f"the id {name!r} was refused: {answer.closed!r}")


@rule(Level.MUST, FROM_CLIENT)
async def white_space_between_tokens_is_allowed(scene: Scene) -> None:
    """Messages are JSON, so white space around their tokens means nothing."""
    client = await scene.connect()
    await client.say_text(' [ "REQ" ,\n\t"spaced" , { "kinds" : [ 1 ] , "ids" : [ "' + "0" * 64 + '" ] } ]\r\n')
    expect((await client.answer_to("spaced")).closed is None, "the REQ was refused")


@rule(Level.MUST, FROM_CLIENT)
async def escapes_in_a_request_are_read(scene: Scene) -> None:
    """A string is the same whether its characters are written as they are or as escapes."""
    event = scene.event(scene.stored_kind())
    client = await scene.connect()
    await client.must_take(event)
    escaped = "".join(f"\\u{ord(character):04x}" for character in event.id)
    await client.say_text(f'["\\u0052EQ","escaped",{{"\\u0069ds":["{escaped}"]}}]')
    expect((await client.answer_to("escaped")).ids == [event.id], "the event was not found")


async def _are_survived(scene: Scene, *frames: str | bytes) -> None:
    """Send each on a connection of its own: a relay may slow down who brings such things."""
    results = await asyncio.gather(*(_is_survived(scene, frame) for frame in frames), return_exceptions=True)
    for result in results:
        if result is not None:
            raise result


async def _is_survived(scene: Scene, frame: str | bytes) -> None:
    client = await scene.connect()
    await client.say_text(frame)
    answer = await client.request(scene.target.nothing)
    expect(answer.closed is None, f"a good REQ after {frame!r:.80} was refused: {answer.closed!r}")


@rule(Level.SHOULD, FROM_CLIENT)
async def broken_json_is_survived(scene: Scene) -> None:
    """A frame that is not JSON does not end the conversation."""
    await _are_survived(scene, '["REQ","a",', "hello", "", '["REQ","a",{"kinds":[1}]', "[NaN")


@rule(Level.SHOULD, FROM_CLIENT)
async def json_that_is_no_message_is_survived(scene: Scene) -> None:
    """JSON other than an array that begins with a verb does not end the conversation."""
    await _are_survived(scene, "{}", "1", "null", '"REQ"', "[]", "[1,2]", '[["REQ"]]')


@rule(Level.SHOULD, FROM_CLIENT)
async def unknown_verb_is_survived(scene: Scene) -> None:
    """A verb that the relay does not know does not end the conversation."""
    await _are_survived(scene, '["HELLO","a"]', '["OK","a",true,""]', '["event",{}]')


@rule(Level.SHOULD, FROM_CLIENT)
async def message_with_the_wrong_parts_is_survived(scene: Scene) -> None:
    """A verb with missing parts, or parts of the wrong type, does not end the conversation."""
    frames = ('["EVENT"]', '["EVENT",5]', '["EVENT",null]', '["EVENT",{}]', '["REQ"]', '["CLOSE"]', '["CLOSE",7]')
    await _are_survived(scene, *frames)


@rule(Level.MUST, FROM_CLIENT)
async def close_of_an_unknown_subscription_is_survived(scene: Scene) -> None:
    """A CLOSE for what is not open does no harm."""
    await _are_survived(scene, '["CLOSE","never opened"]')


@rule(Level.OWN, FROM_CLIENT)
async def deep_nesting_is_survived(scene: Scene) -> None:
    """A frame of thousands of nested arrays or objects does not end the conversation."""
    await _are_survived(scene, "[" * 5000, '{"a":' * 5000, '["REQ","deep",' + "[" * 3000 + "]" * 3001)


@rule(Level.OWN, FROM_CLIENT)
async def binary_frame_is_survived(scene: Scene) -> None:
    """A binary frame does not end the conversation."""
    await _are_survived(scene, b"\x00\x01\x02\xff")


@rule(Level.OWN, FROM_CLIENT)
async def huge_numbers_are_survived(scene: Scene) -> None:
    """Numbers longer than any machine's do not end the conversation."""
    digits = "9" * 5000
    await _are_survived(scene, f'["REQ",{digits}]', f'["REQ","n",{{"limit":{digits}}}]', "[1e999999]")
