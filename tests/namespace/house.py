"""A bridge with a coturn of its own, in a network of its own, and what its clients do."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bridge.settings.tree import Settings
from bridge.settings.upkeep import LogLevel
from bridge.turn.managed.secret import NAME
from client.bridge import BridgeClient
from client.clock import SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy, draw_key
from client.lifetime import linked
from client.results import TurnCredentials
from nips.keys import SecretKey
from storage.key_file import find_key, load_key_ring
from storage.secrets import read_secret
from tests.support.deadline import within
from tests.support.process import Switchboard

SERVER, PEER = "5.5.5.1", "5.5.5.2"
SERVER_6, PEER_6 = "2600:5::1", "2600:5::2"
PUBLIC_URL = f"ws://{SERVER}:7447"
URLS = (f"turn:{SERVER}:3478?transport=udp", f"turn:{SERVER}:3478?transport=tcp")


def public(settings: Settings, **managed: Any) -> Settings:
    """Return settings of a bridge that others reach, and of its coturn."""
    return replace(
        settings,
        log=replace(settings.log, level=LogLevel.DEBUG),
        bridge=replace(settings.bridge, public_url=PUBLIC_URL),
        relay=replace(settings.relay, host="0.0.0.0", port=7447),
        turn=replace(settings.turn, managed=replace(settings.turn.managed, **{"enabled": True, **managed})),
    )


def a_bridge(home: Path, **managed: Any) -> Switchboard:
    """Plan a bridge that runs coturn."""
    return Switchboard(home, change=lambda settings: public(settings, **managed))


async def coturn_of(bridge: Switchboard) -> int:
    """Return the process of its coturn, once that answers."""
    return int((await bridge.wait_for("coturn answers"))["process"])


@asynccontextmanager
async def a_client(bridge: Switchboard, key: SecretKey | None = None) -> AsyncIterator[BridgeClient]:
    """Connect a client."""
    clock, entropy = SystemClock(), SystemEntropy()
    key = key or draw_key(entropy)
    link = RelayConnection(PUBLIC_URL, keys=[key], clock=clock, entropy=entropy)
    async with linked(link):
        client = BridgeClient(key, bridge.public_key, [link], clock=clock, entropy=entropy)
        await link.wait_ready()
        yield client


async def credentials_of(bridge: Switchboard, key: SecretKey | None = None) -> TurnCredentials:
    """Ask for credentials once."""
    async with within(), a_client(bridge, key) as client:
        return await client.turn_credentials()


@dataclass
class EchoPeer(asyncio.DatagramProtocol):
    """Sends back what it gets, in capitals."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport: Any = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer."""
        self.transport.sendto(data.upper(), addr)


@asynccontextmanager
async def echo_peer(host: str) -> AsyncIterator[tuple[str, int]]:
    """Have somebody to talk to at an address, on any port."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(EchoPeer, local_addr=(host, 0))
    try:
        place: tuple[str, int] = transport.get_extra_info("sockname")[:2]
        yield place
    finally:
        transport.close()


def processes_with(word: bytes) -> Mapping[int, bytes]:
    """Return the command lines, by process, in which a word stands."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if word in line:
            found[int(entry.name)] = line
    return found


async def gone(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, over.set)
    try:
        async with within():
            await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def secret_of(bridge: Switchboard) -> str:
    """Return what the bridge signs credentials with, out of its database."""
    settings = Settings().storage
    ring = load_key_ring(find_key(bridge.home / settings.key_file, {}, setting="storage.key_file"))
    raw = read_secret(bridge.home / settings.file, ring, NAME)
    assert raw is not None
    return str(json.loads(raw)["secret"])
