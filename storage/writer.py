"""The one writer: a thread that gathers what waits and makes it durable with a single commit.

A commit costs a flush to the disk, however much is in it; so the more writers wait, the cheaper each write becomes.
Works run one after another. When one of a batch raises, the batch is begun anew with each work under a savepoint of its
own, and the one that raises is undone alone; so a work may be run twice, and changes nothing but the database. Nobody
hears of success before the commit is on the disk.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence

from storage.errors import StorageError, StorageFailed, StorageFull
from storage.gathering import GatheringThread, Job

log = logging.getLogger(__name__)


class Writer(GatheringThread):
    """Owns the writing connection."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        max_queue: int,
        max_batch: int,
        measure: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        """Start the thread, which has a `measure` taken after each batch.

        The connection is in autocommit mode and closed by `close`.
        """
        self._measure = measure
        super().__init__(connection, does="write", max_queue=max_queue, max_batch=max_batch)

    def _perform_all(self, batch: Sequence[Job]) -> None:
        self._write(batch)
        if self._measure is not None:
            try:
                self._measure(self._connection)
            except sqlite3.Error as error:
                log.error("the database could not be measured: %s", error)

    def _write(self, batch: Sequence[Job]) -> None:
        try:
            if not self._perform_at_once(batch):
                self._connection.execute("BEGIN IMMEDIATE")
                for job in batch:
                    self._perform(job)
            self._connection.execute("COMMIT")
        except Exception as error:
            self._roll_back()
            if any(isinstance(job.error, StorageFull) for job in batch):
                return self._write_one_by_one(batch)
            log.error("%d writes failed together: %s", len(batch), error)
            for job in batch:
                job.error = job.error or _failure(error)

    def _write_one_by_one(self, batch: Sequence[Job]) -> None:
        # What finds the file at its end undoes all others, and they may be those that would make room.
        if len(batch) > 1:
            for job in batch:
                job.error = None
                self._write([job])

    def _perform_at_once(self, batch: Sequence[Job]) -> bool:
        """Do all without savepoints, which cost as much as a small work; leave nothing behind when one raises."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for job in batch:
                job.outcome = job.work(self._connection)
        except Exception:
            self._roll_back()
            return False
        return True

    def _perform(self, job: Job) -> None:
        self._connection.execute("SAVEPOINT work")
        try:
            job.outcome = job.work(self._connection)
        except Exception as error:
            job.error = _failure(error) if isinstance(error, sqlite3.Error) else error
            # A full disk may undo the whole transaction; this statement then raises and the batch fails as one.
            self._connection.execute("ROLLBACK TO work")
        self._connection.execute("RELEASE work")

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            log.error("the failed writes could not be rolled back yet: %s", error)


def _failure(error: Exception) -> StorageError:
    """Return a fresh error for each waiter: a traceback must not be shared."""
    is_full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    failure = (StorageFull if is_full else StorageFailed)(f"the database refused to write: {error}")
    failure.__cause__ = error
    return failure
