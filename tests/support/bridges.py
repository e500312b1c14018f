"""Whole bridges for tests, in this process, on free ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bridge.app import Bridge, running_bridge
from bridge.cli.init import make_home
from bridge.home import Home, write_secret
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from client.bridge import BridgeClient
from client.clock import Clock, SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy
from nips.keys import SecretKey

TURN_SECRET = "north"
TURN_URL = "turn:turn.example.org:3478?transport=udp"


def bridge_settings(**tables: object) -> Settings:
    """Return settings with a free port and coturn's credentials, and whole tables as given."""
    settings = Settings()
    chosen: dict[str, object] = {
        "relay": replace(settings.relay, port=0),
        "metrics": replace(settings.metrics, port=0),
        "turn": replace(
            settings.turn, providers=(ProviderKind.COTURN,), coturn=replace(settings.turn.coturn, urls=(TURN_URL,))
        ),
        **tables,
    }
    return replace(settings, **chosen)  # type: ignore[arg-type]


async def a_home(path: Path, settings: Settings) -> Home:
    """Make a bridge's folder."""
    home = Home(path)
    await make_home(home, settings, secret=None)
    write_secret(path / "turn.secret", TURN_SECRET)
    return home


@asynccontextmanager
async def a_bridge(home: Home, settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Bridge]:
    """Run a bridge."""
    async with running_bridge(
        home, settings, clock=clock or SystemClock(), entropy=SystemEntropy(), environment={}
    ) as bridge:
        yield bridge


@asynccontextmanager
async def a_client(
    bridge: Bridge, secret: SecretKey, *, url: str | None = None, clock: Clock | None = None
) -> AsyncIterator[BridgeClient]:
    """Connect a client to a bridge, or to another relay that the bridge reads."""
    clock, entropy = clock or SystemClock(), SystemEntropy()
    link = RelayConnection(url or bridge.url, keys=[secret], clock=clock, entropy=entropy)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(link.run())
        client = BridgeClient(secret, bridge.public_key, [link], clock=clock, entropy=entropy)
        await link.wait_ready()
        yield client
        await link.close()
