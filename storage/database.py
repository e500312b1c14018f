"""An open database as its tables see it: the writer, the readers, and what encrypts."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from storage.database_file import FileLock, connect_writer, require_database
from storage.encryption import BlindIndex, KeyRing, Vault, new_key, place
from storage.errors import DamagedValue, StorageFailed, StorageKeyMissing, StorageMissing, WrongStorageKey
from storage.migration import load_migrations, migrate, schema_version
from storage.readers import Readers
from storage.space import Space, SpaceLimits, Use
from storage.writer import Writer

T = TypeVar("T")

_INDEX_KEY = "index_key"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the storage; the defaults suit one machine."""

    max_queue: int = 10_000
    """Writes that may wait at once, and reads of the bridge's; one more is refused with `StorageBusy`."""
    max_batch: int = 500
    """Writes that share one commit."""
    readers: int = 2
    """Connections that read for clients of the relay."""
    space: SpaceLimits = field(default_factory=SpaceLimits)
    max_dropped: int = 10_000
    """Wraps without an answer that are remembered; the oldest goes first."""
    max_erased_keys: int = 200_000
    """Keys of deleted accounts of which nothing comes back; beyond it those deleted first are forgotten."""
    max_revoked_each: int = 100
    """Revoked keys of one account that stay refused; beyond it those revoked first are forgotten."""
    max_blocked_keys: int = 100_000
    """Keys that the operator may block one by one."""
    max_read_steps: int = 1_000_000
    """Steps of SQLite's machine after which a read for a client of the relay is broken off."""
    busy_timeout_ms: int = 5_000
    """How long to wait for another program that locks the file, a backup for example."""


@dataclass(frozen=True, slots=True)
class Database:
    """What every table is given."""

    writer: Writer
    readers: Readers
    vault: Vault
    space: Space
    limits: Limits

    async def keep(self, use: Use, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a write if there is room for what it keeps; raise `StorageFull`, or what `Writer.run` raises."""
        self.space.require(use)

        def checked(connection: sqlite3.Connection) -> T:
            # Again, since many may wait that were let in when there was room.
            self.space.require(use)
            return work(connection)

        return await self.writer.run(checked)


async def open_database(
    path: Path, key_ring: KeyRing, limits: Limits, closing: AsyncExitStack, *, create: bool = True
) -> Database:
    """Open the file, bring it to the newest schema, check the key; `closing` undoes it all in reverse.

    Without `create` a file that is missing or empty raises `StorageMissing`, and nothing is left in its place. Raise
    `StorageInUse`, `StorageTooNew`, `WrongStorageKey` or `StorageFailed`.
    """
    if not create:
        require_database(path)
    lock = FileLock(path)
    closing.callback(lock.release)
    connection, vault = await asyncio.to_thread(_prepare, path, key_ring, limits, create)
    space = Space(connection, path, limits.space)
    writer = Writer(connection, max_queue=limits.max_queue, max_batch=limits.max_batch, measure=space.look)
    closing.push_async_callback(writer.close)
    readers = await Readers.open(
        path,
        count=limits.readers,
        busy_timeout_ms=limits.busy_timeout_ms,
        max_queue=limits.max_queue,
        max_batch=limits.max_batch,
        max_client_steps=limits.max_read_steps,
    )
    # Readers close first, so that the writer is the last and SQLite folds the log into the file.
    closing.push_async_callback(readers.close)
    return Database(writer, readers, vault, space, limits)


def _prepare(path: Path, key_ring: KeyRing, limits: Limits, create: bool) -> tuple[sqlite3.Connection, Vault]:
    connection = connect_writer(path, busy_timeout_ms=limits.busy_timeout_ms)
    try:
        if not create and schema_version(connection) == 0:
            raise StorageMissing(f"{path} holds no switchboard's data: name the database that is meant")
        migrate(connection, load_migrations())
        return connection, Vault(key_ring, _index(connection, key_ring, path))
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise StorageFailed(f"{path} cannot be read: {error}") from error
        raise


def _index(connection: sqlite3.Connection, key_ring: KeyRing, path: Path) -> BlindIndex:
    """Return the database's blind index, drawing its key the first time. That it decrypts proves the storage key."""
    where = place("meta", "value", _INDEX_KEY)
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (_INDEX_KEY,)).fetchone()
    if row is None:
        key = new_key()
        connection.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (_INDEX_KEY, key_ring.encrypt(where, key)))
        return BlindIndex(key)
    try:
        return BlindIndex(key_ring.decrypt(where, row[0]))
    except (DamagedValue, StorageKeyMissing) as error:
        raise WrongStorageKey(f"{path} was encrypted under another storage key ({error})") from error
