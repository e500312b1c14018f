"""`switchboard accounts`: who has an account, and what an operator does about it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bridge.administration.messages import Json
from bridge.cli.asking import EXIT_REFUSED, JsonOption, asked, complain, day, print_fact, print_json, print_table
from bridge.cli.options import DEFAULT_HOME, HomeOption
from bridge.home import Home

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="List, show, block and delete accounts.\n\n"
    "An account is named by its pseudonym of 16 digits, as the log names it, or by its npub. Everything works beside a "
    "running bridge, where it counts at once, and without one.\n\n"
    "Examples: `switchboard accounts list`; `switchboard accounts show 69c90e4bdf4a1772`; "
    "`switchboard accounts block npub1…`; `switchboard accounts delete 69c90e4bdf4a1772 --yes`.\n\n"
    "Exit status: 0 when it was done, 1 when it was refused (the text says why), 2 when neither bridge nor storage "
    "can be had.",
)

AccountArgument = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Pseudonym of 16 digits, npub, or key in hex.")]
KeysOption = Annotated[bool, typer.Option("--keys", help="Also show public keys, and the names of devices.")]


@app.command("list")
def list_accounts(
    home: HomeOption = DEFAULT_HOME,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Accounts to show at most.")] = 100,
    after: Annotated[str, typer.Option(metavar="NEXT", help="Go on where the last list said that it ended.")] = "0",
    blocked: Annotated[bool, typer.Option("--blocked", help="Only those that are blocked.")] = False,
    keys: KeysOption = False,
    as_json: JsonOption = False,
) -> None:
    """List accounts by their pseudonyms, in no particular order.

    Piped, it is a line for each, with tabs: pseudonym, devices, day of admission, day last seen, `blocked` or nothing,
    and the npub with --keys. Of blocked keys that are no accounts, --blocked tells how many there are: only keyed
    hashes of them are kept. What stands in accounts.blocked of relay.toml is not among them.
    """
    result = asked(Home(home), "accounts.list", limit=limit, after=after, blocked=blocked, with_keys=keys)
    if as_json:
        print_json(result)
        return
    headings = ["account", "devices", "admitted", "last seen", "", *(["npub"] if keys else [])]
    print_table(headings, [_row(account) for account in result["accounts"]])
    if count := result.get("blocked_strangers", 0):
        typer.echo(f"Blocked besides: {count} {'key that is' if count == 1 else 'keys that are'} no account.", err=True)
    if result["next"] is not None:
        typer.echo(f"There are more: --after {result['next']}", err=True)


def _row(account: Json) -> list[str]:
    return [
        account["account_id"],
        str(account["devices"]),
        day(account["admitted_day"]),
        day(account["last_seen_day"]),
        "blocked" if account["blocked"] else "",
        *([account["npub"]] if "npub" in account else []),
    ]


@app.command("show")
def show(
    account: AccountArgument, home: HomeOption = DEFAULT_HOME, keys: KeysOption = False, as_json: JsonOption = False
) -> None:
    """Show an account with its devices."""
    result = asked(Home(home), "accounts.show", account=account, with_keys=keys)
    if as_json:
        print_json(result)
        return
    facts = [("account", result["account_id"]), ("admitted", day(result["admitted_day"]))]
    if "npub" in result:
        facts.insert(1, ("npub", result["npub"]))
    facts.append(("blocked", "yes" if result["blocked"] else "no"))
    for name, value in facts:
        print_fact(name, value)
    headings = ["device", "", "platform", "registered", "last seen", *(["npub", "name"] if keys else [])]
    print_table(headings, [_device(device) for device in result["devices"]])


def _device(device: Json) -> list[str]:
    return [
        device["device_id"],
        "primary" if device["primary"] else "",
        device["platform"] or "",
        day(device["registered_day"]),
        day(device["last_seen_day"]),
        *([device["npub"], device["name"]] if "npub" in device else []),
    ]


@app.command("block")
def block(account: AccountArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Refuse a key, or an account with all its devices, from now on; its connections are closed.

    The key of a device stands for its account. A key that has no account may be blocked too.
    The account and what belongs to it stay; `unblock` takes it back.
    """
    result = asked(Home(home), "accounts.block", account=account)
    if as_json:
        print_json(result)
    else:
        typer.echo(f"{'Blocked' if result['changed'] else 'Was blocked already'}{_whose(result)}{_closed(result)}.")


@app.command("unblock")
def unblock(account: AccountArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Take a block back. A key that stands in accounts.blocked of relay.toml stays refused."""
    result = asked(Home(home), "accounts.unblock", account=account)
    if as_json:
        print_json(result)
    else:
        typer.echo(f"{'Unblocked' if result['changed'] else 'Was not blocked'}{_whose(result)}.")


@app.command("delete")
def delete(
    account: AccountArgument,
    home: HomeOption = DEFAULT_HOME,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase an account: devices, access key, wraps, answers that wait. There is no way back.

    Its permits are remembered until they are full, by a keyed hash, so who comes again finds what was left. To keep
    somebody out, block them: a deleted key may make a new account.
    """
    place = Home(home)
    if not yes:
        if not sys.stdin.isatty():
            complain(["this erases the account for good: write --yes if that is meant"])
            raise typer.Exit(EXIT_REFUSED)
        shown = asked(place, "accounts.show", account=account)
        count = len(shown["devices"])
        devices = f"{count} {'device' if count == 1 else 'devices'}"
        question = f"Erase account {shown['account_id']} of {day(shown['admitted_day'])} with {devices} for good?"
        if not typer.confirm(question):
            typer.echo("Nothing was deleted.")
            raise typer.Exit(EXIT_REFUSED)
    result = asked(place, "accounts.delete", account=account)
    if as_json:
        print_json(result)
    else:
        typer.echo(f"{'Deleted' if result['deleted'] else 'Was gone already'}{_whose(result)}{_closed(result)}.")


def _whose(result: Json) -> str:
    return f": account {result['account_id']}, of which that key is a device" if result["is_device"] else ""


def _closed(result: Json) -> str:
    count = result["connections_closed"]
    return f", {count} {'connection' if count == 1 else 'connections'} closed" if count else ""
