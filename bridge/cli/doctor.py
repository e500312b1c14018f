"""`switchboard doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Annotated

import typer
from rich.console import Console

from bridge.cli.options import DEFAULT_HOME, HomeOption
from bridge.doctor.checks import STEPS, all_checks
from bridge.doctor.examination import examine
from bridge.doctor.report import JsonReport, TerminalReport
from bridge.doctor.running import key_of, port_of, told_by
from bridge.doctor.subject import Pages, Subject, read_key
from bridge.home import Home
from client.clock import SystemClock
from client.entropy import SystemEntropy

EXIT_PROBLEM = 1
"""Exit status when something does not work."""


def command(
    home: HomeOption = DEFAULT_HOME,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line and finding, the last one with the counts.")
    ] = False,
    patience: Annotated[
        float, typer.Option(min=0.1, max=600, metavar="SECONDS", help="Time that anybody has to answer.")
    ] = 5.0,
    debug: Annotated[bool, typer.Option("--debug", help="Also show what connections log, on standard error.")] = False,
) -> None:
    """Examine a bridge and its surroundings, and say of everything that is wrong what to do about it.

    Looks at files and their modes, the database, the disk, ports, the clock, the running bridge itself, its public
    address and certificate, every relay under upstream.relays (a gift wrap of each kind to the bridge's own key, there
    and back), the DNS, and every TURN provider (a real allocation at each address). It changes nothing, and may be used
    beside a running bridge or without one. A wrap that it leaves on a relay ends after two minutes.

    Examples: `switchboard doctor`; `switchboard doctor --json | jq 'select(.severity == "problem")'`;
    `switchboard doctor --patience 20` over a slow network.

    Exit status: 0 when nothing is worse than a warning, 1 when something does not work, 2 when the settings cannot be
    used.
    """
    logging.basicConfig(level=logging.DEBUG if debug else logging.CRITICAL + 1)
    # The system's resolver would wait for half a minute for a server that does not answer.
    os.environ.setdefault("RES_OPTIONS", f"timeout:{max(1, round(patience / 2))} attempts:2")
    place = Home(home)
    settings = place.load_settings()
    clock = SystemClock()
    told = told_by(place.path, seconds=patience)
    subject = Subject(
        home=place,
        settings=settings,
        environment=os.environ,
        secret=read_key(place, settings, os.environ),
        clock=clock,
        entropy=SystemEntropy(),
        pages=Pages(clock, seconds=patience),
        patience_seconds=patience,
        port=port_of(told, settings),
        running_key=key_of(told),
    )
    console = Console()
    report = JsonReport(console) if as_json else TerminalReport(console)
    asyncio.run(examine(all_checks(subject), report, seconds=STEPS * patience))
    report.conclude()
    if report.has_problems:
        raise typer.Exit(EXIT_PROBLEM)
