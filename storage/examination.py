"""What state a database file is in, found out without writing a byte, also while a bridge uses it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.database_file import require_database
from storage.errors import StorageFailed
from storage.migration import load_migrations, schema_version

MAX_FAULTS = 5
"""Faults that are named; one is enough to restore a backup."""

_STEPS_BETWEEN_QUESTIONS = 10_000


@dataclass(frozen=True, slots=True)
class FileState:
    """What was found."""

    version: int
    """Of its schema."""
    newest: int
    """The newest version that this program knows."""
    taken_bytes: int
    """Pages in use; those that deletions left free do not count."""
    log_bytes: int
    """Length of the write-ahead log."""
    faults: Sequence[str]
    """What SQLite's quick check found; empty when all is well."""
    is_complete: bool
    """Whether the check came to its end."""


def examine_file(path: Path, *, goes_on: Callable[[], bool]) -> FileState:
    """Look at a database until done, or until `goes_on` says no; blocks.

    While it looks, the bridge's log of changes cannot begin anew. Raise `StorageMissing` or `StorageFailed`.
    """
    require_database(path)
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            connection.set_progress_handler(lambda: not goes_on(), _STEPS_BETWEEN_QUESTIONS)
            return _examine(connection, path)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StorageFailed(f"{path} cannot be read: {error}") from error


def _examine(connection: sqlite3.Connection, path: Path) -> FileState:
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    version, newest = schema_version(connection), load_migrations()[-1].version
    faults, is_complete = _quick_check(connection)
    log = path.with_name(f"{path.name}-wal")
    return FileState(
        version=version,
        newest=newest,
        taken_bytes=(pages - free) * page_bytes,
        log_bytes=log.stat().st_size if log.exists() else 0,
        faults=faults,
        is_complete=is_complete,
    )


def _quick_check(connection: sqlite3.Connection) -> tuple[list[str], bool]:
    try:
        rows = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({MAX_FAULTS})")]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return [], False
    except sqlite3.DatabaseError as error:
        return [str(error)], True
    return [] if rows == ["ok"] else rows, True
