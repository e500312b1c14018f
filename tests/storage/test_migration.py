"""Schema versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage.errors import StorageFailed, StorageTooNew
from storage.migration import Migration, load_migrations, migrate, schema_version

FIRST = Migration(1, "CREATE TABLE one (value INTEGER); INSERT INTO one VALUES (1);")
SECOND = Migration(2, "CREATE TABLE two (value INTEGER); INSERT INTO two SELECT value + 1 FROM one;")
BROKEN = Migration(2, "CREATE TABLE two (value INTEGER); DELETE FROM one; INSERT INTO nowhere VALUES (1);")


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an empty file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def tables(connection: sqlite3.Connection) -> set[str]:
    """Return the names of the tables that are there."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_empty_file_reaches_the_newest_version(connection: sqlite3.Connection) -> None:
    steps = load_migrations()
    assert schema_version(connection) == 0
    assert migrate(connection, steps) == steps[-1].version == schema_version(connection)
    assert {"accounts", "inbox", "outbox", "responses", "permits", "gift_wraps"} <= tables(connection)


def test_newest_version_is_left_alone(connection: sqlite3.Connection) -> None:
    migrate(connection, [FIRST, SECOND])
    assert migrate(connection, [FIRST, SECOND]) == 2
    assert connection.execute("SELECT value FROM one").fetchall() == [(1,)]


def test_older_file_takes_only_the_steps_that_it_lacks(connection: sqlite3.Connection) -> None:
    migrate(connection, [FIRST])
    connection.execute("UPDATE one SET value = 41")
    migrate(connection, [FIRST, SECOND])
    assert connection.execute("SELECT value FROM two").fetchall() == [(42,)]


def test_newer_file_is_refused_with_both_versions(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA user_version = 7")
    with pytest.raises(StorageTooNew, match=r"version 7.*up to 2"):
        migrate(connection, [FIRST, SECOND])
    assert tables(connection) == set()


def test_step_that_fails_leaves_the_version_before_it(connection: sqlite3.Connection) -> None:
    with pytest.raises(StorageFailed, match="schema version 2"):
        migrate(connection, [FIRST, BROKEN])
    assert schema_version(connection) == 1
    assert tables(connection) == {"one"}
    assert connection.execute("SELECT value FROM one").fetchall() == [(1,)]
    assert migrate(connection, [FIRST, SECOND]) == 2


def test_step_that_cannot_begin_is_a_failure(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageFailed, match="locked"):
            migrate(connection, [FIRST])
        other.execute("ROLLBACK")


def test_installation_without_all_steps_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "notes.txt").touch()
    monkeypatch.setattr("importlib.resources.files", lambda _package: tmp_path)
    with pytest.raises(StorageFailed, match="incomplete"):
        load_migrations()
    (folder / "0002_more.sql").touch()
    with pytest.raises(StorageFailed, match="incomplete"):
        load_migrations()
    (folder / "0001_start.sql").touch()
    assert [step.version for step in load_migrations()] == [1, 2]


OLD_EVENT = bytes(range(32))


def test_public_events_of_the_first_version_keep_their_tags_and_their_count(connection: sqlite3.Connection) -> None:
    steps = load_migrations()
    migrate(connection, steps[:1])
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(
        "INSERT INTO replaceables (pubkey, kind, d, id, created_at, event) VALUES (?, 10050, '', ?, 5, '{}')",
        (OLD_EVENT, OLD_EVENT),
    )
    connection.execute("INSERT INTO replaceable_tags (letter, value, event) VALUES ('r', 'x', 1)")
    migrate(connection, steps)
    assert connection.execute("SELECT pubkey, kind, sort FROM public_events").fetchall() == [(OLD_EVENT, 10050, 0)]
    assert connection.execute("SELECT event FROM public_tags WHERE value = 'x'").fetchall() == [(1,)]
    assert connection.execute("SELECT amount FROM counts WHERE name = 'replaceables'").fetchone() == (1,)
    connection.execute("DELETE FROM public_events")
    assert connection.execute("SELECT count(*) FROM public_tags").fetchone() == (0,)
    assert connection.execute("SELECT sum(amount) FROM counts").fetchone() == (0,)


def test_who_vanished_before_the_third_version_is_still_gone_and_counted_apart(connection: sqlite3.Connection) -> None:
    steps = load_migrations()
    migrate(connection, steps[:2])
    connection.execute("PRAGMA foreign_keys = ON")
    for number, kind in ((1, 5), (2, 62)):
        connection.execute(
            "INSERT INTO public_events (number, pubkey, kind, d, id, created_at, event, is_request)"
            " VALUES (?, x'aa', ?, '', ?, 5, '{}', 1)",
            (number, kind, bytes([number])),
        )
    for target, request in ((b"", 2), (b"id", 1)):
        connection.execute("INSERT INTO deletions VALUES (x'aa', ?, ?, 7, 1)", (target, request))
    migrate(connection, steps)
    assert connection.execute("SELECT pubkey, until, found_nothing FROM vanished").fetchall() == [(b"\xaa", 7, 0)]
    assert connection.execute("SELECT target FROM deletions").fetchall() == [(b"id",)]
    counts = "SELECT name, amount FROM counts WHERE name IN ('requests', 'vanishes', 'vanished') ORDER BY name"
    assert connection.execute(counts).fetchall() == [("requests", 1), ("vanished", 1), ("vanishes", 1)]
    connection.execute("DELETE FROM public_events")
    connection.execute("DELETE FROM vanished")
    assert connection.execute(counts).fetchall() == [("requests", 0), ("vanished", 0), ("vanishes", 0)]
