"""What a soak run tells people while it lasts and at its end, and what it leaves as a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from tests.soak.plan import Plan
from tests.soak.verdict import Criterion, Run
from tests.soak.visitors import World
from tests.soak.vitals import Sample


class Progress:
    """One line now and then: on a terminal over the last one, elsewhere below it and less often."""

    def __init__(self, console: Console, plan: Plan) -> None:
        self._console = console
        self._plan = plan
        self._is_terminal = console.is_terminal
        self._next_at = 0.0

    def show(self, sample: Sample, world: World) -> None:
        """Tell how it stands."""
        if sample["at"] < self._next_at:
            return
        if not self._is_terminal:
            self._next_at = sample["at"] + min(60.0, self._plan.seconds / 10)
        elapsed = timedelta(seconds=round(sample["at"]))
        self._console.print(
            f"{elapsed} of {timedelta(seconds=round(self._plan.seconds))}  "
            f"memory {sample['resident_bytes'] / 1_048_576:.1f} MiB  "
            f"file {sample['database_bytes'] / 1_048_576:.1f} MiB  wal {sample['wal_bytes'] / 1_048_576:.1f} MiB  "
            f"descriptors {sample['descriptors']:.0f}  tasks {sample['tasks']:.0f}  "
            f"connections {sample['connections']:.0f}  requests {world.requests.asked:,}  "
            f"mishaps {sum(world.mishaps.counts.values())}",
            end="\r" if self._is_terminal else "\n",
            highlight=False,
            soft_wrap=True,
        )


def show_verdict(console: Console, world: World, verdict: Sequence[Criterion]) -> None:
    """Print what was done and what it came to."""
    console.print()
    for name, amount in sorted(world.done.counts.items()):
        console.print(f"  {amount:>9,}  {name}", highlight=False)
    for name, amount in world.mishaps.counts.items():
        console.print(f"  {amount:>9,}  mishap: {name}", highlight=False, markup=False, soft_wrap=True)
    console.print()
    for criterion in verdict:
        word = "[green]holds [/]" if criterion.holds else "[red]FAILS [/]"
        console.print(f"{word} {criterion.name}: {criterion.text}", highlight=False, soft_wrap=True)


def write_result(file: Path, run: Run, world: World, verdict: Sequence[Criterion]) -> None:
    """Write everything that was seen, for whoever wants to draw it."""
    result = {
        "plan": asdict(run.plan),
        "verdict": [asdict(criterion) for criterion in verdict],
        "books": asdict(run.books),
        "done": dict(world.done.counts),
        "settled_at": run.settled_at,
        "idle": run.idle,
        "after": run.after,
        "samples": list(run.samples),
    }
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
