"""The composition root: builds every long-lived thing, and owns their lifetimes.

Starting goes from the inside out, so that nothing is taken in before it can be answered; stopping goes the other way:
stop reading, finish what was accepted, flush, close.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from typing import Any

from bridge.announcements import announcements
from bridge.conditions import Conditions
from bridge.home import Home
from bridge.http import HttpClient
from bridge.identity import Identity, load_identity
from bridge.operation import Operated, Operation, build_operation
from bridge.relay.endpoint import RelayEndpoint
from bridge.relay.from_settings import relay_limits, relay_profile
from bridge.reload import LivePart, Reloaded, Reloader
from bridge.sealing import Sealing
from bridge.settings.tree import Settings
from bridge.turn.chain import ChainRules, ProviderChain
from bridge.turn.from_settings import chain_rules, secret_digests
from bridge.turn.managed.from_settings import managed_rules, none_because
from bridge.turn.managed.secret import TurnSecretKeeper
from bridge.turn.managed.server import ManagedCoturn
from bridge.upstream import Upstream
from bridge.wiring import Core, Surroundings, build_core
from bridge.workers.from_settings import build_sealing
from client.clock import Clock
from client.entropy import Entropy
from nips.event import VerifiedEvent
from nips.keys import PublicKey
from protocol.catalogue import load_catalogue
from storage.errors import StorageError
from storage.sqlite import SqliteStorage

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bridge:
    """A running bridge, as its operator sees it."""

    public_key: PublicKey
    url: str
    """Our own endpoint."""
    relays: Sequence[str]
    """Where clients are told to come."""
    figures: Callable[[], Mapping[str, int]]
    """Counts what is in memory at the moment, by name."""
    reload: Callable[[], Awaitable[Reloaded]]
    """Reads the settings again; raises `ReloadRefused` when they cannot be used, and then nothing changes."""
    coturn: ManagedCoturn
    """The TURN server that it runs, or does not."""
    metrics_url: str | None
    """Where metrics and health are, if anywhere."""


@dataclass(frozen=True, slots=True)
class _Parts:
    settings: Settings
    storage: SqliteStorage
    identity: Identity
    sealing: Sealing
    endpoint: RelayEndpoint
    upstream: Upstream
    core: Core
    coturn: ManagedCoturn
    chain: ProviderChain
    conditions: Conditions
    reloader: Reloader
    operation: Operation
    clock: Clock
    entropy: Entropy

    @property
    def announced(self) -> list[str]:
        """Where clients are told to come. An address of this machine alone would send others to their own machine."""
        own = [self.endpoint.url] if self.settings.bridge.public_url or not self.upstream.links else []
        return [*own, *self.upstream.links]

    def seen_from_outside(self) -> Bridge:
        """Return what the operator gets to see."""
        key = self.identity.secret.public_key
        metrics = self.operation.metrics_url
        return Bridge(key, self.endpoint.url, self.announced, self.figures, self.reloader.reload, self.coturn, metrics)

    def figures(self) -> Mapping[str, int]:
        """Count what is at work; with no client and no request all but `tasks` and `workers` are 0."""
        return {
            "tasks": len(asyncio.all_tasks()),
            "connections": self.endpoint.connections,
            "subscriptions": self.endpoint.subscriptions,
            "requests": self.core.inbox.waiting,
            "live_answers": self.core.outbox.held,
            "workers": self.sealing.workers,
        }


class _OwnRelay:
    """Our endpoint as the outbox knows it: the endpoint needs the inbox, which needs the outbox first."""

    def __init__(self) -> None:
        self.endpoint: RelayEndpoint | None = None

    def deliver(self, event: VerifiedEvent) -> int:
        """Deliver to whoever listens; before the endpoint is open that is nobody."""
        return self.endpoint.deliver(event) if self.endpoint else 0

    def hand_over(self, event: VerifiedEvent) -> bool:
        """Do the same; tell whether somebody who has proved the recipient's key got it."""
        return self.endpoint is not None and self.endpoint.hand_over(event)

    def dismiss(self, keys: Iterable[str], reason: str) -> int:
        """Close every connection that proved one of these keys, telling why; return how many."""
        return self.endpoint.dismiss(keys, reason) if self.endpoint else 0

    def storing(self, event_ids: Iterable[str]) -> AbstractContextManager[None]:
        """Know these events for ones that are delivered as soon as they are stored."""
        return self.endpoint.storing(event_ids) if self.endpoint else nullcontext()

    def has_listeners(self, pubkey: str) -> bool:
        """Tell whether somebody asks for a key's wraps at all."""
        return self.endpoint is not None and self.endpoint.has_listeners(pubkey)

    def is_listening(self, pubkey: str, kind: int) -> bool:
        """Tell whether somebody listens for a key's wraps."""
        return self.endpoint is not None and self.endpoint.is_listening(pubkey, kind)


