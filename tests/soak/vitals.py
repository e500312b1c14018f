"""What a process is seen to hold from outside (Linux: /proc), what its files hold, and what it says of itself."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.connection import CLOCK
from tests.soak.ledger import Tally
from tests.soak.plan import CLEARING_SECONDS, PURGE_SECONDS
from tests.support.process import LogLine, Switchboard

TABLES = (
    "inbox",
    "seen",
    "responses",
    "outbox",
    "gift_wraps",
    "public_events",
    "deletions",
    "vanished",
    "accounts",
    "devices",
    "permits",
)
EXPIRING = {
    "seen": "until_hour <= :of_hours / 3600",
    "responses": "forget_hour <= :of_hours / 3600",
    "outbox": "expires_at <= :since",
    "gift_wraps": "expires_at <= :since",
    "public_events": "expires_at <= :since",
}
"""What tells that a row's time was over at a moment."""

OVERDUE_SECONDS = int(PURGE_SECONDS) + 15
"""How long after its time a row may still be there: until the next clearing, on a machine that has other work."""

FIGURES = ("tasks", "connections", "subscriptions", "requests", "live_answers", "workers")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

Sample = Mapping[str, float]
"""What was seen at one moment, by name: times in seconds, sizes in bytes, rows by table."""


@dataclass(slots=True)
class Log:
    """What of a program's log is worth memory."""

    complaints: Tally = field(default_factory=Tally)
    """Warnings and errors, by message."""
    dropped: int = 0
    """Clients that did not read what they had asked for."""

    def keeps(self, line: LogLine) -> bool:
        """Look at a line, and tell whether it has to be kept."""
        self.dropped += line["message"] == "client dropped"
        # Every twelfth visit is a newcomer's, so the plan fills the bridge with accounts, and it says so.
        is_planned = (line["message"], line.get("part")) == ("degraded", "accounts")
        if line.get("level") not in {"debug", "info"} and not is_planned:
            self.complaints.add(str(line["message"]))
        return line["message"] in {"ready", "stopping", "stopped"}


async def look(program: Switchboard, *, at: float) -> Sample:
    """Return a sample of a running bridge, its child processes included."""
    figures = await program.figures()
    processes = program.family
    database = program.home / "switchboard.db"
    opened = [target for pid in processes for target in descriptors(pid)]
    of_database = sum(target.startswith(str(database)) for target in opened)
    return {
        "at": at,
        "processes": len(processes),
        "resident_bytes": sum(resident_bytes(pid) for pid in processes),
        "descriptors": len(opened) - of_database,
        "database_descriptors": of_database,
        "threads": sum(threads(pid) for pid in processes),
        "database_bytes": database.stat().st_size,
        "wal_bytes": size(database.with_name(f"{database.name}-wal")),
        **{name: float(figures[name]) for name in FIGURES},
        **rows(database),
        "overdue": overdue(database, CLOCK.now()),
    }


def resident_bytes(pid: int) -> int:
    """Return what a process has in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def descriptors(pid: int) -> Sequence[str]:
    """Return what files and sockets a process has open."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(link.readlink()))
    return found


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())


def size(file: Path) -> int:
    """Return the size of a file that may be gone."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def overdue(database: Path, now: int) -> int:
    """Return how many rows are there whose time has long been over."""
    moments = {"since": now - OVERDUE_SECONDS, "of_hours": now - CLEARING_SECONDS}
    counts = [f"(SELECT count(*) FROM {table} WHERE {is_over})" for table, is_over in EXPIRING.items()]
    with closing(_reader(database)) as connection:
        return int(connection.execute(f"SELECT {' + '.join(counts)}", moments).fetchone()[0])


def _reader(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)


def rows(database: Path) -> dict[str, float]:
    """Return how many rows each table has; `free_bytes` is room in the file that is used again."""
    with closing(_reader(database)) as connection:
        found = {table: float(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in TABLES}
        pages = connection.execute("PRAGMA freelist_count").fetchone()[0]
        return {**found, "free_bytes": pages * connection.execute("PRAGMA page_size").fetchone()[0]}
