"""Results as people read them, and as programs do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.relay.checks import Level
from tests.relay.runner import Outcome, Result

LEVELS = tuple(Level)
STYLES = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.NOT_APPLICABLE: "dim"}


def as_json(result: Result) -> str:
    """Return a result as one line; `pass` is null where the check does not apply."""
    passed = None if result.outcome is Outcome.NOT_APPLICABLE else result.outcome is Outcome.PASSED
    line: dict[str, object] = {
        "test": result.check.name,
        "pass": passed,
        "required": result.check.level is Level.MUST,
        "level": result.check.level.value,
        "info": result.words,
        "rule": result.check.rule,
        "source": result.check.source,
    }
    if result.frames:
        line["frames"] = list(result.frames)
    return json.dumps(line, ensure_ascii=False)


def print_result(console: Console, result: Result, *, is_passing_shown: bool) -> None:
    """Print what failed with what was said, what does not apply with its reason, and what passed if wanted."""
    if result.outcome is Outcome.PASSED and not is_passing_shown:
        return
    line = Text(f"{result.outcome.value:14}  {result.check.name}", style=STYLES[result.outcome])
    console.print(line, soft_wrap=True)
    if result.outcome is Outcome.FAILED:
        console.print(Text(f"{'':16}{result.check.level.value}: {result.check.rule}"), soft_wrap=True)
        console.print(Text(f"{'':16}{result.check.source}", style="dim"), soft_wrap=True)
        for frame in result.frames:
            console.print(Text(f"{'':18}{frame}", style="dim"), soft_wrap=True)
    if result.words:
        console.print(Text(f"{'':16}{result.words}"), soft_wrap=True)


def score_table(results: Sequence[Result]) -> Table:
    """Return passed, failed and not applicable of each NIP; passed and failed by level."""
    table = Table("", title="passed / failed by level", title_justify="left", show_edge=False, pad_edge=False)
    for heading in (*LEVELS, "passed", "failed", "n. a."):
        table.add_column(heading, justify="right")
    for nip in dict.fromkeys(result.check.nip for result in results):
        table.add_row(nip, *_cells([result for result in results if result.check.nip == nip]))
    table.add_section()
    table.add_row("all", *_cells(results))
    return table


def _cells(results: Sequence[Result]) -> list[str]:
    by_level = Counter((result.check.level, result.outcome) for result in results)
    outcomes = Counter(result.outcome for result in results)
    cells = []
    for level in LEVELS:
        passed, failed = by_level[level, Outcome.PASSED], by_level[level, Outcome.FAILED]
        cells.append(f"{passed} / {failed}" if passed or failed else "–")
    return cells + [str(outcomes[outcome]) for outcome in (Outcome.PASSED, Outcome.FAILED, Outcome.NOT_APPLICABLE)]