@asynccontextmanager
async def running_bridge(
    home: Home,
    settings: Settings,
    *,
    clock: Clock,
    entropy: Entropy,
    environment: Mapping[str, str],
    live: Sequence[LivePart[Any]] = (),
) -> AsyncIterator[Bridge]:
    """Run a bridge from entering to leaving; raise `StartupError` or `StorageError` if it cannot start.

    `live` are parts of the caller's own that go by other settings when those are read again.
    """
    storage = await home.open_storage(settings, environment)
    try:
        async with HttpClient() as http:
            parts = await _build(home, settings, storage, http, clock, entropy, live)
            async with _serving(parts):
                yield parts.seen_from_outside()
    finally:
        await storage.close()


async def _build(
    home: Home,
    settings: Settings,
    storage: SqliteStorage,
    http: HttpClient,
    clock: Clock,
    entropy: Entropy,
    live: Sequence[LivePart[Any]],
) -> _Parts:
    identity = await load_identity(storage.secrets)
    sealing = build_sealing(settings, identity.secret, clock=clock, entropy=entropy)
    upstream = Upstream(
        settings.upstream, identity.secret, limits=relay_limits(settings).publish, clock=clock, entropy=entropy
    )
    here, conditions = _OwnRelay(), Conditions()
    keeper = TurnSecretKeeper(storage.secrets, clock=clock, entropy=entropy)
    rules = managed_rules(settings, home, takes_any_certificate=True)
    coturn = ManagedCoturn(rules, keeper=keeper, conditions=conditions, clock=clock, entropy=entropy)
    chain = ProviderChain(
        _chain_rules(settings, home, http, coturn), clock=clock, entropy=entropy, conditions=conditions
    )
    around = Surroundings(
        identity=identity,
        sealing=sealing,
        storage=storage,
        clock=clock,
        entropy=entropy,
        catalogue=load_catalogue(),
        conditions=conditions,
        http=http,
        here=here,
        publishers=upstream.links,
        own_url=lambda: parts.endpoint.url,
        relays=lambda: parts.announced,
        chain=chain,
    )
    core = build_core(settings, around)
    endpoint = _endpoint(settings, around, core)
    here.endpoint = endpoint
    endpoint.on_listening = core.outbox.listener_came
    endpoint.on_gone = core.outbox.part_with
    managed = LivePart(lambda read: managed_rules(read, home), coturn.adopt)
    providers = LivePart(lambda read: _chain_rules(read, home, http, coturn), chain.adopt)
    live = [*core.live, managed, providers, *live]
    reloader = Reloader(home.load_settings, settings, live, secrets=lambda read: secret_digests(read.turn, home))
    operated = Operated(home, settings, around, core, endpoint, upstream, reloader, lambda: parts.figures())
    built = settings, storage, identity, sealing, endpoint, upstream, core, coturn, chain
    parts = _Parts(*built, conditions, reloader, build_operation(operated), clock, entropy)
    return parts


def _chain_rules(settings: Settings, home: Home, http: HttpClient, coturn: ManagedCoturn) -> ChainRules:
    return chain_rules(settings.turn, home, http, coturn if none_because(settings) is None else None)


