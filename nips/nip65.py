"""NIP-65: on which relays somebody writes, and on which others reach them (kind 10002)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nips import kinds
from nips.event import Event, VerifiedEvent, sign_event
from nips.keys import SecretKey
from nips.nip42 import relay_address


@dataclass(frozen=True, slots=True)
class RelayList:
    """Relay URLs, in the order of the list."""

    read: Sequence[str] = ()
    """Where events that mention the author are read."""
    write: Sequence[str] = ()
    """Where the author's events are."""


def make_relay_list(secret: SecretKey, relays: RelayList, *, created_at: int, aux: bytes) -> VerifiedEvent:
    """Return the list of an author's relays; `aux` is 32 fresh random bytes. A relay for both has no marker."""
    tags = [
        ("r", url) if url in relays.read and url in relays.write else ("r", url, _marker(url in relays.read))
        for url in dict.fromkeys([*relays.read, *relays.write])
    ]
    return sign_event(secret, created_at=created_at, kind=kinds.RELAY_LIST, tags=tags, content="", aux=aux)


def parse_relay_list(event: Event, *, maximum: int) -> RelayList:
    """Return at most `maximum` relays of either sort, leaving out what is no relay URL or has another marker."""
    tags = [tag for tag in event.tags if tag[0] == "r" and len(tag) > 1 and relay_address(tag[1]) is not None]
    return RelayList(
        *(
            tuple(dict.fromkeys(tag[1] for tag in tags if tag[2:3] in ((), (marker,), ("",))))[:maximum]
            for marker in (_marker(True), _marker(False))
        )
    )


def _marker(is_read: bool) -> str:
    return "read" if is_read else "write"
