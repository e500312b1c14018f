"""A running bridge as its operator asks it: how it is, and to read its settings again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bridge.administration.messages import Json
from bridge.conditions import Conditions
from bridge.events import CountingSink
from bridge.reload import Reloaded, Reloader
from bridge.tallies import RequestTallies
from client.clock import Clock
from client.status import RelayStatus
from nips.keys import PublicKey
from nips.nip19 import encode_npub
from storage.interface import Accounts


class Link(Protocol):
    """A connection to a relay that is not ours."""

    @property
    def status(self) -> RelayStatus:
        """How it goes."""
        ...


@dataclass(slots=True)
class RunningBridge:
    """Answers for the parts of a bridge; of accounts it tells no more than how many there are."""

    public_key: PublicKey
    version: str
    url: Callable[[], str]
    links: Mapping[str, Link]
    figures: Callable[[], Mapping[str, int]]
    conditions: Conditions
    events: CountingSink
    tallies: RequestTallies
    provider_outcomes: Callable[[], Mapping[tuple[str, str], int]]
    accounts: Accounts
    reloader: Reloader
    clock: Clock
    started_at: float = field(init=False)
    is_stopping: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.started_at = self.clock.monotonic()

    async def status(self) -> Json:
        """Tell how the bridge is."""
        return {
            "version": self.version,
            "npub": encode_npub(self.public_key),
            "pid": os.getpid(),
            "stopping": self.is_stopping,
            "uptime_seconds": int(self.clock.monotonic() - self.started_at),
            "url": self.url(),
            "relays": [_relay(link.status) for link in self.links.values()],
            "figures": {"accounts": await self.accounts.count(), **self.figures()},
            "events": self._events(),
            "problems": dict(self.conditions.problems),
            "down": sorted(self.conditions.down),
        }

    def _events(self) -> dict[str, int]:
        """Return what happened since the start: events of the contract, requests by outcome, providers by theirs."""
        requests = {f"requests.{outcome}": amount for outcome, amount in self.tallies.by_outcome().items()}
        providers = {f"turn.{name}.{outcome}": amount for (name, outcome), amount in self.provider_outcomes().items()}
        return {**self.events.counts, **requests, **providers}

    async def reload(self) -> Reloaded:
        """Read the settings again; raise `ReloadRefused`."""
        return await self.reloader.reload()


def _relay(status: RelayStatus) -> Json:
    return {
        "url": status.url,
        "connected_since": status.connected_since,
        "failures": status.failures,
        "last_error": status.last_error,
        "waiting": status.unanswered,
    }
