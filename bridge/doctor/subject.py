"""The bridge that is looked at, and what several checks ask about it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.doctor.page import Page, PageFailed, fetch
from bridge.errors import StartupError
from bridge.home import Home
from bridge.settings.relay_url import relay_identity
from bridge.settings.tree import Settings
from client.clock import Clock
from client.entropy import Entropy
from nips.keys import PublicKey, SecretKey
from nips.nip11 import MEDIA_TYPE
from storage.errors import StorageError

EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where to knock for a server that listens on all addresses."""


class Pages:
    """The information document of each relay, asked for once, with all that comes with it."""

    def __init__(self, clock: Clock, *, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._known: dict[str, Page | PageFailed] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def get(self, url: str) -> Page:
        """Return what a relay answers over HTTP; raise `PageFailed`, each time again."""
        async with self._asking.setdefault(url, asyncio.Lock()):
            if url not in self._known:
                try:
                    self._known[url] = await fetch(url, accept=MEDIA_TYPE, clock=self._clock, seconds=self._seconds)
                except PageFailed as failure:
                    self._known[url] = failure
        known = self._known[url]
        if isinstance(known, PageFailed):
            raise PageFailed(known.reason, known.fix, is_there=known.is_there)
        return known


@dataclass(frozen=True, slots=True)
class Subject:
    """One bridge, running or not."""

    home: Home
    settings: Settings
    environment: Mapping[str, str] = field(repr=False)
    secret: SecretKey | None
    """The bridge's own key; None when it cannot be read, which a finding of its own tells."""
    clock: Clock
    entropy: Entropy
    pages: Pages
    patience_seconds: float = 5.0
    """How long anybody has to answer."""
    port: int | None = None
    """The port that a running bridge really took."""
    running_key: PublicKey | None = None
    """The bridge's own key as the running bridge tells it, which may have a storage key that we cannot get at."""

    @property
    def public_key(self) -> PublicKey | None:
        """The bridge's own key, as others know it."""
        return self.running_key if self.secret is None else self.secret.public_key

    @property
    def local_url(self) -> str | None:
        """Where the bridge's own endpoint is found from this machine; None while its port is any."""
        port = self.port or self.settings.relay.port
        host = self.settings.relay.host
        host = EVERY_ADDRESS.get(host, host)
        if not port:
            return None
        return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"

    @property
    def relays(self) -> list[str]:
        """Relays of others, each once."""
        return list({relay_identity(url): url for url in self.settings.upstream.relays}.values())

    @property
    def announced(self) -> list[str]:
        """Where clients are told to come, as far as the settings say."""
        return self.settings.told_relays(own_url=self.local_url)


def read_key(home: Home, settings: Settings, environment: Mapping[str, str]) -> SecretKey | None:
    """Return the bridge's key, or None where it cannot be read."""
    try:
        return home.read_key(settings, environment)
    except (StartupError, StorageError):
        return None
