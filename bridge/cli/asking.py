"""What commands to a bridge have in common: how they ask, what they say when refused, how they show times."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.administration.asking import ask
from bridge.administration.callers import MAX_SECONDS
from bridge.administration.messages import CommandRefused, Json
from bridge.home import Home
from bridge.printable import printable

EXIT_REFUSED = 1
"""Exit status of a command that was understood and not carried out; the text says what to do."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]

_WIDEST = 10_000
"""Columns of a table that nothing makes narrower."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?P<number>[0-9]{1,9})(?P<unit>[smhdw])", re.ASCII)


def asked(home: Home, command: str, **arguments: Any) -> Json:
    """Return a command's result, from the running bridge or its storage; end with status 1 if it is refused."""
    try:
        with word_of_waiting():
            return ask(home, command, os.environ, **arguments)
    except CommandRefused as refused:
        complain(refused.problems)
        raise typer.Exit(EXIT_REFUSED) from None


@contextmanager
def word_of_waiting(seconds: float = 2.0) -> Iterator[threading.Event]:
    """Say on standard error that an answer takes its time, if it takes longer than so; the event tells that it was."""
    told = threading.Event()

    def tell() -> None:
        typer.echo("switchboard: no answer yet; Ctrl-C ends the wait", err=True)
        told.set()

    timer = threading.Timer(seconds, tell)
    timer.daemon = True
    timer.start()
    try:
        yield told
    finally:
        timer.cancel()


def complain(problems: Iterable[str]) -> None:
    """Say on standard error what is wrong."""
    for problem in problems:
        typer.echo(f"switchboard: {printable(problem)}", err=True)


def print_json(result: Json) -> None:
    """Print a result for machines."""
    typer.echo(json.dumps(dict(result), ensure_ascii=False))


def print_fact(name: str, value: str) -> None:
    """Print one value under its name, on a line of its own."""
    typer.echo(f"{name}: {printable(value)}")


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows; on a terminal under headings, elsewhere with tabs between. Nothing is cut off or broken in two."""
    shown = [[printable(value) for value in row] for row in rows]
    console = Console()
    if not console.is_terminal:
        for row in shown:
            typer.echo("\t".join(row))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in shown:
        table.add_row(*map(Text, row))
    if console.measure(table, options=console.options.update_width(_WIDEST)).maximum <= console.width:
        console.print(table)
        return
    # Too narrow for a line each; whoever copies a key must get it whole.
    for row in shown:
        for heading, value in zip(headings, row, strict=True):
            if value:
                typer.echo(f"{heading}: {value}" if heading else value)
        typer.echo()


def day(seconds: int | None) -> str:
    """Return a day as people write it."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).date().isoformat()


def moment(seconds: int | None) -> str:
    """Return a time in UTC, to the minute."""
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def read_duration(text: str) -> int:
    """Return the seconds of a duration such as 7d; raise `typer.BadParameter`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter("write a number and s, m, h, d or w, such as 12h or 7d")
    seconds = int(match["number"]) * _UNITS[match["unit"]]
    if not 1 <= seconds <= MAX_SECONDS:
        raise typer.BadParameter(f"write 1 s to {MAX_SECONDS // _UNITS['d']}d, such as 12h or 7d")
    return seconds
