"""Named secrets of the bridge itself, such as its Nostr key. Their names are in clear."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from storage.database import Database
from storage.database_file import require_database
from storage.encryption import KeyRing, Vault, place
from storage.errors import DamagedValue, SecretExists, StorageFailed, StorageKeyMissing, WrongStorageKey


class SqliteSecrets:
    """Secrets by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> bytes | None:
        """Return a secret, decrypted."""
        row = await self._database.readers.row("SELECT value FROM secrets WHERE name = ?", (name,))
        return self._database.vault.ring.decrypt(place("secrets", "value", name), row[0]) if row else None

    async def put(self, name: str, value: bytes) -> None:
        """Set a secret; a name that is taken keeps its value and raises `SecretExists`."""
        vault = self._database.vault
        await self._database.writer.run(lambda connection: _put(connection, vault, name, value))

    async def replace(self, name: str, value: bytes) -> None:
        """Set a secret, whatever it was before."""
        vault = self._database.vault
        await self._database.writer.run(lambda connection: _replace(connection, vault, name, value))


def read_secret(path: Path, ring: KeyRing, name: str) -> bytes | None:
    """Return a secret from a database that another process may be using; blocks, and writes nothing.

    Raise `StorageMissing` when there is no such database, `StorageFailed` when it cannot be read, `WrongStorageKey`.
    """
    require_database(path)
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            row = connection.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StorageFailed(f"{path} cannot be read: {error}") from error
    try:
        return ring.decrypt(place("secrets", "value", name), row[0]) if row else None
    except (DamagedValue, StorageKeyMissing) as error:
        raise WrongStorageKey(f"{path} was encrypted under another storage key ({error})") from error


def _put(connection: sqlite3.Connection, vault: Vault, name: str, value: bytes) -> None:
    added = connection.execute(
        "INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
        (name, vault.ring.encrypt(place("secrets", "value", name), value)),
    ).rowcount
    if not added:
        raise SecretExists(f"the secret {name} is set already")


def _replace(connection: sqlite3.Connection, vault: Vault, name: str, value: bytes) -> None:
    connection.execute(
        "INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, vault.ring.encrypt(place("secrets", "value", name), value)),
    )
