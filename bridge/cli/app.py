"""`switchboard`: a calling backend for Nostr clients that cannot read what it carries."""

from __future__ import annotations

import sys
from importlib.metadata import version as distribution_version
from typing import Annotated

import typer

from bridge.cli import accounts, demo, doctor, init, inspect, invite, reload, run, status
from bridge.errors import StartupError
from bridge.printable import printable
from bridge.settings.problems import SettingsError
from storage.errors import StorageError

EXIT_CONFIGURATION = 2
"""Exit status when the program cannot start as configured; the same as for wrong usage."""

app = typer.Typer(
    name="switchboard",
    help="A calling backend for Nostr: TURN credentials and more, asked and answered in gift wraps.\n\n"
    "First time: `switchboard init`, then `switchboard run`. To see it work: `switchboard demo`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(init.command)
app.command("run")(run.command)
app.command("demo")(demo.command)
app.command("inspect")(inspect.command)
app.command("doctor")(doctor.command)
app.command("status")(status.command)
app.command("reload")(reload.command)
app.add_typer(accounts.app, name="accounts")
app.add_typer(invite.app, name="invite")


def show_version(asked: bool) -> None:
    """Print the version and stop, if asked."""
    if asked:
        typer.echo(f"switchboard {distribution_version('nostr-switchboard')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main() -> None:
    """Run the command line; a start that fails says why in its own words and exits with status 2."""
    try:
        app()
    except (StartupError, SettingsError, StorageError) as error:
        said = "\n".join(map(printable, str(error).split("\n")))
        typer.secho(f"switchboard: {said}", fg=typer.colors.RED if sys.stderr.isatty() else None, err=True)
        sys.exit(EXIT_CONFIGURATION)
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
