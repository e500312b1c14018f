"""An open storage in a temporary folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from storage.database import Database, Limits, open_database
from storage.encryption import KeyRing
from storage.sqlite import SqliteStorage, open_storage
from tests.storage.builders import KEY


@pytest.fixture
def key_ring() -> KeyRing:
    """Return a ring with one key."""
    return KeyRing([(1, KEY)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the database goes."""
    return tmp_path / "switchboard.db"


@pytest.fixture
async def storage(path: Path, key_ring: KeyRing) -> AsyncIterator[SqliteStorage]:
    """Open a storage, empty at first."""
    storage = await open_storage(path, key_ring)
    yield storage
    await storage.close()


@pytest.fixture
def below(storage: SqliteStorage) -> Database:
    """Return what lies below the tables of `storage`."""
    return storage._database


@pytest.fixture
async def database(path: Path, key_ring: KeyRing) -> AsyncIterator[Database]:
    """Open a database, to look below the tables."""
    async with AsyncExitStack() as closing:
        yield await open_database(path, key_ring, Limits(), closing)


@pytest.fixture
def folder_bytes(tmp_path: Path) -> Callable[[], bytes]:
    """Return a function that reads every file beside the database."""
    return lambda: b"\n".join(file.read_bytes() for file in sorted(tmp_path.rglob("*")) if file.is_file())
