"""Named secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.encryption import KeyRing
from storage.errors import SecretExists, StorageMissing, WrongStorageKey
from storage.secrets import read_secret
from storage.sqlite import SqliteStorage


async def test_secret_comes_back(storage: SqliteStorage) -> None:
    assert await storage.secrets.get("bridge_key") is None
    await storage.secrets.put("bridge_key", b"\0\xff secret")
    assert await storage.secrets.get("bridge_key") == b"\0\xff secret"
    assert await storage.secrets.get("another") is None


async def test_secret_that_is_set_keeps_its_value(storage: SqliteStorage) -> None:
    await storage.secrets.put("bridge_key", b"first")
    with pytest.raises(SecretExists, match="bridge_key"):
        await storage.secrets.put("bridge_key", b"second")
    assert await storage.secrets.get("bridge_key") == b"first"


async def test_secret_that_may_change_is_replaced(storage: SqliteStorage) -> None:
    for value in (b"first", b"second"):
        await storage.secrets.replace("managed_turn_secret", value)
        assert await storage.secrets.get("managed_turn_secret") == value


async def test_secret_is_read_beside_a_process_that_uses_the_database(
    storage: SqliteStorage, path: Path, key_ring: KeyRing
) -> None:
    await storage.secrets.put("bridge_key", b"in use")
    assert read_secret(path, key_ring, "bridge_key") == b"in use"
    assert read_secret(path, key_ring, "another") is None


def test_secret_of_a_database_that_is_not_there_makes_no_file(tmp_path: Path, key_ring: KeyRing) -> None:
    with pytest.raises(StorageMissing, match=r"there is no file .*none\.db"):
        read_secret(tmp_path / "none.db", key_ring, "bridge_key")
    assert not list(tmp_path.iterdir())


def test_secret_of_an_empty_file_is_missing_like_that_of_no_file(tmp_path: Path, key_ring: KeyRing) -> None:
    (tmp_path / "none.db").touch()
    with pytest.raises(StorageMissing, match=r"none\.db is empty"):
        read_secret(tmp_path / "none.db", key_ring, "bridge_key")
    assert [path.name for path in tmp_path.iterdir()] == ["none.db"]


@pytest.mark.parametrize("key_id", [1, 2])
async def test_secret_under_another_key_names_the_file(storage: SqliteStorage, path: Path, key_id: int) -> None:
    await storage.secrets.put("bridge_key", b"secret")
    with pytest.raises(WrongStorageKey, match=f"{path} was encrypted under another storage key"):
        read_secret(path, KeyRing([(key_id, bytes(32))]), "bridge_key")
