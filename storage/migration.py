"""Schema versions: numbered SQL files, applied forward only, each in its own transaction."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from storage.errors import StorageFailed, StorageTooNew

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql", re.ASCII)


@dataclass(frozen=True, slots=True)
class Migration:
    """The step to a schema version from the one before it."""

    version: int
    sql: str


def load_migrations() -> Sequence[Migration]:
    """Return the steps that this version knows, oldest first."""
    folder = resources.files("storage") / "migrations"
    steps = sorted(
        (
            Migration(int(match[1]), entry.read_text(encoding="utf-8"))
            for entry in folder.iterdir()
            if (match := _NAME.fullmatch(entry.name))
        ),
        key=lambda step: step.version,
    )
    if [step.version for step in steps] != list(range(1, len(steps) + 1)) or not steps:
        raise StorageFailed("the numbered SQL files of this installation are incomplete; install it again")
    return steps


def schema_version(connection: sqlite3.Connection) -> int:
    """Return the version that a file is at; 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, steps: Sequence[Migration]) -> int:
    """Bring a file to the newest version and return that; raise `StorageTooNew` for one from the future.

    A step that fails leaves the file at the version before it.
    """
    found, newest = schema_version(connection), steps[-1].version
    if found > newest:
        raise StorageTooNew(
            f"the database has schema version {found}, this program knows versions up to {newest}: "
            "run the newer program that wrote it, or restore a backup"
        )
    for step in steps[found:]:
        try:
            # One script, because executescript commits before it starts.
            connection.executescript(f"BEGIN IMMEDIATE;\n{step.sql}\nPRAGMA user_version = {step.version};\nCOMMIT;")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise StorageFailed(f"schema version {step.version} cannot be installed: {error}") from error
    return newest
