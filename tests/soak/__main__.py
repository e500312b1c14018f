"""`make soak`: a bridge of its own under hours of mixed load, and a verdict on what that did to it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.soak.plan import Plan
from tests.soak.report import Progress, show_verdict, write_result
from tests.soak.run import soak
from tests.soak.verdict import judge
from tests.support import command_line

EXIT_FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and judge; exit status 1 when something does not hold."""
    options = _options(arguments)
    # Whoever ends it early, however: the bridge is not left running, nor its folder lying about.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plan = Plan(options.seconds, options.rate, options.sample_seconds, options.workers)
    console = Console()
    progress = Progress(console, plan)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        run, world = asyncio.run(soak(plan, Path(folder) / "home", on_sample=progress.show))
    verdict = judge(run)
    show_verdict(console, world, verdict)
    write_result(options.result, run, world, verdict)
    return 0 if all(criterion.holds for criterion in verdict) else EXIT_FAILED


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description="Run a bridge under mixed load, friendly and hostile, and judge whether memory, files, descriptors "
        "and tasks stay bounded and each acknowledged request is answered once.",
        epilog="Exit status: 0 when all of it holds, 1 when something does not.",
    )
    parser.add_argument("--seconds", type=command_line.amount, default=7200, help="length of the load (default: 7200)")
    parser.add_argument(
        "--rate", type=command_line.amount, default=40, help="visits a second, each a client's act (default: 40)"
    )
    parser.add_argument(
        "--workers", type=command_line.whole, default=0, help="the bridge's `inbox.workers` (default: 0)"
    )
    parser.add_argument(
        "--sample-seconds", type=command_line.amount, default=5, help="time between samples (default: 5)"
    )
    parser.add_argument(
        "--result", type=command_line.new_file, default="soak.json", help="file to write (default: soak.json)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    command_line.run(main)
