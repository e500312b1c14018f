"""Does `inbox.workers` pay: the bridge with two processes that open and seal, beside itself without.

Both have all cores, which the load generator has to share; requests by known accounts, as in `bench.turn`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from bench.figures import Better, Figure
from bench.machine import Cores
from bench.program import Program, unhindered
from bench.rounds import by_turns
from bench.scope import Scope
from bench.turn import KNOWN, Askers, Rates, askers
from bridge.settings.tree import Settings
from nips import kinds

WORKERS = 2
KIND = kinds.EPHEMERAL_GIFT_WRAP
NAME = f"turn.get_credentials, live, inbox.workers = {WORKERS}"
NONE = "the same with inbox.workers = 0"


def measure(scope: Scope, cores: Cores) -> Iterator[Figure]:
    """Yield requests a second by the wall clock, and the time that one takes of the process that clients talk to."""
    places = cores.measured | cores.measuring
    with (
        tempfile.TemporaryDirectory() as folder,
        Program(Path(folder) / "with", cores=places, change=with_workers) as two,
        Program(Path(folder) / "without", cores=places) as none,
        askers(two, KNOWN) as crowd,
        askers(none, KNOWN) as other,
    ):
        for each in (crowd, other):
            each.run(2 * KNOWN, kind=KIND)
        taken: dict[str, list[Rates]] = {NAME: [], NONE: []}

        def ask(name: str, asking: Askers) -> float:
            taken[name].append(asking.run(scope.requests, kind=KIND))
            return taken[name][-1].per_second

        rates = by_turns({NAME: partial(ask, NAME, crowd), NONE: partial(ask, NONE, other)}, scope.rounds)
    yield Figure(
        f"{NAME}, all cores, by the wall clock", median(rates[NAME]), "1/s", Better.HIGHER, NONE, median(rates[NONE])
    )
    own = {name: 1e6 * median(each.parent_seconds for each in found) for name, found in taken.items()}
    yield Figure(f"{NAME}, CPU of the main process", own[NAME], "µs", Better.LOWER, NONE, own[NONE])


def with_workers(settings: Settings) -> Settings:
    """Return settings with so many processes that open and seal."""
    settings = unhindered(settings)
    return replace(settings, inbox=replace(settings.inbox, workers=WORKERS))
