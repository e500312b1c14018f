"""NIP-62: a key asks to vanish from a relay, or from all of them (kind 62)."""

from __future__ import annotations

from collections.abc import Iterable

from nips.errors import InvalidEvent
from nips.event import Event
from nips.nip42 import relay_address

EVERYWHERE = "ALL_RELAYS"


def check_vanish(request: Event, *, relay_urls: Iterable[str]) -> None:
    """Refuse a request that does not name this relay by one of its URLs; raise `InvalidEvent`.

    As in NIP-42 host and port are compared: paths and schemes differ behind proxies.
    """
    named = request.tag_values("relay")
    if not named:
        raise InvalidEvent("tags: a request to vanish has a relay tag")
    own = {relay_address(url) for url in relay_urls}
    if EVERYWHERE not in named and own.isdisjoint({address for url in named if (address := relay_address(url))}):
        raise InvalidEvent("relay: not this relay")
