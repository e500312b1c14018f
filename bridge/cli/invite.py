"""`switchboard invite`: codes that let keys in under `admission = "invite"`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from bridge.administration.callers import MAX_NUMBER
from bridge.administration.client import NotRunning, operator
from bridge.administration.messages import Json
from bridge.cli.asking import JsonOption, asked, day, moment, print_json, print_table, read_duration
from bridge.cli.card import facts_of
from bridge.cli.options import DEFAULT_HOME, HomeOption
from bridge.home import Home
from bridge.settings.accounts import Admission
from bridge.settings.tree import Settings
from nips.keys import PublicKey
from nips.nip19 import parse_public_key_text

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help='Make, list and revoke invites, for `admission = "invite"` in [accounts].\n\n'
    "Whoever has a code and uses left may make an account with it; the client sends it with its first request.\n\n"
    "Examples: `switchboard invite create --note Alice`; `switchboard invite create --uses 20 --for 7d`; "
    "`switchboard invite list`; `switchboard invite revoke 3`.\n\n"
    "Exit status: 0 when it was done, 1 when it was refused (the text says why), 2 when neither bridge nor storage "
    "can be had.",
)


def _checked(text: str | None) -> str | None:
    if text is not None:
        read_duration(text)
    return text


@app.command("create")
def create(
    home: HomeOption = DEFAULT_HOME,
    uses: Annotated[int, typer.Option(min=1, max=1_000_000, help="Accounts that may be made with it.")] = 1,
    duration: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="DURATION",
            callback=_checked,
            help="How long: 30m, 12h, 7d, 4w. Default: for good.",
        ),
    ] = None,
    note: Annotated[str, typer.Option(help="For you: whom it is for. Kept encrypted.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make an invite and print its code, with what a client needs beside it: where the bridge is.

    Hand both over in private: the code is all that it takes.
    """
    place = Home(home)
    settings = place.load_settings()
    public_key = _key_of_bridge(place, settings)
    seconds = None if duration is None else read_duration(duration)
    result = asked(place, "invites.create", uses=uses, expires_in_seconds=seconds, note=note)
    facts = dict(facts_of(public_key, settings.told_relays()))
    if as_json:
        print_json({**result, "nprofile": facts["nprofile"]})
        return
    typer.echo(f"code: {result['code']}")
    typer.echo(f"nprofile: {facts['nprofile']}")
    typer.echo(f"Invite {result['number']}: {_uses(result)}, {_until(result)}.")
    if (admission := settings.accounts.admission) is not Admission.INVITE:
        typer.echo(f'accounts.admission is "{admission}": no code is asked for until it is "invite".', err=True)


@app.command("list")
def list_invites(
    home: HomeOption = DEFAULT_HOME,
    codes: Annotated[bool, typer.Option("--codes", help="Also show the codes.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List invites that can still be used.

    Piped, it is a line for each, with tabs: number, uses left, uses in all, end, day made, note, and the code with
    --codes.
    """
    result = asked(Home(home), "invites.list", with_codes=codes)
    if as_json:
        print_json(result)
        return
    headings = ["number", "left", "of", "ends", "made", "note", *(["code"] if codes else [])]
    print_table(headings, [_row(invite) for invite in result["invites"]])


def _row(invite: Json) -> list[str]:
    return [
        str(invite["number"]),
        str(invite["uses_left"]),
        str(invite["uses"]),
        moment(invite["expires_at"]),
        day(invite["created_day"]),
        invite["note"],
        *([invite["code"]] if "code" in invite else []),
    ]


@app.command("revoke")
def revoke(
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=0, max=MAX_NUMBER, help="As `invite list` tells it.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Take an invite back. Accounts that were made with it stay."""
    result = asked(Home(home), "invites.revoke", number=number)
    if as_json:
        print_json(result)
    else:
        typer.echo(f"Revoked invite {number}.")


def _key_of_bridge(place: Home, settings: Settings) -> PublicKey:
    """Return the bridge's public key; a running bridge tells it also where its storage key is out of our reach."""
    try:
        with operator(place.path) as bridge:
            return parse_public_key_text(str(bridge.ask("status")["npub"]))
    except NotRunning:
        return place.read_key(settings, os.environ).public_key


def _uses(invite: Json) -> str:
    return f"{invite['uses']} {'use' if invite['uses'] == 1 else 'uses'}"


def _until(invite: Json) -> str:
    return "for good" if invite["expires_at"] is None else f"until {moment(invite['expires_at'])}"
