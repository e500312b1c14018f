"""Load without figures: the program under `turn` or `publish` for as long as somebody wants to look at it.

    python -m bench.standing turn --seconds 20 --kind 21059
    python -m bench.standing publish --seconds 20

It prints the process id to give to a profiler, then a rate for each round.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bench.machine import Cores, cpu_seconds, pinned
from bench.program import Program, unhindered
from bench.publishing import publish, wraps
from bench.turn import askers
from bridge.settings.tree import Settings
from client.entropy import SystemEntropy, draw_key
from nips import kinds
from tests.support import command_line

ROUND = 1000

_ENTROPY = SystemEntropy()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.standing", description=__doc__.partition("\n")[0])
    parser.add_argument("load", choices=["turn", "publish"])
    parser.add_argument("--seconds", type=command_line.amount, default=10.0, help="how long, about (default 10)")
    parser.add_argument(
        "--kind", type=int, default=kinds.EPHEMERAL_GIFT_WRAP, choices=[kinds.GIFT_WRAP, kinds.EPHEMERAL_GIFT_WRAP]
    )
    parser.add_argument("--askers", type=command_line.count, default=64, help="accounts that ask by turns (default 64)")
    parser.add_argument(
        "--workers", type=command_line.whole, default=0, help="processes that open and seal; then on all cores"
    )
    chosen = parser.parse_args(arguments)
    cores, console = Cores.of_this_machine(), Console(stderr=True)
    places = cores.measured | cores.measuring if chosen.workers else cores.measured

    def change(settings: Settings) -> Settings:
        settings = unhindered(settings)
        return replace(settings, inbox=replace(settings.inbox, workers=chosen.workers))

    with (
        pinned(cores.measuring),
        tempfile.TemporaryDirectory() as folder,
        Program(Path(folder) / "home", cores=places, change=change) as program,
    ):
        console.print(f"process {program.pid} at {program.url}")
        until = time.perf_counter() + chosen.seconds
        if chosen.load == "turn":
            _ask(program, console, until, chosen.kind, chosen.askers)
        else:
            _publish(program, console, until)


def _ask(program: Program, console: Console, until: float, kind: int, accounts: int) -> None:
    with askers(program, accounts) as crowd:
        while time.perf_counter() < until:
            rates = crowd.run(ROUND, kind=kind)
            console.print(f"{rates.per_second:7.0f}/s  {rates.per_core_second:7.0f} per core second")


def _publish(program: Program, console: Console, until: float) -> None:
    recipients = [draw_key(_ENTROPY).public_key for _ in range(50)]
    while time.perf_counter() < until:
        events = wraps(ROUND, recipients)
        used = cpu_seconds(program.pid)
        run = publish(program.url, events)
        used = cpu_seconds(program.pid) - used
        console.print(f"{run.rate:7.0f}/s  {run.done / used:7.0f} per core second")


if __name__ == "__main__":
    command_line.run(main)
