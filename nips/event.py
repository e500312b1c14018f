"""Events of NIP-01: form, id and signature.

The types say what was proven. An `Event` has the right form; a `VerifiedEvent` also has the id of its content and its
author's signature. Only `verify_event` and `sign_event` make the latter.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nips import keys
from nips.errors import InvalidEvent, InvalidJson
from nips.keys import PublicKey, SecretKey
from nips.kinds import MAX_KIND
from nips.strict_json import MAX_INTEGER, dump_exact

Tags = tuple[tuple[str, ...], ...]

_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_STRINGS = frozenset({str})
_SIGNATURE = re.compile(r"[0-9a-f]{128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the right form; nothing says yet that its author made it."""

    id: str
    pubkey: PublicKey
    created_at: int
    kind: int
    tags: Tags
    content: str
    sig: str

    def tag_values(self, name: str) -> list[str]:
        """Return the first value of every tag of this name that has one."""
        return [tag[1] for tag in self.tags if tag[0] == name and len(tag) > 1]

    def first_tag(self, name: str) -> str | None:
        """Return the first value of the first tag of this name, or None."""
        return next((tag[1] for tag in self.tags if tag[0] == name and len(tag) > 1), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of NIP-01."""
        return {
            "id": self.id,
            "pubkey": self.pubkey,
            "created_at": self.created_at,
            "kind": self.kind,
            "tags": self.tags,
            "content": self.content,
            "sig": self.sig,
        }

    def to_json(self) -> str:
        """Return the compact JSON text."""
        return dump_exact(self.to_dict()).decode()


@dataclass(frozen=True, slots=True)
class VerifiedEvent(Event):
    """An event whose id and signature were checked, or that we signed ourselves."""


def parse_event(value: object) -> Event:
    """Return the event in a JSON value; raise `InvalidEvent` naming the first field that is wrong.

    Fields that NIP-01 does not know are ignored: they are outside the id, so nobody vouches for them.
    """
    if not isinstance(value, dict):
        raise InvalidEvent("an event is an object")
    return Event(
        parse_hex(value, "id", _ID),
        PublicKey(parse_hex(value, "pubkey", _ID)),
        parse_integer(value, "created_at", MAX_INTEGER),
        parse_integer(value, "kind", MAX_KIND),
        parse_tags(value.get("tags")),
        parse_content(value.get("content")),
        parse_hex(value, "sig", _SIGNATURE),
    )


def parse_hex(value: Mapping[str, Any], name: str, form: re.Pattern[str] = _ID) -> str:
    """Return a field of exactly as many lower-case hex digits as its form asks for."""
    text = value.get(name)
    if not isinstance(text, str) or not form.fullmatch(text):
        digits = 128 if form is _SIGNATURE else 64
        raise InvalidEvent(f"{name}: not {digits} lower-case hex digits")
    return text


def parse_integer(value: Mapping[str, Any], name: str, maximum: int) -> int:
    """Return a field that is a whole number from 0 to `maximum`; `true` and `1.0` are not (NIP-01)."""
    number = value.get(name)
    if type(number) is not int or not 0 <= number <= maximum:
        raise InvalidEvent(f"{name}: not an integer from 0 to {maximum}")
    return number


def parse_tags(value: object) -> Tags:
    """Return tags as tuples: arrays of strings, none empty."""
    if not isinstance(value, list):
        raise InvalidEvent("tags: not an array")
    for tag in value:
        # The set is empty for an empty tag.
        if not isinstance(tag, list) or set(map(type, tag)) != _STRINGS:
            raise InvalidEvent("tags: a tag is a non-empty array of strings")
    return tuple(map(tuple, value))


def parse_content(value: object) -> str:
    """Return content that is a string."""
    if not isinstance(value, str):
        raise InvalidEvent("content: not a string")
    return value


def event_id(pubkey: str, created_at: int, kind: int, tags: Sequence[Sequence[str]], content: str) -> str:
    """Return the id: SHA-256 of the canonical form (NIP-01), as lower-case hex."""
    try:
        canonical = dump_exact([0, pubkey, created_at, kind, tags, content])
    except InvalidJson:
        raise InvalidEvent("content or tags: lone surrogate in a string") from None
    return hashlib.sha256(canonical).hexdigest()


def verify_event(event: Event) -> VerifiedEvent:
    """Check id and signature; raise `InvalidEvent` for either."""
    if isinstance(event, VerifiedEvent):
        return event
    check_proof(event)
    return VerifiedEvent(event.id, event.pubkey, event.created_at, event.kind, event.tags, event.content, event.sig)


def check_proof(event: Event) -> None:
    """Raise `InvalidEvent` unless id and signature are right; for whoever needs no more than to know."""
    if event_id(event.pubkey, event.created_at, event.kind, event.tags, event.content) != event.id:
        raise InvalidEvent("id: not the hash of the event")
    if not keys.verify(bytes.fromhex(event.pubkey), bytes.fromhex(event.id), bytes.fromhex(event.sig)):
        raise InvalidEvent("sig: not the author's signature")


def sign_event(
    secret: SecretKey, *, created_at: int, kind: int, tags: Iterable[Sequence[str]], content: str, aux: bytes
) -> VerifiedEvent:
    """Make and sign an event; `aux` is 32 fresh random bytes (BIP-340)."""
    frozen = tuple(tuple(tag) for tag in tags)
    identity = event_id(secret.public_key, created_at, kind, frozen, content)
    signature = secret.sign(bytes.fromhex(identity), aux).hex()
    return VerifiedEvent(identity, secret.public_key, created_at, kind, frozen, content, signature)
