"""`make flame`: look into the program while it answers `turn.get_credentials`.

It draws docs/performance.svg and measures the cost of each step (bench/results/steps.json). The sampler slows what it
looks at, so the CPU time of a request is taken from the same load without it; the samples say only how it divides.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench.flame_graph import drawn
from bench.machine import Cores, cpu_seconds, pinned
from bench.page import write_page
from bench.program import Program
from bench.stacks import (
    Stack,
    cpu_by_thread,
    read,
    sampled,
    sampling,
    thread_of,
    weighted,
    working,
)
from bench.steps import LATEST, costs, markdown, write
from bench.turn import KNOWN, Askers, askers
from nips import kinds
from tests.support import command_line

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "performance.svg"
KIND = kinds.EPHEMERAL_GIFT_WRAP
ROUND = 500
IDLE_SECONDS = 2.0
_LEADING = {"BaseEventLoop._run_once", "Thread.run", "Thread._bootstrap_inner", "Thread._bootstrap"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Look, and write what was seen."""
    parser = argparse.ArgumentParser(prog="python -m bench.flame", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--seconds", type=command_line.amount, default=15.0, help="how long to look, about (default 15)"
    )
    parser.add_argument("--rate", type=command_line.count, default=200, help="samples a second (default 200)")
    parser.add_argument(
        "--into", type=command_line.folder, help="another folder for both files, made if need be, to try something"
    )
    chosen = parser.parse_args(arguments)
    cores, console = Cores.of_this_machine(), Console(highlight=False)
    with pinned(cores.measuring), tempfile.TemporaryDirectory() as home:
        stacks = look(Path(home), cores, seconds=chosen.seconds, rate=chosen.rate)
    steps = costs(stacks)
    picture = chosen.into / PICTURE.name if chosen.into else PICTURE
    whole = sum(stacks.values())
    title = f"CPU time of one turn.get_credentials, live: {whole * 1e6:.0f} µs"
    picture.write_text(drawn({_trimmed(stack): part for stack, part in stacks.items()}, title=title), "utf-8")
    write(steps, chosen.into / LATEST.name if chosen.into else LATEST)
    if not chosen.into:
        write_page()
    console.print(markdown(steps))


def look(place: Path, cores: Cores, *, seconds: float, rate: int) -> dict[Stack, float]:
    """Return the CPU time of one request, shared out among the stacks that the program was seen in."""
    with Program(place / "home", cores=cores.measured) as program, askers(program, KNOWN) as crowd:
        crowd.run(KNOWN, kind=KIND)
        waiting = sampled(program.pid, IDLE_SECONDS, rate=rate)
        before, asked = cpu_seconds(program.pid), _load(crowd, seconds / 2)
        each = (cpu_seconds(program.pid) - before) / asked
        file, used = place / "stacks", cpu_by_thread(program.pid)
        with sampling(program.pid, seconds, file, rate=rate) as sampler:
            while sampler.poll() is None:
                crowd.run(ROUND, kind=KIND)
        used = {thread: now - used.get(thread, 0.0) for thread, now in cpu_by_thread(program.pid).items()}
    stacks = weighted(working(read(file.read_text("utf-8")), waiting), used)
    whole = sum(stacks.values())
    return {stack: part / whole * each for stack, part in stacks.items()}


def _load(crowd: Askers, seconds: float) -> int:
    """Ask for so long, and return how often."""
    until, asked = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        asked += crowd.run(ROUND, kind=KIND).requests
    return asked


def _trimmed(stack: Stack) -> Stack:
    """Return a stack without what leads to the event loop or into a thread, which is the same for all."""
    names = [frame.partition(" (")[0] for frame in stack]
    start = max((number for number, name in enumerate(names) if name in _LEADING), default=-1)
    return (thread_of(stack)[1], *stack[start + 1 :])


if __name__ == "__main__":
    command_line.run(main)
