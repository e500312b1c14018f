"""Who the bridge is: its Nostr key and its key for pseudonyms, kept encrypted in its own storage."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.errors import StartupError
from bridge.program import typed
from bridge.pseudonyms import Pseudonyms
from client.entropy import Entropy, draw_key
from nips.keys import SecretKey
from nips.nip19 import encode_npub
from storage.interface import Secrets

NOSTR_KEY = "bridge_key"
"""Name of the Nostr key among the secrets."""

_PSEUDONYM_KEY = "pseudonym_key"


@dataclass(frozen=True, slots=True)
class Identity:
    """The keys that make a bridge this bridge."""

    secret: SecretKey
    pseudonyms: Pseudonyms


async def make_identity(secrets: Secrets, entropy: Entropy, *, secret: SecretKey | None = None) -> Identity:
    """Store fresh keys, or a Nostr key that the operator brings, and return them; keys that are there stay.

    Raise `StartupError` when the key that is there is another than the one brought.
    """
    stored = await secrets.get(NOSTR_KEY)
    if stored is None:
        secret = secret or draw_key(entropy)
        await secrets.put(NOSTR_KEY, secret.reveal())
    else:
        kept = SecretKey(stored)
        if secret not in (None, kept):
            raise StartupError(
                f"the database holds the key of {encode_npub(kept.public_key)}, not the one brought along: "
                "leave out --secret-key-file to keep it, or choose another --home"
            )
        secret = kept
    pseudonym_key = await secrets.get(_PSEUDONYM_KEY)
    if pseudonym_key is None:
        pseudonym_key = entropy.draw(32)
        await secrets.put(_PSEUDONYM_KEY, pseudonym_key)
    return Identity(secret, Pseudonyms(pseudonym_key))


async def load_identity(secrets: Secrets) -> Identity:
    """Return the stored keys; raise `StartupError` when there are none."""
    raw, pseudonym_key = await secrets.get(NOSTR_KEY), await secrets.get(_PSEUDONYM_KEY)
    if raw is None or pseudonym_key is None:
        raise StartupError(
            "storage.file: the database holds no bridge key: name the one that is meant or put it back from a backup, "
            f"or make a new bridge: `{typed('init')}` with another --home"
        )
    return Identity(SecretKey(raw), Pseudonyms(pseudonym_key))
