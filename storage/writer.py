"""The one writer: a thread that gathers what waits and makes it durable with a single commit.

A commit costs a flush to the disk, however much is in it; so the more writers wait, the cheaper each write becomes.
Works run one after another. When one of a batch raises, the batch is begun anew with each work under a savepoint of its
own, and the one that raises is undone alone; so a work may be run twice, and changes nothing but the database. Nobody
hears of success before the commit is on the disk.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

from storage.errors import StorageError, StorageFailed
from storage.gathering import GatheringThread, Job

log = logging.getLogger(__name__)


class Writer(GatheringThread):
    """Owns the writing connection."""

    def __init__(self, connection: sqlite3.Connection, *, max_queue: int, max_batch: int) -> None:
        """Start the thread; the connection is in autocommit mode and closed by `close`."""
        super().__init__(connection, does="write", max_queue=max_queue, max_batch=max_batch)

    def _perform_all(self, batch: Sequence[Job]) -> None:
        try:
            if not self._perform_at_once(batch):
                self._connection.execute("BEGIN IMMEDIATE")
                for job in batch:
                    self._perform(job)
            self._connection.execute("COMMIT")
        except Exception as error:
            log.error("%d writes failed together: %s", len(batch), error)
            self._roll_back()
            for job in batch:
                job.error = job.error or _failure(error)

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
    failure = StorageFailed(f"the database refused to write: {error}")
    failure.__cause__ = error
    return failure
