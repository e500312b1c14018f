"""`make bench`: every published figure beside its peer, from one run, as a table and as bench/results/latest.json."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Console

from bench import catch_up, idle, latency, publishing, start_up, turn, wraps
from bench.figures import LATEST, Figure, write
from bench.machine import Cores, facts, pinned
from bench.page import MACHINE, write_page
from bench.scope import FULL, QUICK, Scope
from bench.table import table

MEASUREMENTS: Mapping[str, Callable[[Scope, Cores], Iterator[Figure]]] = {
    "wraps": wraps.measure,
    "turn": turn.measure,
    "latency": latency.measure,
    "publishing": publishing.measure,
    "catch-up": catch_up.measure,
    "idle": idle.measure,
    "start-up": start_up.measure,
}

UNFOLDED = 180
"""Columns in which no row of the table is folded, for whatever is no terminal and has no width of its own."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for."""
    chosen = _parser().parse_args(arguments)
    progress = Console(stderr=True, highlight=False)
    if chosen.write_docs:
        write_page()
        return
    names = [name for name in MEASUREMENTS if not chosen.only or name in chosen.only]
    figures = _measure(names, QUICK if chosen.quick else FULL, progress)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=UNFOLDED)
    console.print(", ".join(facts()), style="dim")
    console.print(table(figures))
    if names == list(MEASUREMENTS) and not chosen.quick:
        write(figures, LATEST)
        MACHINE.write_text(", ".join(facts()) + "\n", "utf-8")
        write_page()
        progress.print("written to bench/results/latest.json and docs/performance.md", style="dim")
    else:
        progress.print("not written to bench/results/latest.json: only a whole run is", style="dim")


def _measure(names: Sequence[str], scope: Scope, progress: Console) -> list[Figure]:
    cores, figures = Cores.of_this_machine(), list[Figure]()
    with pinned(cores.measuring):
        for number, name in enumerate(names, 1):
            progress.print(f"{number}/{len(names)}  {name} …", style="dim", end=" ")
            started = time.perf_counter()
            figures += MEASUREMENTS[name](scope, cores)
            progress.print(f"{time.perf_counter() - started:.0f} s", style="dim")
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure every published figure beside its peer, in one run."
    )
    parser.add_argument(
        "--only", action="append", choices=list(MEASUREMENTS), help="measure just this; may be given several times"
    )
    parser.add_argument("--quick", action="store_true", help="less of everything: to look at, not to publish")
    parser.add_argument(
        "--write-docs", action="store_true", help="measure nothing: put the kept figures into docs/performance.md"
    )
    return parser


if __name__ == "__main__":
    main()
