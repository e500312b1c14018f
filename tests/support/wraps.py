"""Gift wraps for tests: proper ones, and one for each way of being wrong.

Builders work on JSON objects and not on our types, since a deviant wrap must not depend on what our types let through.
Everything is deterministic: the same call makes the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from nips import nip44
from nips.event import event_id, parse_event, verify_event
from nips.keys import PublicKey, SecretKey
from nips.nip59 import Rumor, WrapWindow, check_times, open_wrap
from nips.strict_json import parse

Json = dict[str, Any]

NOW: Final = 1_800_000_000
STORED, LIVE = 1059, 21059


def drawn(label: str) -> bytes:
    """Return 32 bytes that look random and are always the same for a label."""
    return hashlib.sha256(label.encode()).digest()


AUTHOR = SecretKey(drawn("author"))
BRIDGE = SecretKey(drawn("bridge"))
STRANGER = SecretKey(drawn("stranger"))
ONE_TIME = SecretKey(drawn("one-time"))


def identified(fields: Json) -> Json:
    """Return an event's fields with the id of their content."""
    known = {"tags": [], "kind": 13, **fields}
    identity = event_id(known["pubkey"], known["created_at"], known["kind"], known["tags"], known["content"])
    return {**fields, "id": identity}


def signed(fields: Json, secret: SecretKey) -> Json:
    """Return an event's fields with id and signature, in the name of whatever `pubkey` they hold."""
    event = identified({"pubkey": secret.public_key, **fields})
    return {**event, "sig": secret.sign(bytes.fromhex(event["id"]), drawn("aux")).hex()}


def without(fields: Json, names: Sequence[str]) -> Json:
    """Return the fields except those named."""
    return {name: value for name, value in fields.items() if name not in names}


def a_rumor(**changes: Any) -> Json:
    """Return a rumor by AUTHOR; its id fits its content unless `id` is given."""
    fields = {
        "pubkey": AUTHOR.public_key,
        "created_at": NOW - 5,
        "kind": 24390,
        "tags": [["p", BRIDGE.public_key]],
        "content": '{"_v":"1.0.0","id":"1","method":"bridge.info","params":{}}',
        **changes,
    }
    return fields if "id" in changes else identified(fields)


def a_seal(rumor: Json | str, *, author: SecretKey = AUTHOR, to: PublicKey = BRIDGE.public_key, **changes: Any) -> Json:
    """Return a seal of a rumor, or of any text, signed by `author` over whatever `changes` made of it."""
    fields = {"created_at": NOW - 60, "kind": 13, "tags": [], "content": encrypted(rumor, author, to), **changes}
    return signed(fields, author)


def a_wrap(seal: Json | str, *, to: PublicKey = BRIDGE.public_key, **changes: Any) -> Json:
    """Return a gift wrap of a seal, or of any text, of kind 1059 and of now unless `changes` say otherwise."""
    fields = {
        "created_at": NOW,
        "kind": STORED,
        "tags": [["p", to]],
        "content": encrypted(seal, ONE_TIME, to),
        **changes,
    }
    return signed(fields, ONE_TIME)


