"""The file: its lock, its mode, its settings."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from storage.database_file import FileLock, connect_writer, holds_data, make_private, require_database
from storage.errors import StorageFailed, StorageInUse, StorageMissing

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import sys
from pathlib import Path
from storage.database_file import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_second_lock_is_refused_and_names_the_file(path: Path) -> None:
    lock = FileLock(path)
    with pytest.raises(StorageInUse, match=rf"{path}.*another switchboard process"):
        FileLock(path)
    lock.release()
    FileLock(path).release()


def test_lock_of_another_process_ends_with_it(path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StorageInUse):
            FileLock(path)
        process.kill()
        process.wait(30)
    FileLock(path).release()


def test_lock_in_a_missing_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="No such file"):
        FileLock(tmp_path / "missing" / "switchboard.db")


def test_every_file_is_its_owners_alone(path: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        lock = FileLock(path)
        with closing(connect_writer(path, busy_timeout_ms=100)) as connection:
            connection.execute("CREATE TABLE t (value INTEGER)")
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
        lock.release()
    finally:
        os.umask(before)
    names = ("switchboard.db", "switchboard.db-wal", "switchboard.db-shm", "switchboard.db.lock")
    assert modes == dict.fromkeys(names, 0o600)


def test_only_a_file_with_something_in_it_may_be_a_database(path: Path) -> None:
    for missing in (path, path / "below", path.parent / "folder" / "name"):
        assert not holds_data(missing)
    path.touch()
    assert not holds_data(path)
    with pytest.raises(StorageMissing, match=f"{path} is empty"):
        require_database(path)
    path.write_bytes(b"x")
    assert holds_data(path)
    require_database(path)


def test_file_that_was_open_to_others_is_closed_to_them(path: Path) -> None:
    path.touch(mode=0o644)
    make_private(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_folder_in_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StorageFailed, match="cannot be opened"):
        connect_writer(path, busy_timeout_ms=100)


def test_file_of_another_kind_is_refused(path: Path) -> None:
    path.write_bytes(b"This is no database. " * 500)
    with pytest.raises(StorageFailed, match="not a database"):
        connect_writer(path, busy_timeout_ms=100)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("secure_delete", 1), ("temp_store", 2)],
)
def test_writer_is_durable_strict_and_tidy(path: Path, setting: str, value: str | int) -> None:
    with closing(connect_writer(path, busy_timeout_ms=100)) as connection:
        assert connection.execute(f"PRAGMA {setting}").fetchone() == (value,)


def test_sqlite_without_strict_tables_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(StorageFailed, match="too old"):
        connect_writer(path, busy_timeout_ms=100)
