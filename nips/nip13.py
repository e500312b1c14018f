"""NIP-13: work that went into an event's id."""

from __future__ import annotations

import re

from nips.event import Event

_BITS = 256
_TARGET = re.compile(r"0|[1-9][0-9]{0,2}", re.ASCII)


def difficulty(event_id: str) -> int:
    """Return the number of leading zero bits of an id."""
    return _BITS - int(event_id, 16).bit_length()


def committed_work(event: Event) -> int:
    """Return the bits of work that an event claims and has: its target, or fewer if it is not reached.

    Without a target in its `nonce` tag there is none. An id that happens to begin with zeros proves nothing: whoever
    makes many events for less work gets some that look like more.
    """
    targets = [tag[2] for tag in event.tags if tag[0] == "nonce" and len(tag) > 2]
    if len(targets) != 1 or not _TARGET.fullmatch(targets[0]):
        return 0
    return min(int(targets[0]), difficulty(event.id))
