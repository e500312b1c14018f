"""`switchboard reload`: have a running bridge read its settings again."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from bridge.administration.client import operator
from bridge.administration.messages import CommandRefused
from bridge.cli.asking import EXIT_REFUSED, JsonOption, complain, print_json, word_of_waiting
from bridge.cli.options import DEFAULT_HOME, HomeOption


def command(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Have the running bridge read relay.toml and the secret files again, and say what changed.

    What is marked (live) in relay.toml counts at once; of the rest it says what waits for a restart. A file with a
    mistake in it changes nothing.

    Examples: `switchboard reload`; `switchboard reload --json | jq .after_restart`.

    Exit status: 0 when the settings were adopted, 1 when they were refused, 2 when no bridge runs there.
    """
    with operator(home) as bridge:
        try:
            with word_of_waiting():
                told = bridge.ask("reload")
        except CommandRefused as refused:
            typer.echo("Nothing was changed:", err=True)
            complain(refused.problems)
            raise typer.Exit(EXIT_REFUSED) from None
    if as_json:
        print_json(told)
        return
    _list("Counts from now on", told["changed"])
    _list("Counts after a restart", told["after_restart"])
    if not told["changed"] and not told["after_restart"]:
        typer.echo("Read again; nothing differs from what counts already.")


def _list(title: str, keys: Sequence[str]) -> None:
    if keys:
        typer.echo(f"{title}: {', '.join(keys)}")
