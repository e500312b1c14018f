"""NIP-01: strings, byte for byte. The id is a hash of JSON text, so relay and author must write the same text."""

from __future__ import annotations

import json

from nips.event import event_id
from tests.relay.checks import Level, expect, rules
from tests.relay.connection import Client
from tests.relay.scene import Scene

rule = rules("nip01.json", "NIP-01")
FORM = "events and signatures"


async def _is_kept(scene: Scene, *texts: str, ascii_only: bool = False) -> None:
    """Publish texts as content and as a tag's value; each must come back, and hash to the same id."""
    kind = next((kind for kind in scene.stored_kinds() if kind not in (0, 3)), scene.stored_kind())
    client = await scene.connect()
    for text in texts:
        event = scene.event(kind, content=text, tags=[("alt", text)])
        written = json.dumps(event.to_dict(), ensure_ascii=ascii_only)
        verdict = await client.publish_text(written, event.id)
        expect(verdict.accepted, f"{text!r:.60} was refused: {verdict.message!r}")
        await _comes_back(client, event.id, text)


async def _comes_back(client: Client, identity: str, text: str) -> None:
    found = await client.request({"ids": [identity]})
    expect(len(found.events) == 1, f"the event with {text!r:.60} was not found")
    event = found.events[0]
    expect(event["content"] == text, f"{text!r:.60} came back as {event['content']!r:.60}")
    expect(event["tags"][-1] == ["alt", text], f"{text!r:.60} in a tag came back as {event['tags'][-1]!r:.60}")
    fields = (event["pubkey"], event["created_at"], event["kind"], event["tags"], event["content"])
    expect(event_id(*fields) == event["id"] == identity, "what came back has another id")


@rule(Level.MUST, FORM)
async def seven_escapes_are_read(scene: Scene) -> None:
    r"""Line feed, quote, backslash, return, tab, backspace and form feed are hashed as \n \" \\ \r \t \b \f."""
    await _is_kept(scene, "\n", '"', "\\", "\r", "\t", "\b", "\f", 'a\n"b"\\c\r\td\b\fe', "\\n", '\\"', "\\\\u0041")


@rule(Level.MUST, FORM)
async def other_control_characters_are_kept(scene: Scene) -> None:
    """Control characters without an escape of their own are characters like all others."""
    await _is_kept(scene, *(chr(code) for code in (0x01, 0x0B, 0x1B, 0x1F, 0x7F, 0x80, 0x9F)))


@rule(Level.SHOULD, FORM)
async def null_character_is_kept(scene: Scene) -> None:
    """U+0000 is a character like all others."""
    await _is_kept(scene, "\0", "before\0after")


@rule(Level.MUST, FORM)
async def characters_beyond_ascii_are_kept(scene: Scene) -> None:
    """Text is UTF-8: letters, emoji and their joiners come back as they were."""
    await _is_kept(scene, "é", "日本語", "😀", "👩‍👩‍👧‍👦", "\u202e", "\ufeff", "\U0010fffd", "ﷺ", "🏳️‍🌈" * 20)


@rule(Level.MUST, FORM)
async def composed_and_decomposed_stay_apart(scene: Scene) -> None:
    """Nothing is normalised: é in one character and in two are different texts."""
    await _is_kept(scene, "\u00e9", "e\u0301", "\u212b", "\ufb01")


@rule(Level.MUST, FORM)
async def escaped_characters_are_the_same(scene: Scene) -> None:
    r"""A character may be written as \uXXXX, beyond the first plane as two of them; the id does not change."""
    await _is_kept(scene, "é", "😀", "\u2028", "plain", "\x1f", ascii_only=True)


@rule(Level.MUST, FORM)
async def escaped_slash_is_a_slash(scene: Scene) -> None:
    r"""JSON allows \/ for /; the id is that of the slash."""
    event = scene.event(scene.stored_kind(), content="a/b", tags=[("alt", "a/b")])
    client = await scene.connect()
    verdict = await client.publish_text(event.to_json().replace("a/b", "a\\/b"), event.id)
    expect(verdict.accepted, f"it was refused: {verdict.message!r}")
    await _comes_back(client, event.id, "a/b")


@rule(Level.MUST, FORM)
async def line_separators_are_verbatim(scene: Scene) -> None:
    """U+2028 and U+2029 are not escaped, though JavaScript once had to."""
    await _is_kept(scene, "\u2028", "\u2029", "\u0085")


@rule(Level.MUST, FORM)
async def markup_is_verbatim(scene: Scene) -> None:
    """The characters < > & and ' are not escaped, though some encoders like to."""
    await _is_kept(scene, "<b>&amp;</b>", "it's", "&<>'", "</script>")


@rule(Level.SHOULD, FORM)
async def noncharacters_are_kept(scene: Scene) -> None:
    """U+FFFE, U+FFFF and their like are valid in UTF-8."""
    await _is_kept(scene, "\ufffe", "\uffff", "\ufdd0", "\U0001ffff", "\ufffd")


@rule(Level.MUST, FORM)
async def white_space_is_kept(scene: Scene) -> None:
    """Nothing is trimmed or joined."""
    await _is_kept(scene, " ", "  two  ", "\n\n", "\t \t", "\u00a0", "\u3000", "end ")


@rule(Level.MUST, FORM)
async def text_that_looks_like_something_else_is_kept(scene: Scene) -> None:
    """Content is text: numbers, JSON and SQL in it mean nothing to a relay."""
    await _is_kept(scene, "1.0", "true", "null", '{"a":1}', "[]", "'; drop table event; --", "%s %d {0}", "\\u0041")


@rule(Level.OWN, FORM)
async def lone_surrogate_is_refused(scene: Scene) -> None:
    """Half a character has no UTF-8 and so no id: an event with one is refused, and the connection lives."""
    event = scene.event(scene.stored_kind(), content="half")
    client = await scene.connect()
    await client.say_text(f'["EVENT",{event.to_json()}]'.replace('"half"', '"\\ud83d"'))
    taken = [said for said in await client.settle() if said[0] == "OK" and said[2] is True]
    expect(taken == [], "an event with a lone surrogate was taken")


@rule(Level.OWN, FORM)
async def field_that_comes_twice_is_refused(scene: Scene) -> None:
    """Two readers of an object with a key twice may see two different events; it is refused."""
    event = scene.event(scene.stored_kind(), content="seen")
    client = await scene.connect()
    text = event.to_json().replace('"content":', '"content":"unseen","content":')
    await client.say_text(f'["EVENT",{text}]')
    taken = [said for said in await client.settle() if said[0] == "OK" and said[2] is True]
    expect(taken == [], "it was taken")
