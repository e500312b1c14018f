"""TURN providers in the operator's order: when one fails or takes too long, the next takes over."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bridge.errors import ProviderFailed
from bridge.turn.provider import TurnCredentials, TurnProvider


@dataclass(frozen=True, slots=True)
class Granted:
    """Credentials and who made them."""

    provider: str
    credentials: TurnCredentials


@dataclass(frozen=True, slots=True)
class ChainRules:
    """Who is asked, and how long each has."""

    providers: tuple[TurnProvider, ...]
    deadline_seconds: float = 10
    """Time that all together have."""
    provider_seconds: float = 4
    """Time that each has."""


class ProviderChain:
    """Asks providers one after the other; may be empty."""

    def __init__(self, rules: ChainRules) -> None:
        self._rules = rules

    def adopt(self, rules: ChainRules) -> None:
        """Have other rules from the next request on."""
        self._rules = rules

    @property
    def names(self) -> tuple[str, ...]:
        """The words of the providers, in order."""
        return tuple(provider.name for provider in self._rules.providers)

    async def credentials(self, *, user: str, now: int) -> Granted:
        """Return the credentials of the first provider that gives any; raise `ProviderFailed` of the last."""
        last = ProviderFailed(None, "there is no provider")
        try:
            async with asyncio.timeout(self._rules.deadline_seconds):
                for provider in self._rules.providers:
                    try:
                        return Granted(provider.name, await self._asked(provider, user=user, now=now))
                    except ProviderFailed as failed:
                        last = failed
        except TimeoutError:
            last = ProviderFailed(None, "no answer in time")
        raise last

    async def _asked(self, provider: TurnProvider, *, user: str, now: int) -> TurnCredentials:
        try:
            async with asyncio.timeout(self._rules.provider_seconds):
                return await provider.credentials(user=user, now=now)
        except TimeoutError:
            raise ProviderFailed(None, f"{provider.name} did not answer in time") from None