def _endpoint(settings: Settings, around: Surroundings, core: Core) -> RelayEndpoint:
    return RelayEndpoint(
        bridge=around.identity.secret.public_key,
        inbox=core.inbox,
        storage=around.storage,
        clock=around.clock,
        entropy=around.entropy,
        host=settings.relay.host,
        port=settings.relay.port,
        public_url=settings.bridge.public_url,
        read_without_auth=settings.compat.read_without_auth,
        profile=relay_profile(settings.bridge, version=distribution_version("nostr-switchboard")),
        limits=relay_limits(settings),
    )


@asynccontextmanager
async def _serving(parts: _Parts) -> AsyncIterator[None]:
    """Serve while the block runs; what the block raises comes out as it is, not in a group."""
    core, failure = parts.core, None
    recovered = await core.inbox.recover()
    await core.outbox.recover()
    await core.domains.recall()
    if recovered:
        log.info("answering what an earlier run accepted", extra={"facts": {"requests": recovered}})
    async with parts.operation.listening(), parts.endpoint, asyncio.TaskGroup() as tasks:
        background = [tasks.create_task(work) for work in _background(parts)]
        parts.upstream.listen(core.inbox)
        tasks.create_task(parts.upstream.run(await _announce(parts)))
        await parts.coturn.settled()
        if parts.settings.turn.managed.enabled and not (parts.settings.turn.providers or parts.coturn.is_wanted):
            log.info("no TURN server", extra={"facts": {"reason": none_because(parts.settings)}})
        facts = {"url": parts.endpoint.url, "port": parts.endpoint.port, "metrics": parts.operation.metrics_url}
        log.info("ready", extra={"facts": facts})
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again below
            failure = error
        finally:
            await _finish(parts)
        for task in background:
            task.cancel()
    log.info("stopped")
    if failure is not None:
        raise failure


def _background(parts: _Parts) -> Sequence[Coroutine[Any, Any, None]]:
    """Return what runs until everything that was accepted is answered, the most needed first."""
    core = parts.core
    return (
        # Without its storage a bridge is deaf; whoever watches over programs starts it again.
        parts.storage.watch(),
        parts.sealing.run(),
        core.inbox.run(),
        core.outbox.run(),
        core.names.run(),
        parts.coturn.run(),
        parts.chain.run(),
        core.domains.run(),
        parts.operation.run(),
        _upkeep(parts),
    )


async def _announce(parts: _Parts) -> Sequence[VerifiedEvent]:
    """Publish on our own relay where the bridge reads and what it answers, and return the same for other relays."""
    about_us = announcements(
        parts.identity.secret, parts.settings.bridge, parts.announced, clock=parts.clock, entropy=parts.entropy
    )
    for event in about_us:
        await parts.endpoint.publish_own(event)
    return about_us


async def _finish(parts: _Parts) -> None:
    """Stop reading and answer what was accepted, as far as the grace goes; the rest is answered at the next start."""
    log.info("stopping")
    parts.operation.stop()
    steps = parts.endpoint.stop_reading, parts.core.inbox.drain, parts.core.outbox.flush
    if not await in_steps(steps, seconds=parts.settings.stop.grace_seconds):
        log.warning("grace is over, the rest is answered at the next start")
    await parts.upstream.close()


async def in_steps(steps: Sequence[Callable[[], Awaitable[None]]], *, seconds: float) -> bool:
    """Take steps that have so long together, and tell whether all came to their end.

    Each has as much as the next, and what those before left, so that none that hangs keeps the others from their turn.
    """
    begun = asyncio.get_running_loop().time()
    is_done = True
    for number, step in enumerate(steps, start=1):
        try:
            async with asyncio.timeout_at(begun + seconds * number / len(steps)):
                await step()
        except TimeoutError:
            is_done = False
    return is_done


async def _upkeep(parts: _Parts) -> None:
    while True:
        try:
            removed = await parts.storage.purge(now=parts.clock.now(), buckets=dict(parts.core.buckets))
        except StorageError as error:
            log.warning("expired data not removed", extra={"facts": {"error": type(error).__name__}})
        else:
            log.debug("expired data removed", extra={"facts": removed})
        await asyncio.sleep(parts.settings.storage.purge_interval_seconds)
