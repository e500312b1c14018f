"""Start-up: the database really holds what the figure's name says."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from bench import start_up
from bench.machine import Cores
from bench.program import Program
from bench.scope import TINY


def test_start_stands_beside_an_empty_database(cores: Cores) -> None:
    (figure,) = start_up.measure(TINY, cores)
    assert (figure.name, figure.peer) == ("start-up with 20 wraps", start_up.EMPTY)
    assert figure.value > 0


def test_database_is_filled_with_as_many_wraps_as_said(tmp_path: Path, cores: Cores) -> None:
    program = Program(tmp_path / "home", cores=cores.measured)
    program.make()
    asyncio.run(start_up.fill(tmp_path / "home", 7))
    with closing(sqlite3.connect(program.database)) as database:
        assert database.execute("SELECT count(*) FROM gift_wraps").fetchone() == (7,)
