"""NIP-09: a key asks for events to be deleted (kind 5)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nips.errors import InvalidEvent
from nips.event import Event
from nips.kinds import is_addressable, is_replaceable, is_wrap

_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
_KIND = re.compile(r"0|[1-9][0-9]{0,4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """What the versions of a replaceable or addressable event have in common, besides their author."""

    kind: int
    d: str = ""


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a request names; whether an event is the requester's to delete shows only beside that event."""

    ids: frozenset[str]
    addresses: frozenset[Address]
    of_wraps: bool
    """Whether wraps to the requester are meant too, not only events by it: `k` names a kind of wrap, or nothing."""


def address_of(event: Event) -> Address | None:
    """Return the address of an event, or None when it has none: no other event replaces it."""
    if is_addressable(event.kind):
        return Address(event.kind, event.first_tag("d") or "")
    return Address(event.kind) if is_replaceable(event.kind) else None


def parse_deletion(request: Event, *, max_targets: int) -> Deletion:
    """Return what a request names; raise `InvalidEvent` when that is nothing, or more than `max_targets`.

    What cannot name an event is skipped, and so is an address of somebody else: only its author may delete that.
    """
    named = [tag for tag in request.tags if tag[0] in ("e", "a")]
    if not named:
        raise InvalidEvent("tags: a deletion request has an e or an a tag")
    if len(named) > max_targets:
        raise InvalidEvent(f"tags: a deletion request names at most {max_targets} events")
    kinds = request.tag_values("k")
    return Deletion(
        ids=frozenset(value for value in request.tag_values("e") if _ID.fullmatch(value)),
        addresses=frozenset(
            address
            for value in request.tag_values("a")
            if (address := _address(value, author=request.pubkey)) is not None
        ),
        of_wraps=not kinds or any(_KIND.fullmatch(kind) and is_wrap(int(kind)) for kind in kinds),
    )


def _address(value: str, *, author: str) -> Address | None:
    kind_text, first, rest = value.partition(":")
    pubkey, second, d = rest.partition(":")
    if not (first and second and pubkey == author and _KIND.fullmatch(kind_text)):
        return None
    kind = int(kind_text)
    if is_addressable(kind):
        return Address(kind, d)
    # Whatever stands where the `d` of an addressable event would means nothing here.
    return Address(kind) if is_replaceable(kind) else None
