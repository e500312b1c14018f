"""Opening: lock, schema, key."""

from __future__ import annotations

import sqlite3
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from storage.database import Limits, open_database
from storage.encryption import KeyRing
from storage.errors import (
    StorageError,
    StorageFailed,
    StorageInUse,
    StorageMissing,
    StorageTooNew,
    WrongStorageKey,
)
from storage.migration import load_migrations

OTHER_KEY = bytes(32)


async def index_of(path: Path, key_ring: KeyRing, *, create: bool = True) -> bytes:
    """Open, look something up, close."""
    async with AsyncExitStack() as closing_stack:
        database = await open_database(path, key_ring, Limits(), closing_stack, create=create)
        return database.vault.index.of("a.b", "value")


async def test_index_stays_the_same_from_one_opening_to_the_next(path: Path, key_ring: KeyRing) -> None:
    assert await index_of(path, key_ring) == await index_of(path, key_ring)


async def test_index_differs_between_databases(tmp_path: Path, key_ring: KeyRing) -> None:
    assert await index_of(tmp_path / "one.db", key_ring) != await index_of(tmp_path / "two.db", key_ring)


async def test_index_outlives_the_rotation_of_keys(path: Path, key_ring: KeyRing) -> None:
    rotated = KeyRing([(1, bytes(range(32))), (2, OTHER_KEY)])
    assert await index_of(path, key_ring) == await index_of(path, rotated)


@pytest.mark.parametrize("key_id", [1, 2])
async def test_wrong_key_is_refused_and_names_the_file(path: Path, key_ring: KeyRing, key_id: int) -> None:
    await index_of(path, key_ring)
    with pytest.raises(WrongStorageKey, match=f"{path} was encrypted under another storage key"):
        await index_of(path, KeyRing([(key_id, OTHER_KEY)]))
    await index_of(path, key_ring)


async def test_newer_file_is_refused_unchanged(path: Path, key_ring: KeyRing) -> None:
    await index_of(path, key_ring)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")
    content = path.read_bytes()
    with pytest.raises(StorageTooNew, match=r"999"):
        await index_of(path, key_ring)
    assert path.read_bytes() == content


async def test_database_is_made_only_for_whom_asks_for_one(path: Path, key_ring: KeyRing, tmp_path: Path) -> None:
    with pytest.raises(StorageMissing, match=f"there is no file {path}"):
        await index_of(path, key_ring, create=False)
    assert not list(tmp_path.iterdir())
    path.touch()
    with pytest.raises(StorageMissing, match=f"{path} is empty"):
        await index_of(path, key_ring, create=False)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    made = await index_of(path, key_ring)
    assert await index_of(path, key_ring, create=False) == made


async def test_database_of_another_program_gets_no_tables_of_ours(path: Path, key_ring: KeyRing) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(StorageMissing, match=f"{path} holds no switchboard's data"):
        await index_of(path, key_ring, create=False)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]


async def test_file_without_the_tables_of_its_version_is_refused(path: Path, key_ring: KeyRing) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {load_migrations()[-1].version}")
    with pytest.raises(StorageFailed, match=f"{path} cannot be read: no such table"):
        await index_of(path, key_ring)


async def test_file_in_use_is_refused(path: Path, key_ring: KeyRing) -> None:
    async with AsyncExitStack() as closing_stack:
        await open_database(path, key_ring, Limits(), closing_stack)
        with pytest.raises(StorageInUse, match=str(path)):
            await index_of(path, key_ring)
    await index_of(path, key_ring)


async def test_refused_opening_lets_go_of_everything(path: Path, key_ring: KeyRing) -> None:
    path.write_bytes(b"This is no database. " * 500)
    for _ in range(2):
        with pytest.raises(StorageError, match="not a database"):
            await index_of(path, key_ring)
    path.unlink()
    await index_of(path, key_ring)


async def test_closing_folds_the_log_into_the_file(path: Path, key_ring: KeyRing, tmp_path: Path) -> None:
    await index_of(path, key_ring)
    assert {file.name for file in tmp_path.iterdir()} == {"switchboard.db", "switchboard.db.lock"}
