"""One real program for all that only counts."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from bench.machine import Cores
from bench.program import Program

Count = Callable[[str], int]


@pytest.fixture(scope="session")
def cores() -> Cores:
    return Cores.of_this_machine()


@pytest.fixture(scope="package")
def program(tmp_path_factory: pytest.TempPathFactory, cores: Cores) -> Iterator[Program]:
    with Program(tmp_path_factory.mktemp("bench") / "home", cores=cores.measured) as running:
        yield running


@pytest.fixture
def count(program: Program) -> Count:
    """Return what counts the rows of a table that came since."""

    def rows(table: str) -> int:
        with closing(sqlite3.connect(f"file:{program.database}?mode=ro", uri=True)) as database:
            return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    before = {table: rows(table) for table in ("responses", "gift_wraps")}
    return lambda table: rows(table) - before[table]
