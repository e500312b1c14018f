"""NIP-17: private messages (kind 14), and where somebody wants to receive gift wraps (kind 10050)."""

from __future__ import annotations

from collections.abc import Sequence

from nips import kinds
from nips.event import Event, VerifiedEvent, sign_event
from nips.keys import PublicKey, SecretKey
from nips.nip42 import relay_address
from nips.nip59 import Rumor, make_rumor


def make_inbox_relays(secret: SecretKey, relays: Sequence[str], *, created_at: int, aux: bytes) -> VerifiedEvent:
    """Return the list of relays that the author reads; `aux` is 32 fresh random bytes."""
    tags = [("relay", url) for url in relays]
    return sign_event(secret, created_at=created_at, kind=kinds.INBOX_RELAYS, tags=tags, content="", aux=aux)


def inbox_relays(event: Event, *, maximum: int) -> list[str]:
    """Return at most `maximum` different relay URLs of a list, in its order, leaving out what is no relay URL."""
    urls = [url for url in event.tag_values("relay") if relay_address(url) is not None]
    return list(dict.fromkeys(urls))[:maximum]


def make_private_message(author: PublicKey, recipient: PublicKey, text: str, *, created_at: int) -> Rumor:
    """Return a message to one recipient, to be sealed and wrapped."""
    tags = [("p", recipient)]
    return make_rumor(author, created_at=created_at, kind=kinds.PRIVATE_MESSAGE, tags=tags, content=text)
