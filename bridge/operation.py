"""What a running bridge has for its operator: the admin socket, metrics and health."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from pathlib import Path

from bridge.administration.callers import Callers
from bridge.administration.commands import Administration
from bridge.administration.running import RunningBridge
from bridge.administration.server import AdminServer
from bridge.health.courier import Courier, Ways
from bridge.health.memory import IncidentMemory
from bridge.health.metrics import Metrics, MetricSources
from bridge.health.notices import NoticeRules, notice_rules
from bridge.health.server import HealthServer
from bridge.health.watch import Watch
from bridge.home import Home
from bridge.relay.endpoint import RelayEndpoint
from bridge.reload import LivePart, Reloader
from bridge.settings.tree import Settings
from bridge.terms import admission_rules
from bridge.upstream import Upstream
from bridge.wiring import Core, Surroundings

VERSION = distribution_version("nostr-switchboard")


@dataclass(frozen=True, slots=True)
class Operation:
    """Everything by which an operator sees and steers a bridge."""

    admin: AdminServer
    health: HealthServer | None
    watch: Watch
    courier: Courier
    running: RunningBridge

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen while the block runs."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.admin)
            if self.health is not None:
                await stack.enter_async_context(self.health)
            yield

    async def run(self) -> None:
        """Answer until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.admin.run())
            tasks.create_task(self.watch.run())
            tasks.create_task(self.courier.run())

    def stop(self) -> None:
        """Say that the bridge is not ready any more."""
        self.running.is_stopping = True
        if self.health is not None:
            self.health.is_stopping = True

    @property
    def metrics_url(self) -> str | None:
        """Where metrics are, if anywhere."""
        return self.health.url if self.health is not None else None


@dataclass(frozen=True, slots=True)
class Operated:
    """The parts of a bridge that its operator sees or steers."""

    home: Home
    settings: Settings
    around: Surroundings
    core: Core
    endpoint: RelayEndpoint
    upstream: Upstream
    reloader: Reloader
    figures: Callable[[], Mapping[str, int]]


def build_operation(operated: Operated) -> Operation:
    """Return what the operator has, as the settings want it."""
    running = RunningBridge(
        public_key=operated.around.identity.secret.public_key,
        version=VERSION,
        url=operated.around.own_url,
        links=operated.upstream.links,
        figures=operated.figures,
        conditions=operated.around.conditions,
        events=operated.core.counts,
        tallies=operated.core.tallies,
        provider_outcomes=lambda: operated.around.chain.outcomes,
        accounts=operated.around.storage.accounts,
        reloader=operated.reloader,
        clock=operated.around.clock,
    )
    callers = _callers(operated)

    async def close_blocked(before: Settings, after: Settings) -> None:
        await callers.close_blocked(set(admission_rules(after).blocked) - set(admission_rules(before).blocked))

    operated.reloader.follow_up(close_blocked)
    administration = Administration(callers, running)
    admin = AdminServer(operated.home.path, administration.carry_out)
    return Operation(admin, _health(operated), *_watchers(operated), running)


def _callers(operated: Operated) -> Callers:
    around = operated.around
    return Callers(
        accounts=around.storage.accounts,
        invites=around.storage.invites,
        pseudonyms=around.identity.pseudonyms,
        clock=around.clock,
        entropy=around.entropy,
        max_invites=lambda: operated.reloader.settings.accounts.max_invites,
        dismiss=operated.endpoint.dismiss,
        forget=operated.core.outbox.forget,
    )


def _watchers(operated: Operated) -> tuple[Watch, Courier]:
    around, rules = operated.around, notice_rules(operated.settings)
    courier = Courier(
        rules.operator,
        Ways(
            bridge=around.identity.secret.public_key,
            sealing=around.sealing,
            here=around.here,
            gift_wraps=around.storage.gift_wraps,
            public_events=around.storage.public_events,
            quota=operated.settings.wraps.quota_per_recipient,
            own_url=around.own_url,
            links=operated.upstream.links,
            clock=around.clock,
        ),
        on_delivered=lambda notice: watch.delivered(notice),
    )
    watch = Watch(
        rules,
        tallies=operated.core.tallies,
        conditions=around.conditions,
        links=operated.upstream.links,
        memory=IncidentMemory(operated.home.path),
        tell=courier.send,
        clock=around.clock,
    )

    def adopt(adopted: NoticeRules) -> None:
        watch.adopt(adopted)
        courier.adopt(adopted.operator)

    operated.reloader.add(LivePart(notice_rules, adopt))
    return watch, courier


def _health(operated: Operated) -> HealthServer | None:
    settings = operated.settings.metrics
    if not settings.enabled:
        return None
    core, around = operated.core, operated.around
    names = dict.fromkeys(around.catalogue.events, 0)
    database = operated.home.path / operated.settings.storage.file
    metrics = Metrics(
        MetricSources(
            version=VERSION,
            events=lambda: names | core.counts.counts,
            tallies=core.tallies,
            figures=operated.figures,
            verdicts=lambda: operated.endpoint.verdicts,
            provider_outcomes=lambda: around.chain.outcomes,
            links=operated.upstream.links,
            storage_bytes=lambda: sizes_of(database),
            conditions=around.conditions,
        )
    )
    return HealthServer(
        host=settings.host,
        port=settings.port,
        max_connections=settings.max_connections,
        metrics=metrics.text,
        conditions=around.conditions,
    )


def sizes_of(database: Path) -> Mapping[str, int]:
    """Return the sizes of the database and of its write-ahead log in bytes."""
    files = {"database": database, "log": database.with_name(f"{database.name}-wal")}
    return {name: file.stat().st_size if file.exists() else 0 for name, file in files.items()}
