"""Carrying a command out wherever it can be: by the bridge that runs, or else on its storage."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from bridge.administration.callers import Callers
from bridge.administration.client import NotRunning, operator
from bridge.administration.commands import Administration
from bridge.administration.messages import Json, Request
from bridge.administration.place import SOCKET_NAME
from bridge.home import Home
from bridge.identity import load_identity
from client.clock import SystemClock
from client.entropy import SystemEntropy
from storage.errors import StorageInUse

TURN_SECONDS = 3.0
"""How long a command waits for another one that has the storage."""

_LOOK_AGAIN_SECONDS = 0.05


def ask(home: Home, command: str, environment: Mapping[str, str], **arguments: Any) -> Json:
    """Return the result of a command; raise `CommandRefused`, `StartupError` or `StorageError`.

    The storage is opened only when no bridge runs: two processes never have it at once. While another command has it,
    or a bridge that begins or ends, this one waits for its turn.
    """
    clock, pause = SystemClock(), threading.Event()
    deadline = clock.monotonic() + TURN_SECONDS
    while True:
        try:
            with operator(home.path) as bridge:
                return bridge.ask(command, **arguments)
        except NotRunning:
            try:
                return asyncio.run(_carry_out(home, Request(command, arguments), environment))
            except StorageInUse as error:
                if clock.monotonic() >= deadline:
                    raise StorageInUse(
                        f"{error}. Nobody answers at {home.path / SOCKET_NAME} meanwhile: if it is a bridge that "
                        "begins or ends, try again in a moment"
                    ) from None
        pause.wait(_LOOK_AGAIN_SECONDS)


@asynccontextmanager
async def opened(home: Home, environment: Mapping[str, str]) -> AsyncIterator[Administration]:
    """Open the storage of a bridge that does not run, for commands on it."""
    settings = home.load_settings()
    storage = await home.open_storage(settings, environment)
    try:
        identity = await load_identity(storage.secrets)
        yield Administration(
            Callers(
                accounts=storage.accounts,
                invites=storage.invites,
                pseudonyms=identity.pseudonyms,
                clock=SystemClock(),
                entropy=SystemEntropy(),
                max_invites=lambda: settings.accounts.max_invites,
            )
        )
    finally:
        await storage.close()


async def _carry_out(home: Home, request: Request, environment: Mapping[str, str]) -> Json:
    async with opened(home, environment) as administration:
        return await administration.carry_out(request)
