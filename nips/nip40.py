"""NIP-40: when an event expires."""

from __future__ import annotations

from nips.errors import InvalidEvent
from nips.event import Event


def expiration(event: Event) -> int | None:
    """Return the time in seconds after which an event is gone, or None; raise `InvalidEvent` for another form.

    Several tags: the earliest counts, since no reader may serve the event after any of them.
    """
    values = event.tag_values("expiration")
    if not all(value.isascii() and value.isdecimal() and len(value) <= 16 for value in values):
        raise InvalidEvent("expiration: not a time in whole seconds")
    return min(map(int, values), default=None)


def is_expired(event: Event, now: int) -> bool:
    """Tell whether an event's time is over."""
    expires_at = expiration(event)
    return expires_at is not None and expires_at <= now
