"""NIP-05: the keys that a domain lists under names of its own."""

from __future__ import annotations

from nips.errors import InvalidDocument, InvalidJson, InvalidKey
from nips.keys import PublicKey, parse_public_key
from nips.strict_json import parse

PATH = "/.well-known/nostr.json"


def parse_listed_keys(body: bytes) -> frozenset[PublicKey]:
    """Return all keys that a domain's document names; raise `InvalidDocument` if it is none.

    Names do not matter here. An entry without a key is left out, so that one mistake does not take all others along.
    """
    try:
        document = parse(body.decode(), max_bytes=len(body))
    except (UnicodeDecodeError, InvalidJson):
        raise InvalidDocument("not JSON that we read") from None
    names = document.get("names") if isinstance(document, dict) else None
    if not isinstance(names, dict):
        raise InvalidDocument("names: not an object")
    return frozenset(key for value in names.values() if (key := _key(value)) is not None)


def _key(value: object) -> PublicKey | None:
    try:
        return parse_public_key(value)
    except InvalidKey:
        return None
