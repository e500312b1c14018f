"""What stands at the edges of the bridge's pipeline in tests: our own relay, links to others, TURN providers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from bridge.turn.provider import TurnCredentials
from client.publications import Outcome, Verdict
from nips.event import VerifiedEvent
from nips.keys import PublicKey
from nips.nip59 import recipient_of
from tests.support.deadline import within

TURN_URLS: Final = ("turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:443?transport=tcp")


class RecordingRelay:
    """Stands in for our own relay: remembers what subscriptions would have been sent."""

    def __init__(self) -> None:
        self.delivered: list[VerifiedEvent] = []
        self.dismissed: list[str] = []
        """Keys whose connections were closed, in their order."""
        self._listening: set[tuple[str, int]] = set()
        self._unproved: set[tuple[str, int]] = set()
        self._has_delivered = asyncio.Event()

    def listen(self, key: PublicKey, *wanted: int) -> None:
        """Have a subscription for a key's wraps of these kinds."""
        self._listening.update((key, kind) for kind in wanted)

    def listen_unproved(self, key: PublicKey, *wanted: int) -> None:
        """Have a subscription for these wraps whose connection has not proved the key."""
        self._unproved.update((key, kind) for kind in wanted)

    def leave(self, key: PublicKey) -> None:
        """Close a key's subscriptions."""
        self._listening = {(listener, kind) for listener, kind in self._listening if listener != key}
        self._unproved = {(listener, kind) for listener, kind in self._unproved if listener != key}

    def deliver(self, event: VerifiedEvent) -> int:
        """Send an event to every subscription that may see it; return how many got it."""
        if not self.is_listening(recipient_of(event), event.kind):
            return 0
        self.delivered.append(event)
        self._has_delivered.set()
        return 1

    def hand_over(self, event: VerifiedEvent) -> bool:
        """Do the same; tell whether somebody who has proved the recipient's key got it."""
        return bool(self.deliver(event)) and (recipient_of(event), event.kind) in self._listening

    async def wait_delivered(self, amount: int) -> None:
        """Wait until so many events were delivered."""
        async with within(20):
            while len(self.delivered) < amount:
                self._has_delivered.clear()
                await self._has_delivered.wait()

    def dismiss(self, keys: Iterable[str], reason: str) -> int:
        """Close every connection that proved one of these keys; return how many."""
        gone = [key for key in keys if self.has_listeners(key)]
        for key in gone:
            self.leave(PublicKey(key))
        self.dismissed += gone
        return len(gone)

    def storing(self, event_ids: Iterable[str]) -> AbstractContextManager[None]:
        """Know these events for ones that are delivered as soon as they are stored; nobody reads here."""
        return nullcontext()

    def has_listeners(self, pubkey: str) -> bool:
        """Tell whether a subscription asks for wraps of this key at all."""
        return any(pubkey == listener for listener, _ in self._listening | self._unproved)

    def is_listening(self, pubkey: str, kind: int) -> bool:
        """Tell whether a subscription would get a wrap of this kind for this key now."""
        return (pubkey, kind) in self._listening | self._unproved


class ScriptedPublisher:
    """Stands in for the link to a relay that is not ours: answers as scripted, then accepts everything."""

    def __init__(self, *script: Outcome | Verdict | Exception) -> None:
        self.published: list[VerifiedEvent] = []
        self._script = list(script)
        self._changed = asyncio.Condition()

    async def publish(self, event: VerifiedEvent) -> Verdict:
        """Return the next verdict of the script, or raise what stands there."""
        async with self._changed:
            self.published.append(event)
            self._changed.notify_all()
        answer = self._script.pop(0) if self._script else Outcome.ACCEPTED
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Verdict) else Verdict(answer)

    async def wait_published(self, amount: int) -> None:
        """Wait until so many events were published."""
        async with within(20), self._changed:
            await self._changed.wait_for(lambda: len(self.published) >= amount)


class ScriptedProvider:
    """Stands in for a source of TURN credentials that fails, or waits for `gate`."""

    name = "coturn"

    def __init__(self, failure: Exception | None = None, *, valid_seconds: int | None = None) -> None:
        self.failure = failure
        self.valid_seconds = valid_seconds
        self.users: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.busy = 0
        self.most_busy = 0
        self._changed = asyncio.Condition()

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        """Return access for a user known by an opaque name, or raise `failure`."""
        self.users.append(user)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            async with self._changed:
                self._changed.notify_all()
            await self.gate.wait()
            if self.failure is not None:
                raise self.failure
            password = f"password-{len(self.users)}"
            return TurnCredentials(f"{now}:{user}", password, TURN_URLS, self.valid_seconds)
        finally:
            self.busy -= 1

    async def wait_asked(self, amount: int) -> None:
        """Wait until so many requests got here."""
        async with within(20), self._changed:
            await self._changed.wait_for(lambda: len(self.users) >= amount)
