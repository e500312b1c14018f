"""`make fuzz`: a million mutated frames and wraps, and then each parser under a fuzzer that watches its branches."""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
from pathlib import Path

from tests.fuzz.campaign import KINDS, Failure, Outcome, resident_bytes, run_campaign, save

FOUND = Path(".fuzz")


def main(arguments: list[str] | None = None) -> int:
    """Run what the arguments say and return the exit status: 1 when something was found."""
    options = _options().parse_args(arguments)
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
    return _report(outcome)


def _report(outcome: Outcome) -> int:
    for failure, file in zip(outcome.failures, save(outcome.failures, FOUND), strict=True):
        _show(failure, file)
    if not outcome.is_flat:
        print("memory grows: resident MiB after each round: " + " ".join(f"{m >> 20}" for m in outcome.memory))
    is_good = outcome.is_flat and not outcome.failures
    print("nothing wrong" if is_good else "something is wrong")
    return 0 if is_good else 1


def _show(failure: Failure, file: Path) -> None:
    print(f"\n{failure.kind}: {failure.report.rstrip().splitlines()[-1]}")
    print(f"  the whole report: {file}")
    print(f"  to see it again:  {failure.command}")


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="of all cases; drawn if not given")
    parser.add_argument("--count", type=int, default=1_000_000, help="frames and wraps (1000000)")
    parser.add_argument("--minutes", type=float, default=60, help="end after this time (60)")
    parser.add_argument("--mutants-only", action="store_true", help="without the fuzzer that watches branches")
    parser.add_argument("--kind", choices=sorted(KINDS), help="only this kind")
    parser.add_argument("--case", type=int, help="only this case of the kind, with whatever it raises")
    return parser


if __name__ == "__main__":
    sys.exit(main())
