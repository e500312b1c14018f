"""How much of the disk the database takes, and for what it may take more.

Keys without an account cost nothing, so anybody can send wraps to any number of them: past a half of `max_bytes` theirs
are kept for a shorter time, and past three quarters not at all. Past `max_bytes` nothing more is kept for others: wraps
and public events are refused until something has gone. Above that is a reserve: requests to delete may use half of it,
wraps for the bridge all but the last sixteenth, and answers and clearing up the rest. There the file ends; a write that
would make it longer is refused whole. Pages that deletions left free count as room, since SQLite uses them first.

The log of changes (WAL) shrinks when it is folded into the file, which a reader that never ends holds up. When it is
longer than `max_log_bytes` the writer waits a moment for readers to end; what is too long even then counts as taken.
It is also cut off whenever that is asked for, because it still holds what was deleted from the file.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from storage.errors import StorageFull

log = logging.getLogger(__name__)

# How long the writer waits for readers to end, when the log is too long; and how much longer the log has to be before
# it waits again.
_PATIENCE_MS = 250
_LONGER = 1.25

# How much less than the bound has to be taken before there is room again, so that one wrap that goes does not open the
# door for one that comes, with two lines in the log.
_SLACK = 1 / 64


@dataclass(frozen=True, slots=True)
class SpaceLimits:
    """Bounds of what the database takes."""

    max_bytes: int = 4 * 2**30
    """Beyond it nothing more is kept for others."""
    reserve_bytes: int = 2**30
    """What the bridge itself may take above that; there the file ends."""
    max_log_bytes: int = 64 * 2**20
    """How long the write-ahead log may be before the writer waits for readers."""


class Use(Enum):
    """What a write keeps, with the shares that it may use of the room for others and of the reserve."""

    STRANGERS_FOR_LONG = (1 / 2, 0)
    STRANGERS = (3 / 4, 0)
    OTHERS = (1, 0)
    DELETION = (1, 1 / 2)
    REQUEST = (1, 15 / 16)


_CLOSED = {
    Use.STRANGERS_FOR_LONG: (
        logging.WARNING,
        "the database is half full: wraps for keys without an account are kept for a shorter time",
    ),
    Use.STRANGERS: (logging.WARNING, "the database is filling up: no wraps are kept for keys without an account"),
    Use.OTHERS: (logging.WARNING, "the database is full: nothing more is kept for others"),
    Use.DELETION: (logging.WARNING, "the database is full: requests to delete are refused"),
    Use.REQUEST: (logging.ERROR, "the database is full: requests to the bridge are refused"),
}


class Space:
    """What is taken, as of the last look. Only the writer's thread looks; anybody may ask."""

    def __init__(self, connection: sqlite3.Connection, path: Path, limits: SpaceLimits) -> None:
        """Set the end of the file, on the writing connection."""
        self._limits = limits
        self._log = path.with_name(f"{path.name}-wal")
        self._waited_at = 0.0
        self._is_cut_off_next = False
        self._closed: frozenset[Use] = frozenset()
        (self._page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute(f"PRAGMA max_page_count = {(limits.max_bytes + limits.reserve_bytes) // self._page_bytes}")
        # A log that one burst blew up shrinks again when it begins anew.
        connection.execute(f"PRAGMA journal_size_limit = {limits.max_log_bytes}")
        self.look(connection)

    def has_room(self, use: Use) -> bool:
        """Tell whether there is room for that."""
        return use not in self._closed

    def require(self, use: Use) -> None:
        """Raise `StorageFull` if there is no room for that."""
        if not self.has_room(use):
            raise StorageFull(f"{_CLOSED[use][1]} (storage.max_bytes = {self._limits.max_bytes})")

    def cut_log_off(self) -> None:
        """Have the log folded into the file and emptied at the next look, if readers end within a moment."""
        self._is_cut_off_next = True

    def look(self, connection: sqlite3.Connection) -> None:
        """See what is taken, outside of a transaction."""
        log_bytes = self._shorten_log(connection)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        taken = (pages - free) * self._page_bytes + max(0, log_bytes - self._limits.max_log_bytes)
        closed = frozenset(use for use in Use if taken >= self._bound(use))
        for use in closed ^ self._closed:
            level, message = _CLOSED[use] if use in closed else (logging.INFO, f"no more: {_CLOSED[use][1]}")
            log.log(level, message, extra={"facts": {"bytes": taken, "max_bytes": self._limits.max_bytes}})
        self._closed = closed

    def _bound(self, use: Use) -> float:
        of_others, of_reserve = use.value
        bound = float(self._limits.max_bytes * of_others + self._limits.reserve_bytes * of_reserve)
        return bound * (1 - _SLACK) if use in self._closed else bound

    def _shorten_log(self, connection: sqlite3.Connection) -> int:
        length = self._log_bytes()
        is_asked, self._is_cut_off_next = self._is_cut_off_next, False
        if length <= self._limits.max_log_bytes and not is_asked:
            self._waited_at = 0.0
            return length
        is_time_to_wait = is_asked or length > self._waited_at * _LONGER
        (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS if is_time_to_wait else 0}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {patience}")
        left = self._log_bytes()
        if is_time_to_wait:
            self._waited_at = left
        return left

    def _log_bytes(self) -> int:
        try:
            return self._log.stat().st_size
        except FileNotFoundError:
            return 0
