"""Callers of a bridge that runs as a program, and the commands of its operator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from client.bridge import BridgeClient
from client.clock import SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy
from client.lifetime import linked
from nips.keys import SecretKey
from tests.bridge.cli.commands import switchboard
from tests.support.process import Switchboard


@asynccontextmanager
async def a_caller(program: Switchboard, secret: SecretKey) -> AsyncIterator[BridgeClient]:
    """Connect somebody to a running bridge."""
    clock, entropy = SystemClock(), SystemEntropy()
    link = RelayConnection(program.url, keys=[secret], clock=clock, entropy=entropy)
    async with linked(link):
        client = BridgeClient(secret, program.public_key, [link], clock=clock, entropy=entropy)
        await link.wait_ready()
        yield client


async def operate(home: Path, *arguments: str) -> CompletedProcess[str]:
    """Run an operator's command to its end."""
    return await asyncio.to_thread(switchboard, *arguments, "--home", str(home))


async def told(home: Path, *arguments: str) -> Any:
    """Return what a command that is carried out tells machines."""
    result = await operate(home, *arguments, "--json")
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return json.loads(result.stdout)
