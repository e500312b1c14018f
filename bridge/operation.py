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
from bridge.health.metrics import Metrics, MetricSources
from bridge.health.server import HealthServer
from bridge.home import Home
from bridge.relay.endpoint import RelayEndpoint
from bridge.reload import Reloader
from bridge.settings.tree import Settings
from bridge.upstream import Upstream
from bridge.wiring import Core, Surroundings

VERSION = distribution_version("nostr-switchboard")


@dataclass(frozen=True, slots=True)
class Operation:
    """Everything by which an operator sees and steers a bridge."""

    admin: AdminServer
    health: HealthServer | None

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

    def stop(self) -> None:
        """Say that the bridge is not ready any more."""
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
        reloader=operated.reloader,
        clock=operated.around.clock,
    )
    administration = Administration(_callers(operated), running)
    return Operation(AdminServer(operated.home.path, administration.carry_out), _health(operated))


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
            provider_outcomes=dict,
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
