"""`make fuzz`: a million mutated frames and wraps, and then each parser under a fuzzer that watches its branches."""

from __future__ import annotations

import argparse
import logging
import re
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz import guided
from tests.fuzz.campaign import (
    ENOUGH_FOR_MEMORY,
    KINDS,
    Failure,
    Outcome,
    resident_bytes,
    run_campaign,
    save,
)
from tests.support import command_line

FOUND = Path(".fuzz")
GUIDED_SECONDS = 15


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments say and return the exit status: 1 when something was found."""
    parser = _options()
    options = parser.parse_args(arguments)
    if options.case is not None and not options.kind:
        parser.error("argument --case: says nothing without --kind")
    # As the program does: what hostile peers do to it, that library reports as errors of its own.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    if options.case is not None:
        KINDS[options.kind].run(options.seed, options.case)
        print(f"{options.kind}, seed {options.seed}, case {options.case}: nothing wrong")
        return 0
    kinds = {options.kind: KINDS[options.kind]} if options.kind else KINDS
    print(f"seed {options.seed}, {options.count:,} frames and wraps", flush=True)
    outcome = run_campaign(
        kinds,
        seed=options.seed,
        count=options.count,
        seconds=60 * options.minutes,
        say=lambda line: print(line, flush=True),
        measure=resident_bytes,
    )
    is_good = _report(outcome)
    if not (options.mutants_only or options.kind):
        is_good &= _guide(options.guided_seconds)
    print("nothing wrong" if is_good else "something is wrong")
    return 0 if is_good else 1


def _guide(seconds: int) -> bool:
    """Run each target under the fuzzer that watches branches, in a process of its own; tell whether all is well."""
    if not guided.IS_INSTALLED:
        print("atheris is not installed (scripts/setup.sh fuzz), or not to be had for this machine: mutants only")
        return True
    is_good, amount = True, len(guided.TARGETS)
    print(f"{amount} targets under atheris, {seconds} s each", flush=True)
    for number, name in enumerate(guided.TARGETS, 1):
        command = [sys.executable, "-m", "tests.fuzz.guided", name, str(seconds), str(FOUND)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        print(f"  {number:2}/{amount}  {name:16} {_executed(ended.stderr):>12,} cases in {seconds} s", flush=True)
        if ended.returncode != 0:
            is_good = False
            print(f"{ended.stdout}{ended.stderr}\n  the case: {FOUND}/{name}-*")
    return is_good


def _executed(report: str) -> int:
    found = re.search(r"number_of_executed_units: (\d+)", report)
    return int(found[1]) if found else 0


def _report(outcome: Outcome) -> bool:
    for failure, file in zip(outcome.failures, save(outcome.failures, FOUND), strict=True):
        _show(failure, file)
    if not outcome.is_enough_for_memory:
        print(f"memory is judged from {ENOUGH_FOR_MEMORY:,} cases on")
    if not outcome.is_flat:
        print("memory grows: resident MiB after each round: " + " ".join(f"{m >> 20}" for m in outcome.memory))
    return outcome.is_flat and not outcome.failures


def _show(failure: Failure, file: Path) -> None:
    print(f"\n{failure.kind}: {failure.report.rstrip().splitlines()[-1]}")
    print(f"  the whole report: {file}")
    print(f"  to see it again:  {failure.command}")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--seed", type=command_line.whole, default=secrets.randbelow(2**31), help="of all cases; drawn if not given"
    )
    parser.add_argument("--count", type=command_line.count, default=1_000_000, help="frames and wraps (1000000)")
    parser.add_argument("--minutes", type=command_line.amount, default=60, help="of mutants; end after this time (60)")
    parser.add_argument(
        "--guided-seconds",
        type=command_line.count,
        default=GUIDED_SECONDS,
        help=f"for each of the {len(guided.TARGETS)} targets under atheris ({GUIDED_SECONDS}, "
        f"so {len(guided.TARGETS) * GUIDED_SECONDS / 60:.0f} minutes for all)",
    )
    parser.add_argument("--mutants-only", action="store_true", help="without the fuzzer that watches branches")
    parser.add_argument("--kind", choices=sorted(KINDS), help="only this kind")
    parser.add_argument("--case", type=command_line.whole, help="only this case of the kind, with whatever it raises")
    return parser


if __name__ == "__main__":
    command_line.run(main)
