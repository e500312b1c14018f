"""The file itself: held by one process, readable by its owner alone, flushed at every commit."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Final

from storage.errors import StorageFailed, StorageInUse, StorageMissing

_OLDEST_SQLITE: Final = (3, 37, 0)
"""STRICT tables came with it."""


class FileLock:
    """An exclusive lock beside the database, gone with the process that holds it.

    SQLite's own locks would let two processes take turns, and each would answer requests that the other is answering.
    """

    def __init__(self, database: Path) -> None:
        """Take the lock or raise `StorageInUse`."""
        path = database.with_name(f"{database.name}.lock")
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageFailed(f"{path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise StorageInUse(f"{database} is open in another switchboard process; stop that one first") from None
        except OSError as error:
            os.close(self._descriptor)
            raise StorageFailed(f"{path} cannot be locked: {error.strerror}") from error

    def release(self) -> None:
        """Let another process have the database. The lock file stays: removing it would race with the next holder."""
        os.close(self._descriptor)


def holds_data(path: Path) -> bool:
    """Tell whether there is a database, or at least something that might be one; an empty file is none."""
    try:
        return path.stat().st_size > 0
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StorageFailed(f"{path} cannot be opened: {error.strerror}") from error


def require_database(path: Path) -> None:
    """Raise `StorageMissing` where there is nothing to open; SQLite would make an empty database of it."""
    if not holds_data(path):
        found = f"{path} is empty" if path.exists() else f"there is no file {path}"
        raise StorageMissing(f"{found}: name the database that is meant, or put it back from a backup")


def make_private(path: Path) -> None:
    """Create the file if it is not there; either way only its owner may touch it.

    SQLite gives the files that it keeps beside it the same mode.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be opened: {error.strerror}") from error


def connect_writer(path: Path, *, busy_timeout_ms: int) -> sqlite3.Connection:
    """Open the writing connection, in autocommit mode, to be handed to another thread."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StorageFailed(f"SQLite {sqlite3.sqlite_version} is too old; 3.37 or newer is needed")
    make_private(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    try:
        connection.execute(f"PRAGMA busy_timeout = {busy_timeout_ms}")
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StorageFailed(f"{path}: the file system does not support SQLite's write-ahead log")
        # An acknowledged write survives a power cut; NORMAL would lose the last ones.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # What is deleted is overwritten, not only unlinked.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error as error:
        connection.close()
        raise StorageFailed(f"{path} cannot be opened: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection
