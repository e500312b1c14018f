"""Deletion of what has had its time, in chunks that never hold up the writer for long."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from storage.balances import purge_full
from storage.database import Database
from storage.gift_wraps import purge_wraps
from storage.inbox import purge_seen
from storage.invites import purge_invites
from storage.outbox import purge_outbox
from storage.permits import Bucket
from storage.public_events import purge_public_events
from storage.registration import purge_proofs
from storage.requests import purge_responses

CHUNK: Final = 200
"""Rows looked at by one work of the writer."""

Deletion = Callable[[sqlite3.Connection, int, int], int]
"""Deletes what expired by a time, at most so many rows, and returns how many went."""

_EXPIRING: Final[Mapping[str, Deletion]] = MappingProxyType(
    {
        "seen": purge_seen,
        "responses": purge_responses,
        "outbox": purge_outbox,
        "gift_wraps": purge_wraps,
        "public_events": purge_public_events,
        "device_proofs": purge_proofs,
        "invites": purge_invites,
    }
)


async def purge(database: Database, *, now: int, buckets: Mapping[str, Bucket], chunk: int = CHUNK) -> dict[str, int]:
    """Delete what has expired and buckets that are full again; return the rows removed, by table."""
    removed = {table: await _purge_expired(database, delete, now, chunk) for table, delete in _EXPIRING.items()}
    removed["permits"] = await _purge_permits(database, buckets, now * 1000, chunk)
    # What was deleted is still in the log as it was before, and so is what was erased with an account.
    await database.writer.run(lambda connection: database.space.cut_log_off())
    return removed


async def _purge_expired(database: Database, delete: Deletion, now: int, chunk: int) -> int:
    removed = 0
    while True:
        amount = await database.writer.run(lambda connection: delete(connection, now, chunk))
        removed += amount
        if amount < chunk:
            return removed


async def _purge_permits(database: Database, buckets: Mapping[str, Bucket], now_ms: int, chunk: int) -> int:
    removed = 0
    after: tuple[int, str] | None = (0, "")
    while after is not None:
        work = partial(purge_full, buckets=buckets, now_ms=now_ms, after=after, chunk=chunk)
        amount, after = await database.writer.run(work)
        removed += amount
    return removed
