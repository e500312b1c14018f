"""NIP-42: a client proves to a relay which keys it holds."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from nips import kinds
from nips.errors import InvalidAuth, InvalidEvent
from nips.event import Event, VerifiedEvent, sign_event, verify_event
from nips.keys import PublicKey, SecretKey


def make_auth(secret: SecretKey, *, relay_url: str, challenge: str, created_at: int, aux: bytes) -> VerifiedEvent:
    """Return the event that answers a relay's challenge; `aux` is 32 fresh random bytes."""
    tags = auth_tags(relay_url=relay_url, challenge=challenge)
    return sign_event(secret, created_at=created_at, kind=kinds.AUTH, tags=tags, content="", aux=aux)


def auth_tags(*, relay_url: str, challenge: str) -> tuple[tuple[str, str], ...]:
    """Return the tags of such an event, for whoever has it signed elsewhere."""
    return ("relay", relay_url), ("challenge", challenge)


def check_auth(event: Event, *, relay_url: str, challenge: str, now: int, window_seconds: int) -> PublicKey:
    """Return the key that an AUTH event proves for this connection; raise `InvalidAuth` naming the broken rule.

    The relay is compared by host and port, as NIP-42 allows: paths and schemes differ behind proxies.
    """
    if event.kind != kinds.AUTH:
        raise InvalidAuth(f"kind: not {kinds.AUTH}")
    if abs(now - event.created_at) > window_seconds:
        raise InvalidAuth(f"created_at: more than {window_seconds} seconds from now")
    if not hmac.compare_digest((event.first_tag("challenge") or "").encode(), challenge.encode()):
        raise InvalidAuth("challenge: not the one of this connection")
    address = relay_address(event.first_tag("relay") or "")
    if address is None or address != relay_address(relay_url):
        raise InvalidAuth("relay: not this relay")
    try:
        return verify_event(event).pubkey
    except InvalidEvent as error:
        raise InvalidAuth(str(error)) from None


def relay_address(url: str) -> tuple[str, int] | None:
    """Return host and port of a relay URL, the default port of its scheme filled in; None when it has none."""
    # urlsplit drops some control characters silently, which ones depends on the version of Python.
    if " " in url or not url.isprintable():
        return None
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    if not host or port == 0 or parts.scheme not in ("ws", "wss"):
        return None
    return host, port or (443 if parts.scheme == "wss" else 80)
