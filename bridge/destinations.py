"""Where answers go, as the outbox knows it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from client.publications import Verdict
from nips.event import VerifiedEvent


class Deliverer(Protocol):
    """Our own relay, as far as it delivers to live subscriptions."""

    def deliver(self, event: VerifiedEvent) -> int:
        """Send an event to every subscription that may see it; return how many got it."""
        ...

    def hand_over(self, event: VerifiedEvent) -> bool:
        """Do the same, and tell whether somebody who has proved the recipient's key got it."""
        ...

    def dismiss(self, keys: Iterable[str], reason: str) -> int:
        """Close every connection that proved one of these keys, telling why; return how many."""
        ...

    def storing(self, event_ids: Iterable[str]) -> AbstractContextManager[None]:
        """Hold while events are being stored that are delivered next, so that no reader gets one twice."""
        ...

    def has_listeners(self, pubkey: str) -> bool:
        """Tell whether a subscription asks for wraps of this key at all."""
        ...

    def is_listening(self, pubkey: str, kind: int) -> bool:
        """Tell whether a subscription would get a wrap of this kind for this key now."""
        ...


class Publisher(Protocol):
    """A link to a relay that is not ours."""

    async def publish(self, event: VerifiedEvent) -> Verdict:
        """Publish an event and return the relay's verdict."""
        ...
