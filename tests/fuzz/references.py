"""Second opinions: the standard library's JSON and SHA-256 with the rules of the house checked one by one."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from nips.strict_json import MAX_INTEGER
from tests.fuzz.sealing import compact


class Refused(Exception):
    """The second opinion is no."""


def read_json(text: str, *, max_bytes: int, max_depth: int) -> Any:
    """Return the value of a text that has one meaning only, or raise `Refused`."""
    try:
        if len(text.encode()) > max_bytes:
            raise Refused("size")
        value = json.loads(text, object_pairs_hook=_object, parse_int=_integer, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(type(error).__name__) from None
    _walk(value, max_depth)
    return value


def read_event_id(event: Any) -> str:
    """Return the id that an event's fields have (NIP-01)."""
    fields = [0, event.pubkey, event.created_at, event.kind, event.tags, event.content]
    return hashlib.sha256(compact(fields).encode()).hexdigest()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise Refused("doubled key")
    return dict(pairs)


def _integer(digits: str) -> int:
    if len(digits) > 100 or abs(int(digits)) > MAX_INTEGER:
        raise Refused("integer")
    return int(digits)


def _constant(word: str) -> Any:
    raise Refused(word)


def _walk(value: Any, room: int) -> None:
    match value:
        case list() | dict() if not room:
            raise Refused("depth")
        case list():
            for item in value:
                _walk(item, room - 1)
        case dict():
            for name, member in value.items():
                _walk(name, room)
                _walk(member, room - 1)
        case str():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise Refused("surrogate") from None
        case float() if value in (float("inf"), float("-inf")):
            raise Refused("range")
