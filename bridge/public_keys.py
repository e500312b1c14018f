"""Public keys as operators write them in the settings."""

from __future__ import annotations

from collections.abc import Collection

from bridge.errors import StartupError
from nips.errors import InvalidEntity
from nips.keys import PublicKey
from nips.nip19 import parse_public_key_text


def public_keys(setting: str, texts: Collection[str]) -> frozenset[PublicKey]:
    """Return keys written as npub or hex; raise `StartupError` naming the setting and what is no key."""
    keys = set()
    for text in texts:
        try:
            keys.add(parse_public_key_text(text))
        except InvalidEntity as error:
            raise StartupError(f"{setting}: {text!r} is no public key: {error}") from None
    return frozenset(keys)
