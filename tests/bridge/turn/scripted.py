"""Providers for tests of what stands around them: they fail, hang and answer as told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.errors import ProviderFailed
from bridge.turn.provider import TurnCredentials
from tests.support.deadline import within

DOWN = ProviderFailed(503, "it is down")
REFUSED = ProviderFailed(401, "it refuses")
LOST = ProviderFailed(None, "the network")


class Scripted:
    """Takes one step of the script for each call; after the last it gives credentials."""

    def __init__(self, name: str, *script: Exception | None, valid_seconds: int | None = 100_000) -> None:
        self.name = name
        self.users: list[str] = []
        self.failure: Exception | None = None
        """Raised by every call that the script says nothing about."""
        self.gate = asyncio.Event()
        """No call ends before it is set; it is, unless a test clears it."""
        self.gate.set()
        self.done = 0
        self.inside = 0
        self.most_inside = 0
        self._script = list(script)
        self._valid_seconds = valid_seconds
        self._changed = asyncio.Condition()

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        """Return credentials that are named after the provider and the number of the call."""
        self.users.append(user)
        number = len(self.users)
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        await self._tell()
        try:
            await self.gate.wait()
        finally:
            self.inside -= 1
        self.done += 1
        await self._tell()
        failure = self._script.pop(0) if self._script else self.failure
        if failure is not None:
            raise failure
        return TurnCredentials(f"{self.name}-{number}", "word", (), self._valid_seconds)

    async def wait_asked(self, amount: int) -> None:
        """Wait until so many calls were made."""
        await self._wait(lambda: len(self.users) >= amount)

    async def wait_done(self, amount: int) -> None:
        """Wait until so many calls ended, and whoever made them has had a turn."""
        await self._wait(lambda: self.done >= amount)
        await settle()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _wait(self, is_so: Callable[[], bool]) -> None:
        async with within(20), self._changed:
            await self._changed.wait_for(is_so)


async def settle() -> None:
    """Give every task its turns, until all that is left are those that wait for an event."""
    for _ in range(50):
        await asyncio.sleep(0)
