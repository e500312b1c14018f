"""NIP-46: asking whoever holds a key (a remote signer, or bunker) to use it, over events of kind 24133.

The parties: a client, with a key of its own that stands for nothing but this conversation; the remote signer, known by
a key of its own too; and the user, whose key the remote signer holds. Here are the texts; who carries them is not
decided here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from nips.errors import InvalidEntity, InvalidJson, InvalidKey, InvalidMessage
from nips.keys import PublicKey, parse_public_key
from nips.strict_json import dump, parse

AUTH_URL = "auth_url"
"""Result of a reply that is none yet: its error is the address of a page on which the user has to agree."""

_MAX_URI = 4096
_MAX_RELAYS = 10


@dataclass(frozen=True, slots=True)
class Bunker:
    """Where a remote signer is to be found, as it tells its user."""

    signer: PublicKey
    """The remote signer's own key, which need not be the user's."""
    relays: tuple[str, ...]
    secret: str | None = field(default=None, repr=False)
    """Lets one client in, once."""


@dataclass(frozen=True, slots=True)
class SignerReply:
    """What a remote signer answered to a request; an `auth_url` is followed by the answer itself."""

    request_id: str
    result: str = field(repr=False)
    error: str


def parse_bunker(uri: str) -> Bunker:
    """Return what a `bunker://` address says; raise `InvalidEntity` naming the rule that it breaks."""
    if len(uri) > _MAX_URI or not uri.isprintable():
        raise InvalidEntity("a bunker address is printable and not endless")
    try:
        parts = urlsplit(uri)
        # As it stands there, since a host name would lose nothing but its upper case, which a key must not have.
        signer = parse_public_key(parts.netloc)
        asked = parse_qs(parts.query, strict_parsing=True, max_num_fields=2 * _MAX_RELAYS)
    except (ValueError, InvalidKey):
        raise InvalidEntity("a bunker address is bunker://key?relay=…") from None
    relays = tuple(asked.get("relay", ()))
    if parts.scheme != "bunker" or not 1 <= len(relays) <= _MAX_RELAYS:
        raise InvalidEntity(f"a bunker address names 1 to {_MAX_RELAYS} relays")
    return Bunker(signer, relays, next(iter(asked.get("secret", ())), None))


def write_signer_request(request_id: str, method: str, params: Sequence[str]) -> str:
    """Return the content of a request, before it is encrypted."""
    return dump({"id": request_id, "method": method, "params": list(params)})


def parse_signer_reply(text: str, *, max_bytes: int) -> SignerReply:
    """Return the reply in a decrypted content; raise `InvalidMessage` for anything else. Unknown fields are ignored."""
    try:
        value = parse(text, max_bytes=max_bytes)
    except InvalidJson as error:
        raise InvalidMessage(f"reply: {error}") from None
    if not isinstance(value, dict):
        raise InvalidMessage("reply: not an object")
    request_id, result, refused = value.get("id"), value.get("result"), value.get("error")
    if not isinstance(request_id, str):
        raise InvalidMessage("reply id: not a string")
    # Some leave out what there is none of, some write null, some the empty string.
    if not isinstance(result, str | None) or not isinstance(refused, str | None):
        raise InvalidMessage("reply: result and error are strings")
    return SignerReply(request_id, result or "", refused or "")