def encrypted(value: Json | str, secret: SecretKey, to: PublicKey) -> str:
    """Return the payload of an object's JSON, or of a text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return nip44.encrypt(text, nip44.conversation_key(secret, to), drawn(f"nonce of {text}"))


def opened(wrap: Mapping[str, Any], *, unsigned_seals: bool = False, now: int = NOW, by: SecretKey = BRIDGE) -> Rumor:
    """Take a wrap the whole way: text, JSON, event, times, id and signature, seal, rumor."""
    event = parse_event(parse(json.dumps(wrap, ensure_ascii=False), max_bytes=1_000_000))
    check_times(event, now=now, window=WrapWindow())
    return open_wrap(verify_event(event), by, unsigned_seals=unsigned_seals)


def a_nip_ac_call() -> Json:
    """Return a call offer as NIP-AC carries it: a signed event straight in an ephemeral wrap, without a seal."""
    tags = [["p", BRIDGE.public_key], ["call-id", "5f0c"], ["call-type", "voice"]]
    offer = signed({"created_at": NOW, "kind": 25050, "tags": tags, "content": "v=0"}, AUTHOR)
    return a_wrap(offer, kind=LIVE)


def deviant_wraps() -> dict[str, tuple[Json, str]]:
    """Return each wrap that is refused with and without compatibility, and how its refusal begins."""
    rumor, seal = a_rumor(), a_seal(a_rumor())
    good = a_wrap(seal)
    stranger = STRANGER.public_key
    deep = "[" * 50_000
    return {
        "rumor by somebody else": (a_wrap(a_seal(a_rumor(pubkey=stranger))), "rumor pubkey"),
        "rumor by somebody else under the author's id": (
            a_wrap(a_seal({**rumor, "pubkey": stranger})),
            "rumor pubkey",
        ),
        "seal in somebody else's name": (a_wrap(a_seal(rumor, pubkey=stranger)), "seal sig"),
        "seal with tags": (a_wrap(a_seal(rumor, tags=[["p", BRIDGE.public_key]])), "seal tags"),
        "seal of another kind": (a_wrap(a_seal(rumor, kind=14)), "seal kind"),
        "seal id wrong": (a_wrap({**seal, "id": rumor["id"]}), "seal id"),
        "seal sig by somebody else": (a_wrap({**seal, "sig": good["sig"]}), "seal sig"),
        "rumor id wrong": (a_wrap(a_seal(a_rumor(id=seal["id"]))), "rumor id"),
        "rumor signed": (a_wrap(a_seal(signed(rumor, AUTHOR))), "rumor sig"),
        "wrap sig wrong": ({**good, "sig": seal["sig"]}, "sig: "),
        "wrap id wrong": ({**good, "id": seal["id"]}, "id: "),
        "no p tag": (a_wrap(seal, tags=[]), "tags: not exactly one p tag"),
        "p tag of somebody else": (a_wrap(seal, tags=[["p", stranger]]), "tags: wrapped for another key"),
        "two p tags": (a_wrap(seal, tags=[["p", BRIDGE.public_key], ["p", stranger]]), "tags: not exactly one p tag"),
        "the same p tag twice": (a_wrap(seal, tags=[["p", BRIDGE.public_key]] * 2), "tags: not exactly one p tag"),
        "p tag without a value": (a_wrap(seal, tags=[["p"]]), "tags: not exactly one p tag"),
        "p tag in upper case": (
            a_wrap(seal, tags=[["p", BRIDGE.public_key.upper()]]),
            "tags: the p tag is not a public key",
        ),
        "signed event without a seal": (a_nip_ac_call(), "seal kind"),
        "rumor without a seal": (a_wrap(rumor), "seal kind"),
        "wrap inside is not JSON": (a_wrap("not JSON"), "wrap content: not valid JSON"),
        "seal inside is not JSON": (a_wrap(a_seal("not JSON")), "seal content: not valid JSON"),
        "wrap inside is not an object": (a_wrap(json.dumps([seal])), "wrap content: not an object"),
        "seal inside is not an object": (a_wrap(a_seal(json.dumps([rumor]))), "seal content: not an object"),
        "wrap inside nested deep": (a_wrap(deep), "wrap content: nested deeper"),
        "seal inside nested deep": (a_wrap(a_seal(deep)), "seal content: nested deeper"),
        "wrap encrypted to somebody else": (
            a_wrap(seal, content=encrypted(seal, ONE_TIME, stranger)),
            "wrap content: invalid MAC",
        ),
        "seal encrypted to somebody else": (a_wrap(a_seal(rumor, to=stranger)), "seal content: invalid MAC"),
        "seal not encrypted": (a_wrap(a_seal(rumor, content=json.dumps(rumor))), "seal content: invalid"),
        "wrap of another kind": (a_wrap(seal, kind=1060), "kind: not 1059 or 21059"),
    }
