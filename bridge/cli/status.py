"""`switchboard status`: a running bridge as it is now, or as it goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console

from bridge.administration.client import operator
from bridge.administration.messages import Json
from bridge.cli.asking import JsonOption, print_json, word_of_waiting
from bridge.cli.options import DEFAULT_HOME, HomeOption
from bridge.cli.screen import Screen
from bridge.cli.status_view import lines_of, view_of
from client.clock import SystemClock

EXIT_DOWN = 1
"""Exit status when a part is down without which requests are not answered."""


def command(
    home: HomeOption = DEFAULT_HOME,
    once: Annotated[bool, typer.Option("--once", help="Show it once; so it is wherever no terminal looks.")] = False,
    as_json: JsonOption = False,
    interval: Annotated[
        float, typer.Option(min=0.1, max=20, metavar="SECONDS", help="Time between two looks; more for slow terminals.")
    ] = 1.0,
) -> None:
    """Show how the running bridge is: its connections, relays, parts in trouble, and what happens, until Ctrl-C.

    Asks over the admin socket in the home, which only the bridge's own user and root can use. Nothing that it shows
    is about any one account.

    Examples: `switchboard status`; `switchboard status --once`; `switchboard status --json | jq .problems`.

    Exit status: 0 when all of it works or Ctrl-C ended the view, 1 when a part is down without which requests are not
    answered, 2 when no bridge runs there.
    """
    with operator(home) as bridge:
        with word_of_waiting():
            status = bridge.ask("status")
        console = Console()
        if as_json:
            print_json(status)
        elif once or not console.is_terminal or console.is_dumb_terminal:
            for line in lines_of(status, now=SystemClock().now()):
                typer.echo(line)
        else:
            _watch(console, lambda: bridge.ask("status"), status, interval)
            return
    if status["down"]:
        raise typer.Exit(EXIT_DOWN)


def _watch(console: Console, look: Callable[[], Json], first: Json, interval: float) -> None:
    """Show it again and again, in its place."""
    clock, pause = SystemClock(), threading.Event()
    before, seen_at = first, clock.monotonic()
    with suppress(KeyboardInterrupt), Screen(console) as screen:
        screen.draw(view_of(first, now=clock.now()))
        while not pause.wait(interval):
            status, now = look(), clock.monotonic()
            screen.draw(view_of(status, now=clock.now(), before=before, seconds=now - seen_at))
            before, seen_at = status, now
