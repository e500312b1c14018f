"""Connections to relays for tests: eager to come back, with a subscriber that keeps everything."""

from __future__ import annotations

import asyncio
from typing import Any

from client.backoff import BackoffLimits
from client.clock import Clock, SystemClock
from client.connection import RelayConnection, Resolve
from client.entropy import SystemEntropy
from client.limits import ConnectionLimits, LinkLimits
from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.keys import SecretKey
from tests.support.fake_relay import FakeSession
from tests.support.link_conversation import NOTES

EAGER = BackoffLimits(first_seconds=0.001, cap_seconds=0.01)


def connection_to(
    url: str,
    *keys: SecretKey,
    clock: Clock | None = None,
    resolve: Resolve | None = None,
    link: LinkLimits | None = None,
    **limits: Any,
) -> RelayConnection:
    bounds = ConnectionLimits(backoff=EAGER, link=link or LinkLimits(), **limits)
    return RelayConnection(
        url, keys=keys, clock=clock or SystemClock(), entropy=SystemEntropy(), limits=bounds, resolve=resolve
    )


class Inbox:
    """A subscriber that keeps what it is handed."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[VerifiedEvent] = asyncio.Queue()
        self.ends = 0

    async def take(self, event: VerifiedEvent) -> None:
        await self.events.put(event)

    async def end(self) -> None:
        self.ends += 1


def notes(now: int) -> list[Filter]:
    return [NOTES]


async def silence(session: FakeSession) -> None:
    await session.wait_closed()


async def accept_all(session: FakeSession) -> None:
    """Take one event and have it."""
    _, event = await session.expect("EVENT")
    await session.say("OK", event["id"], True, "")
