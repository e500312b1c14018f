"""`switchboard demo`: a client's whole exchange, over real sockets, with the times of this machine."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aioice.stun
import aioice.turn
import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from bridge.app import Bridge, running_bridge
from bridge.cli.init import make_home
from bridge.home import Home, write_secret
from bridge.program import typed
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from bridge.turn.managed.child import find_program
from bridge.turn.managed.configuration import Plan
from bridge.turn.managed.rules import description
from client.bridge import BridgeClient
from client.clock import SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy, draw_key
from client.errors import CallFailed
from client.lifetime import linked
from client.results import TurnCredentials
from nips.keys import SecretKey
from nips.nip19 import encode_npub

HOST = "127.0.0.1"
PATIENCE_SECONDS = 30


class CoturnFailed(Exception):
    """There is a coturn, and it does not work."""


def command() -> None:
    """Show a client's whole exchange with a bridge of its own, step by step, ending in a real TURN allocation.

    Everything happens on this machine, in a temporary folder that is removed afterwards. Without coturn
    (`turnserver`) the last step is left out, and the demo says so.

    Exit status: 0 when every step worked, 1 when one failed.
    """
    # The steps are the output; the log would only break into it.
    logging.getLogger().addHandler(logging.NullHandler())
    steps = _Steps(Console())
    try:
        asyncio.run(_demo(steps))
    except (CallFailed, CoturnFailed, TimeoutError, aioice.stun.TransactionError) as error:
        steps.fail(f"{type(error).__name__}: {error}")
        raise typer.Exit(1) from None


class _Steps:
    """Prints each step with the time that it took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._clock = SystemClock()
        self._started = self._since = self._clock.monotonic()

    def done(self, what: str, *details: str) -> None:
        """Print a step that worked."""
        elapsed_ms = 1000 * (self._clock.monotonic() - self._since)
        self._console.print(
            f"[green]✓[/green] [bold]{escape(what)}[/bold] [dim]{elapsed_ms:.1f} ms[/dim]", highlight=False
        )
        for detail in details:
            self._console.print(Padding(Text(detail, style="dim", overflow="fold"), (0, 0, 0, 4)))
        self._since = self._clock.monotonic()

    def total(self) -> None:
        """Print how long everything took."""
        self._console.print(f"All in {1000 * (self._clock.monotonic() - self._started):.0f} ms.", highlight=False)

    def say(self, text: str) -> None:
        """Print words between steps."""
        self._console.print(text, highlight=False, soft_wrap=True)

    def fail(self, what: str) -> None:
        """Print a step that did not work."""
        self._console.print(f"[red]✗[/red] {escape(what)}", highlight=False)


async def _demo(steps: _Steps) -> None:
    with tempfile.TemporaryDirectory(prefix="switchboard-demo-") as name:
        async with asyncio.timeout(PATIENCE_SECONDS), _bridge(Path(name)) as bridge:
            steps.done("a bridge runs", f"{bridge.url}, key {encode_npub(bridge.public_key)}")
            plan = bridge.coturn.plan
            if plan is not None:
                steps.done("coturn runs", f"{description(plan)}, with a secret that only the bridge knows")
            elif bridge.coturn.is_wanted:
                raise CoturnFailed("turnserver is here and does not answer: `switchboard run` tells why")
            await _exchange(bridge, plan, steps)
    if plan is None:
        steps.say(
            "[yellow]No allocation shown: there is no `turnserver` here (Debian: apt-get install coturn).[/yellow]"
        )
    steps.total()
    steps.say(f"Next: [bold]{typed('init')}[/bold], then [bold]{typed('run')}[/bold].")


@asynccontextmanager
async def _bridge(folder: Path) -> AsyncIterator[Bridge]:
    home = Home(folder / "home")
    settings = Settings()
    turn = replace(settings.turn, managed=replace(settings.turn.managed, port=0))
    if find_program() is None:
        # The credentials of a server that is not there: what a client is told can be seen all the same.
        coturn = replace(turn.coturn, urls=(f"turn:{HOST}:3478?transport=udp",))
        turn = replace(turn, providers=(ProviderKind.COTURN,), coturn=coturn)
    metrics = replace(settings.metrics, enabled=False)
    settings = replace(settings, relay=replace(settings.relay, port=0), turn=turn, metrics=metrics)
    await make_home(home, settings, secret=None)
    write_secret(home.path / settings.turn.coturn.secret_files[0], SystemEntropy().draw(32).hex())
    async with running_bridge(
        home, home.load_settings(), clock=SystemClock(), entropy=SystemEntropy(), environment={}
    ) as bridge:
        yield bridge


async def _exchange(bridge: Bridge, plan: Plan | None, steps: _Steps) -> None:
    clock, entropy = SystemClock(), SystemEntropy()
    key = draw_key(entropy)
    link = RelayConnection(bridge.url, keys=[key], clock=clock, entropy=entropy)
    async with linked(link):
        client = BridgeClient(key, bridge.public_key, [link], clock=clock, entropy=entropy)
        await link.wait_ready()
        steps.done("a client connects", "NIP-42: it proved its key; it reads its own gift wraps and no others")
        await _ask(client, key, steps)
        credentials = await client.turn_credentials()
        steps.done("turn.get_credentials", *_describe(credentials))
        if plan is not None:
            await _allocate(credentials, plan.port, steps)


async def _ask(client: BridgeClient, key: SecretKey, steps: _Steps) -> None:
    info = await client.info()
    steps.done("bridge.info", f"version {info.version}, offers {', '.join(info.methods)}, admission {info.admission}")
    account = await client.account()
    left = ", ".join(f"{name} {limit.remaining}" for name, limit in account.limits.items())
    steps.done(
        "account.get", f"account of {encode_npub(key.public_key)}", f"ACI {account.aci}", f"permits left: {left}"
    )


def _describe(credentials: TurnCredentials) -> list[str]:
    # The user name is shown, because this bridge is gone in a moment; a real one never shows either.
    return [
        f"user {credentials.username} (expiry, and a pseudonym of the day)",
        f"for {credentials.ttl_seconds // 3600} h, at {', '.join(credentials.urls)}",
        "on the wire: two gift wraps of kind 21059; what is asked and answered is readable in neither",
    ]


async def _allocate(credentials: TurnCredentials, port: int, steps: _Steps) -> None:
    transport: Any
    transport, _ = await aioice.turn.create_turn_endpoint(
        asyncio.DatagramProtocol,
        server_addr=(HOST, port),
        username=credentials.username,
        password=credentials.password,
    )
    host, port = transport.get_extra_info("sockname")
    steps.done("coturn grants an allocation", f"relayed address {host}:{port}")
    transport.close()
