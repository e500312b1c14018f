"""`switchboard run`: the bridge, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal

from rich.console import Console

from bridge.app import Bridge, running_bridge
from bridge.cli.card import facts_of, show_card
from bridge.cli.options import DEFAULT_HOME, HomeOption
from bridge.home import Home
from bridge.logs import set_up_logging
from bridge.settings.service import TurnProvider
from bridge.settings.tree import Settings
from client.clock import SystemClock
from client.entropy import SystemEntropy


def command(home: HomeOption = DEFAULT_HOME) -> None:
    """Run the bridge until SIGTERM or SIGINT; it then finishes what it accepted.

    The log goes to stderr: words on a terminal, JSON lines elsewhere.

    Exit status: 0 after a stop that was asked for, 2 when it cannot start as configured.
    """
    place = Home(home)
    settings = place.load_settings()
    set_up_logging(settings.log)
    asyncio.run(_run(place, settings))


async def _run(home: Home, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop, loop)
    async with running_bridge(
        home, settings, clock=SystemClock(), entropy=SystemEntropy(), environment=os.environ
    ) as bridge:
        _greet(bridge, settings)
        await stop.wait()


def _stop(stop: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    # Whoever presses Ctrl-C now does not want to wait: the program ends at once, and nothing accepted is lost by it.
    loop.remove_signal_handler(signal.SIGINT)
    stop.set()


def _greet(bridge: Bridge, settings: Settings) -> None:
    facts = facts_of(bridge.public_key, bridge.relays)
    facts.append(("admission", settings.accounts.admission.value))
    if settings.turn.provider is TurnProvider.NONE:
        facts.append(("turn", "no provider yet: see [turn] in relay.toml"))
    else:
        facts.append(("turn", f"{settings.turn.provider.value}: {', '.join(settings.turn.urls)}"))
    show_card(Console(), f"{settings.bridge.name} is answering", facts)
