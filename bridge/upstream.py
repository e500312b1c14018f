"""Relays that are not ours: the bridge reads its wraps there and answers there.

A wrap from such a relay goes the same way as one from our own endpoint, past the same checks; only a refusal is told to
nobody, since the relay has accepted the wrap already.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

from bridge.inbox import FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS
from bridge.relay.limits import PublishLimits
from bridge.settings.endpoint import UpstreamSettings
from client.backoff import BackoffLimits
from client.clock import Clock
from client.connection import RelayConnection
from client.entropy import Entropy
from client.limits import ConnectionLimits, LinkLimits
from nips import kinds
from nips.errors import InvalidWrap
from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.keys import PublicKey, SecretKey
from nips.messages import MessageLimits
from nips.nip59 import check_times, recipient_of
from storage.errors import StorageBusy, StorageFailed
from storage.interface import Added

log = logging.getLogger(__name__)

STORED_WRAPS = "stored"
LIVE_WRAPS = "live"


class AcceptsWraps(Protocol):
    """The inbox, as far as links know it."""

    async def accept(self, wrap: VerifiedEvent, *, link: str) -> Added:
        """Keep a wrap for answering."""
        ...


class Upstream:
    """All links to relays that are not ours."""

    def __init__(
        self,
        settings: UpstreamSettings,
        secret: SecretKey,
        *,
        limits: PublishLimits,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        """Of `limits`, those of our own endpoint, what is about one event holds here too."""
        self._settings = settings
        self._secret = secret
        self._limits = limits
        self._clock = clock
        self.links: Mapping[str, RelayConnection] = {
            url: RelayConnection(url, keys=[secret], clock=clock, entropy=entropy, limits=connection_limits(settings))
            for url in dict.fromkeys(settings.relays)
        }

    def listen(self, inbox: AcceptsWraps) -> None:
        """Ask every relay for the bridge's wraps."""
        for url, link in self.links.items():
            reader = _Reader(url, inbox, self._secret.public_key, self._limits, self._clock)
            link.subscribe(STORED_WRAPS, self._stored_filters, reader.read)
            link.subscribe(LIVE_WRAPS, self._live_filters, reader.read)

    async def run(self, announcements: Sequence[VerifiedEvent] = ()) -> None:
        """Keep every link until closed, and publish what the bridge says about itself."""
        async with asyncio.TaskGroup() as tasks:
            announcing = [
                tasks.create_task(self._announce(link, event))
                for link in self.links.values()
                for event in announcements
            ]
            async with asyncio.TaskGroup() as links:
                for link in self.links.values():
                    links.create_task(link.run())
            for task in announcing:
                task.cancel()

    async def _announce(self, link: RelayConnection, event: VerifiedEvent) -> None:
        delay = FIRST_RETRY_SECONDS
        while not (verdict := await link.publish(event)).is_final:
            await asyncio.sleep(delay)
            delay = min(2 * delay, LAST_RETRY_SECONDS)
        if not verdict.is_accepted:
            log.warning("announcement refused", extra={"facts": {"relay": link.url, "kind": event.kind}})

    async def close(self) -> None:
        """Close every link."""
        async with asyncio.TaskGroup() as closing:
            for link in self.links.values():
                closing.create_task(link.close())

    def _stored_filters(self, now: int) -> list[Filter]:
        return [self._filter(kinds.GIFT_WRAP, since=max(0, now - self._settings.catch_up_seconds))]

    def _live_filters(self, _now: int) -> list[Filter]:
        # Relays keep no ephemeral events, and our own clock refuses stale ones. A `since` would hold for as long as
        # the connection: were the clock then set back, everything would come too early for it.
        return [self._filter(kinds.EPHEMERAL_GIFT_WRAP, since=None)]

    def _filter(self, kind: int, *, since: int | None) -> Filter:
        recipient = frozenset({self._secret.public_key})
        return Filter(kinds=frozenset({kind}), tags={"p": recipient}, since=since)


class _Reader:
    """Takes in the wraps of one relay, in their order."""

    def __init__(self, url: str, inbox: AcceptsWraps, bridge: PublicKey, limits: PublishLimits, clock: Clock) -> None:
        self._url = url
        self._inbox = inbox
        self._bridge = bridge
        self._limits = limits
        self._clock = clock

    async def read(self, event: VerifiedEvent) -> None:
        """Accept a wrap; while the inbox has no room, the relay is not read."""
        try:
            self._check(event)
        except InvalidWrap as reason:
            # Anybody can have these sent, as many as the relay passes on.
            facts = {"wrap": event.id[:8], "relay": self._url, "reason": str(reason)}
            log.debug("wrap refused", extra={"facts": facts})
            return
        delay = FIRST_RETRY_SECONDS
        while not await self._try(event):
            await asyncio.sleep(delay)
            delay = min(2 * delay, LAST_RETRY_SECONDS)

    def _check(self, event: VerifiedEvent) -> None:
        if len(event.tags) > self._limits.max_event_tags:
            raise InvalidWrap(f"tags: more than {self._limits.max_event_tags}")
        if len(event.to_json().encode()) > self._limits.max_event_bytes:
            raise InvalidWrap(f"larger than {self._limits.max_event_bytes} bytes")
        if recipient_of(event) != self._bridge:
            raise InvalidWrap("tags: wrapped for another key")
        check_times(event, now=self._clock.now(), window=self._limits.window)

    async def _try(self, event: VerifiedEvent) -> bool:
        try:
            return await self._inbox.accept(event, link=self._url) is not Added.FULL
        except (StorageBusy, StorageFailed) as error:
            log.warning("wrap not stored", extra={"facts": {"relay": self._url, "error": type(error).__name__}})
            return False


def connection_limits(settings: UpstreamSettings) -> ConnectionLimits:
    """Return the bounds of one link as the settings want them."""
    return ConnectionLimits(
        link=LinkLimits(messages=MessageLimits(max_message_bytes=settings.max_message_bytes)),
        backoff=BackoffLimits(first_seconds=settings.backoff_first_seconds, cap_seconds=settings.backoff_max_seconds),
        open_seconds=settings.connect_timeout_seconds,
        publish_seconds=settings.ok_timeout_seconds,
        ping_seconds=settings.ping_interval_seconds,
    )
