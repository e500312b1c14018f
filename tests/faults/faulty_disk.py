"""`switchboard` on a disk that fails now and then: `python -m tests.faults.faulty_disk run --home DIR`.

Everything is the real program; only the connections that SQLite gives it answer one COMMIT in a hundred as SQLite
does when the disk fails: those of the writer, and those that end a read. Of these, every second one is rolled back
already when the error comes, as SQLite may do. Each is told on stderr among the lines of the log.
"""

from __future__ import annotations

import sqlite3
import sys
from functools import partial
from typing import Any

from bridge.cli.app import main
from tests.support.entropy import SeededEntropy

ONE_IN = 100
FAULT = "the disk fails"
"""What is said at each fault."""
SPARED = 20
"""Commits of the start, which are left alone: what is tried here is a bridge that runs."""


class FaultyConnection(sqlite3.Connection):
    """A connection whose disk fails at some commits."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._chance = SeededEntropy("disk")
        self._commits = 0
        self._faults = 0

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Do what SQLite does, except for a commit that is to fail."""
        if sql == "COMMIT":
            self._commits += 1
            if self._commits > SPARED and self._chance.below(ONE_IN) == 0:
                self._fail()
        return super().execute(sql, parameters)

    def _fail(self) -> None:
        self._faults += 1
        sys.stderr.write(FAULT + "\n")
        if self._faults % 2:
            super().execute("ROLLBACK")
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        error.sqlite_errorname = "SQLITE_IOERR"
        raise error


if __name__ == "__main__":
    sqlite3.connect = partial(sqlite3.connect, factory=FaultyConnection)  # type: ignore[assignment]
    main()
