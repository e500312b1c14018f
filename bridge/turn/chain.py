"""TURN providers in the operator's order: when one fails or takes too long, the next takes over."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace

from bridge.conditions import Conditions
from bridge.errors import ProviderFailed
from bridge.turn.pool import PoolRules
from bridge.turn.provider import TurnCredentials, TurnProvider
from bridge.turn.source import LeftAlone, Source, SourceRules
from client.clock import Clock
from client.entropy import Entropy

CONDITION = "turn"
"""The chain's own name among the conditions; a provider's is `turn.` and its word."""

_LOOK_AGAIN_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Granted:
    """Credentials and who made them."""

    provider: str
    credentials: TurnCredentials


@dataclass(frozen=True, slots=True)
class ChainRules:
    """Who is asked, and how."""

    providers: tuple[TurnProvider, ...]
    deadline_seconds: float = 10
    """Time that all together have."""
    each: SourceRules = field(default_factory=SourceRules)
    pooled: frozenset[str] = frozenset()
    """Words of those that may be asked ahead: they make the same kind of credentials for everybody."""
    computed: frozenset[str] = frozenset()
    """Words of those that wait for nobody, and so need neither time nor a place."""

    def of(self, provider: TurnProvider) -> SourceRules:
        """Return what a provider is given."""
        pool = self.each.pool if provider.name in self.pooled else PoolRules(size=0)
        return replace(self.each, pool=pool, is_computed=provider.name in self.computed)


class ProviderChain:
    """Asks providers one after the other; may be empty."""

    def __init__(self, rules: ChainRules, *, clock: Clock, entropy: Entropy, conditions: Conditions) -> None:
        self._clock = clock
        self._entropy = entropy
        self._conditions = conditions
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """What came of asking for requests, by provider: `granted`, `ready` beforehand, `failed` or `left_alone`."""
        self._rules = ChainRules(())
        self._sources: dict[str, Source] = {}
        self._changed = asyncio.Event()
        self.adopt(rules)

    def adopt(self, rules: ChainRules) -> None:
        """Have other rules from the next request on; a provider that is the same keeps what is known of it."""
        before, self._rules, self._sources = self._sources, rules, {}
        for provider in rules.providers:
            source = before.get(provider.name)
            if source is None or source.provider != provider:
                source = self._source(provider)
            else:
                source.adopt(rules.of(provider))
            self._sources[provider.name] = source
        for name in before.keys() - self._sources.keys():
            self._conditions.set(f"{CONDITION}.{name}", None)
        self._report()
        self._changed.set()

    @property
    def names(self) -> tuple[str, ...]:
        """The words of the providers, in order."""
        return tuple(self._sources)

    async def credentials(self, *, user: str, now: int) -> Granted:
        """Return the first credentials that a provider gives; raise the `ProviderFailed` of the last one asked."""
        until = asyncio.get_running_loop().time() + self._rules.deadline_seconds
        last = ProviderFailed(None, "there is no provider to ask")
        for name, source in tuple(self._sources.items()):
            if ready := source.pooled():
                self._changed.set()
                self.outcomes[name, "ready"] += 1
                return Granted(name, ready)
            try:
                credentials = await source.credentials(user=user, now=now, until=until)
            except LeftAlone:
                self.outcomes[name, "left_alone"] += 1
            except ProviderFailed as failed:
                self.outcomes[name, "failed"] += 1
                last = failed
            else:
                self.outcomes[name, "granted"] += 1
                return Granted(name, credentials)
        raise last

    async def run(self) -> None:
        """Keep the pools full, and find out how those are that fail, until cancelled."""
        async with asyncio.TaskGroup() as fetches:
            while True:
                self._changed.clear()
                for source in self._sources.values():
                    for _ in range(source.refills_due()):
                        fetches.create_task(self._refill(source))
                    if source.seconds_to_probe() == 0:
                        source.begin_probe()
                        fetches.create_task(self._probe(source))
                await self._wait()

    async def _refill(self, source: Source) -> None:
        await source.refill()
        self._changed.set()

    async def _probe(self, source: Source) -> None:
        await source.probe()
        self._changed.set()

    async def _wait(self) -> None:
        each = ((source.seconds_to_refill(), source.seconds_to_probe()) for source in self._sources.values())
        waits = [wait for both in each for wait in both if wait is not None]
        try:
            async with asyncio.timeout(min(waits, default=_LOOK_AGAIN_SECONDS)):
                await self._changed.wait()
        except TimeoutError:
            pass  # something in a pool is too old by now, or a provider may be tried again

    def _source(self, provider: TurnProvider) -> Source:
        return Source(
            provider,
            self._rules.of(provider),
            clock=self._clock,
            entropy=self._entropy,
            on_change=self._report,
        )

    def _report(self) -> None:
        sources = self._sources.values()
        # What was fetched ahead is still handed out, so one call that fails is no trouble yet.
        is_down = bool(sources) and all(one.problem or (one.trouble and not one.has_stock) for one in sources)
        for name, source in self._sources.items():
            problem = source.problem or (source.trouble if is_down else None)
            text = problem and f"{name} gives no credentials ({problem}): look at [turn.{name}] in relay.toml"
            self._conditions.set(f"{CONDITION}.{name}", text or None)
        none_left = "no TURN provider gives credentials; a further one in turn.providers would take over"
        self._conditions.set(CONDITION, none_left if is_down else None, is_down=is_down)
        self._changed.set()
