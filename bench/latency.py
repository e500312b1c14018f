"""How long one request takes when the bridge has nothing else to do: from the last byte out to the last byte back.

It stands beside the least that a durable answer can take on this machine: the curve operations of both wraps, and one
commit of one row by SQLite with the same pragmas in the same folder.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from statistics import quantiles

from bench import bound
from bench.figures import Better, Figure
from bench.machine import Cores, pinned
from bench.program import Program
from bench.scope import Scope
from bench.turn import Askers, askers
from nips import kinds
from storage.database_file import connect_writer

PAUSE_SECONDS = 0.005
ROW_BYTES = 2000
AIM_MS = 5.0
PEER = "both bounds and one SQLite commit"


def measure(scope: Scope, cores: Cores) -> Iterator[Figure]:
    """Yield median and 99th percentile, in milliseconds."""
    with tempfile.TemporaryDirectory() as name, pinned(cores.measuring):
        folder = Path(name)
        with Program(folder / "home", cores=cores.measured) as program, askers(program, 1) as crowd:
            crowd.run(1, kind=kinds.EPHEMERAL_GIFT_WRAP)
            answers = [_one(crowd) for _ in range(scope.calm_requests)]
        with pinned(cores.measured):
            curve = 1 / bound.both()(scope.seconds)
            commits = _commits(folder / "bare.db", scope.calm_requests)
    for percent, aim in ((50, AIM_MS), (99, None)):
        least = curve + percentile(commits, percent)
        yield Figure(
            name=f"answer at low load, p{percent}",
            value=percentile(answers, percent) * 1000,
            unit="ms",
            better=Better.LOWER,
            peer=PEER,
            peer_value=least * 1000,
            aim=aim,
        )


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value that so many percent of the values do not exceed, interpolated."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def _one(crowd: Askers) -> float:
    time.sleep(PAUSE_SECONDS)
    return 1 / crowd.run(1, kind=kinds.EPHEMERAL_GIFT_WRAP).per_second


def _commits(file: Path, amount: int) -> list[float]:
    row, taken = bytes(ROW_BYTES), []
    with closing(connect_writer(file, busy_timeout_ms=1000)) as connection:
        connection.execute("CREATE TABLE bare (value BLOB)")
        for _ in range(amount):
            time.sleep(PAUSE_SECONDS)
            started = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO bare VALUES (?)", (row,))
            connection.execute("COMMIT")
            taken.append(time.perf_counter() - started)
    return taken
