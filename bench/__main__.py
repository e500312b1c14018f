"""`make bench`: every published figure beside its peer, from one run, as a table and as bench/results/latest.json."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.text import Text

from bench import catch_up, flood, idle, latency, providers, publishing, start_up, turn, workers, wraps
from bench.figures import LATEST, Figure, write
from bench.machine import Cores, commit, facts, pinned
from bench.page import MACHINE, write_page
from bench.scope import FULL, QUICK, Scope
from bench.table import table
from tests.support import command_line
from tests.support.peers import PROGRAM as NOSTR_RELAY_PROGRAM

MEASUREMENTS: Mapping[str, Callable[[Scope, Cores], Iterator[Figure]]] = {
    "wraps": wraps.measure,
    "turn": turn.measure,
    "workers": workers.measure,
    "providers": providers.measure,
    "latency": latency.measure,
    "flood": flood.measure,
    "publishing": publishing.measure,
    "catch-up": catch_up.measure,
    "idle": idle.measure,
    "start-up": start_up.measure,
}

UNBOUNDED = 1000
"""Columns that no row needs."""

NEED_PEERS = {"publishing", "catch-up"}
"""Those that run nostr-relay."""

EXIT_FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; return 1 when something could not be measured."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    progress = Console(stderr=True, highlight=False)
    if chosen.write_docs:
        if chosen.quick or chosen.only:
            parser.error("argument --write-docs: measures nothing, so it goes without --quick and --only")
        write_page()
        return 0
    names = [name for name in MEASUREMENTS if not chosen.only or name in chosen.only]
    if NEED_PEERS.intersection(names) and not NOSTR_RELAY_PROGRAM.exists():
        parser.error("no nostr-relay in .venv-peers to measure beside: ./test puts it there")
    measured = [*facts(), commit()]
    print_unfolded(Text(", ".join(measured), style="dim"))
    figures, failures = _measure(names, QUICK if chosen.quick else FULL, progress)
    for name, error in failures.items():
        progress.print(f"{name} was not measured: {type(error).__name__}: {error}", style="red", markup=False)
    if names == list(MEASUREMENTS) and not chosen.quick and not failures:
        write(figures, LATEST)
        MACHINE.write_text(", ".join(measured) + "\n", "utf-8")
        write_page()
        progress.print("written to bench/results/latest.json and docs/performance.md", style="dim")
    else:
        progress.print("not written to bench/results/latest.json: only a whole run is", style="dim")
    return EXIT_FAILED if failures else 0


def print_unfolded(shown: RenderableType) -> None:
    """Print with each row in one line, however narrow the terminal: a row that is cut in two cannot be read."""
    console = Console(highlight=False)
    needed = Measurement.get(console, console.options.update(max_width=UNBOUNDED), shown).maximum
    console.width = max(console.width, needed)
    console.print(shown)


def _measure(names: Sequence[str], scope: Scope, progress: Console) -> tuple[Sequence[Figure], Mapping[str, Exception]]:
    """Return what was measured, after having shown it, and what could not be."""
    cores, figures, failures = Cores.of_this_machine(), list[Figure](), dict[str, Exception]()
    with pinned(cores.measuring):
        for number, name in enumerate(names, 1):
            progress.print(f"{number}/{len(names)}  {name} …", style="dim", end=" ")
            started, found = time.perf_counter(), list[Figure]()
            try:
                found.extend(MEASUREMENTS[name](scope, cores))
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are measured, and it is told
                failures[name] = error
            progress.print(f"{time.perf_counter() - started:.0f} s", style="dim")
            if found:
                print_unfolded(table(found))
            figures += found
    return figures, failures


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
    command_line.run(main)
