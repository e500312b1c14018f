"""Put any relay to the checks: `python -m tests.relay.check ws://…`, or `--peer all` for those that others wrote."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import Progress

from nips.errors import NipError
from nips.keys import SecretKey
from nips.nip19 import decode_nsec
from tests.relay.catalogue import matching
from tests.relay.checks import Check, CheckFailed, Level
from tests.relay.others import NOT_STARTED, OTHERS
from tests.relay.runner import Outcome, Result, probe, run_checks
from tests.relay.scene import Scene
from tests.relay.scores import as_json, print_result, score_table
from tests.relay.target import Target
from tests.support import command_line

ABOUT = """
Talk to a Nostr relay as its clients do, and tell which rules of the NIPs it keeps.

The relay is first asked which kinds it takes and what its NIP-11 document says; a rule that says nothing about such a
relay is "not applicable", with the reason. What it takes is tested: a relay for notes with notes, one for gift wraps
with gift wraps. Levels are those of the NIPs; "own rule" is what Switchboard asks of itself beyond them.
"""
PLAIN = """
This publishes some hundreds of test events, signed with keys that are made for it and thrown away, most of them small.
Some are malformed on purpose. Do it to relays that are yours, or whose operator agrees: it may get your address banned.

exit status: 0: no MUST failed; 1: one did; 2: it could not be tried

examples:
  python -m tests.relay.check ws://127.0.0.1:7447
  python -m tests.relay.check wss://relay.example.org --only nip42 --timeout 10
  python -m tests.relay.check ws://127.0.0.1:7447 --only 'nip01.*limit' --all
  python -m tests.relay.check --peer all
  python -m tests.relay.check ws://127.0.0.1:7447 --json | jq -r 'select(.pass == false) | .test'
"""


class CannotTry(Exception):
    """The relay could not be checked at all; the text says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a relay as the command line says; return the exit status."""
    options = _parser().parse_args(arguments)
    checks = matching(options.only)
    if options.list:
        for check in checks:
            sys.stdout.write(f"{check.name}  [{check.level.value}; {check.source}]\n    {check.rule}\n")
        return 0
    try:
        results = asyncio.run(_run(checks, options))
    except CannotTry as reason:
        sys.stderr.write(f"{reason}\n")
        return 2
    is_kept = all(result.outcome is not Outcome.FAILED for result in results if result.check.level is Level.MUST)
    return 0 if is_kept else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.relay.check",
        description=ABOUT,
        epilog=PLAIN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", nargs="?", help="where the relay is: ws://… or wss://…")
    parser.add_argument(
        "--peer", choices=[*OTHERS, "all"], help="instead: start a relay that others wrote, and tell its score"
    )
    parser.add_argument("--only", metavar="PATTERN", default="", help="only checks whose name contains this; * is free")
    parser.add_argument("--list", action="store_true", help="list the checks and their rules, and do nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for each check, and no table")
    parser.add_argument("--all", action="store_true", help="tell of the checks that passed, too")
    parser.add_argument(
        "--nsec", help="a key that every connection proves first, for a relay that serves its members only"
    )
    parser.add_argument(
        "--timeout", type=command_line.amount, default=5.0, metavar="SECONDS", help="what an answer may take (5)"
    )
    parser.add_argument(
        "--at-once", type=command_line.count, default=4, metavar="N", help="checks that run at the same time (4)"
    )
    return parser


async def _run(checks: Sequence[Check], options: argparse.Namespace) -> list[Result]:
    if not checks:
        raise CannotTry(f"No check has {options.only!r} in its name. Next: look at --list.")
    member = _member(options.nsec)
    if not options.peer:
        url = _relay_url(options.url or "")
        return await _put_to(Target(url, timeout=options.timeout, member=member), url, checks, options)
    if options.url:
        raise CannotTry("Name a relay by its URL or one of --peer, not both.")
    results = []
    for name in OTHERS if options.peer == "all" else [options.peer]:
        try:
            async with OTHERS[name]() as url:
                target = Target(url, timeout=options.timeout, member=member)
                results += await _put_to(target, f"{name} at {url}", checks, options)
        except NOT_STARTED as error:
            raise CannotTry(f"{name}: {error}") from None
    return results


def _relay_url(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise CannotTry("Name the relay by its URL, ws://… or wss://…; --help says more.")
    return text


def _member(nsec: str | None) -> SecretKey | None:
    try:
        return decode_nsec(nsec) if nsec else None
    except NipError as error:
        raise CannotTry(f"--nsec: {error}") from None


async def _put_to(target: Target, name: str, checks: Sequence[Check], options: argparse.Namespace) -> list[Result]:
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    await _see_that_it_answers(target)
    if not options.json:
        out.print(f"{name}, {len(checks)} checks; test events are signed with throw-away keys.")
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("asking what it takes", total=len(checks))
        probed = await probe(target)

        def tell(result: Result) -> None:
            progress.update(task, advance=1, description=result.check.name)
            if options.json:
                out.file.write(as_json(result) + "\n")

        results = await run_checks(checks, probed, at_once=options.at_once, on_result=tell)
    if not options.json:
        for result in results:
            print_result(out, result, is_passing_shown=options.all)
        out.print()
        out.print(score_table(results))
    return results


async def _see_that_it_answers(target: Target) -> None:
    try:
        async with Scene(target) as scene:
            await (await scene.connect_unproved()).request({"ids": ["0" * 64]})
    except CheckFailed as error:
        raise CannotTry(
            f"{target.url}: {error}. Next: see that it runs, or give it more time with --timeout."
        ) from None


if __name__ == "__main__":
    command_line.run(main)
