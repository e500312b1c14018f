"""`switchboard run`: the bridge, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from rich.console import Console

from bridge.app import Bridge, running_bridge
from bridge.cli.card import facts_of, show_card
from bridge.cli.options import DEFAULT_HOME, HomeOption
from bridge.home import Home
from bridge.logs import set_level, set_up_logging
from bridge.reload import LivePart, ReloadRefused
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from bridge.turn.managed.from_settings import none_because
from bridge.turn.managed.rules import description
from bridge.turn.managed.server import ManagedCoturn
from client.clock import SystemClock
from client.entropy import SystemEntropy
from storage.errors import StorageError, StorageFailed

log = logging.getLogger(__name__)

EXIT_INTERRUPTED = 130
"""Exit status of a program that Ctrl-C ended: 128 + SIGINT."""


def command(home: HomeOption = DEFAULT_HOME) -> None:
    """Run the bridge until SIGTERM or SIGINT; it then finishes what it accepted.

    The log goes to stderr: words on a terminal, JSON lines elsewhere. On SIGUSR1 it says how much is in memory; on
    SIGHUP it reads its settings again, as `switchboard reload` has it do, unless its terminal was closed.

    Exit status: 0 after a stop that was asked for, 130 after Ctrl-C twice, 2 when it cannot start as configured, or
    when its storage has ended; started again, it goes on where it was.
    """
    place = Home(home)
    settings = place.load_settings()
    set_up_logging(settings.log)
    try:
        asyncio.run(_run(place, settings))
    except ExceptionGroup as failures:
        storage, others = failures.split(StorageError)
        if storage is None or others is not None:
            raise
        raise StorageFailed(str(_first(storage))) from failures


def _first(failures: ExceptionGroup[StorageError]) -> Exception:
    failure: Exception = failures
    while isinstance(failure, ExceptionGroup):
        failure = failure.exceptions[0]
    return failure


async def _run(home: Home, settings: Settings) -> None:
    stop, hung_up = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop, loop)
    # Before the bridge says that it is ready, because unheeded these signals would end the program.
    running: list[Bridge] = []
    loop.add_signal_handler(signal.SIGUSR1, _tell_figures, running)
    loop.add_signal_handler(signal.SIGHUP, partial(_hang_up, stop, hung_up, had_terminal=sys.stderr.isatty()))
    log_level = LivePart(lambda read: read.log.level, set_level)
    async with running_bridge(
        home, settings, clock=SystemClock(), entropy=SystemEntropy(), environment=os.environ, live=[log_level]
    ) as bridge:
        running.append(bridge)
        _spare_collector()
        _greet(bridge, settings)
        async with asyncio.TaskGroup() as tasks:
            reloading = tasks.create_task(_reload_whenever(hung_up, bridge))
            await stop.wait()
            reloading.cancel()


def _spare_collector() -> None:
    """Have the collector of cycles look seldom, and not at what lives as long as the program.

    Nearly everything here is freed by its last reference; at Python's own thresholds a tenth of the time goes into
    looking for what is not.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def _stop(stop: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    # Whoever presses Ctrl-C again does not want to wait. What was accepted is on disk, so the end may be abrupt.
    loop.add_signal_handler(signal.SIGINT, os._exit, EXIT_INTERRUPTED)
    stop.set()


def _hang_up(stop: asyncio.Event, hung_up: asyncio.Event, *, had_terminal: bool) -> None:
    """Tell a request to read the settings again from the end of the terminal that the bridge runs on."""
    is_over = had_terminal and not sys.stderr.isatty()
    (stop if is_over else hung_up).set()


async def _reload_whenever(hung_up: asyncio.Event, bridge: Bridge) -> None:
    while True:
        await hung_up.wait()
        hung_up.clear()
        # Why it was refused is in the log.
        with suppress(ReloadRefused):
            await bridge.reload()


def _tell_figures(running: Sequence[Bridge]) -> None:
    for bridge in running:
        log.info("figures", extra={"facts": bridge.figures()})


def _greet(bridge: Bridge, settings: Settings) -> None:
    facts = facts_of(bridge.public_key, bridge.relays)
    facts.append(("admission", settings.accounts.admission.value))
    facts.append(("turn", _turn(settings, bridge.coturn)))
    is_public = bool(settings.bridge.public_url or settings.upstream.relays)
    if not is_public:
        facts.append(("reach", "this machine only, until public_url in relay.toml says where others find it"))
    code = f"nostr:{dict(facts)['nprofile']}" if is_public else None
    show_card(_Stdout(), f"{settings.bridge.name} is answering", facts, code=code)


class _Stdout(Console):
    """Prints as long as somebody reads: who has seen enough (`| head -1`) is no reason to stop."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        # What could not be written is written once more when the interpreter ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _turn(settings: Settings, coturn: ManagedCoturn) -> str:
    if not settings.turn.providers and not coturn.is_wanted:
        return f'none: {none_because(settings)}. See docs/operator.md, "TURN without a provider"'
    kinds = settings.turn.providers or (ProviderKind.MANAGED,)
    return "; then ".join(_provider(kind, settings, coturn) for kind in kinds)


def _provider(kind: ProviderKind, settings: Settings, coturn: ManagedCoturn) -> str:
    if kind is not ProviderKind.MANAGED:
        return f"{kind}: {', '.join(settings.turn.of(kind).urls)}"
    return description(coturn.plan) if coturn.plan else "managed coturn, which does not answer yet: see the log"
