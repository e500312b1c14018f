"""Permit balances of (limiter, account). A bucket that has no row is full."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from storage import permits
from storage.account_interface import Acting
from storage.database import Database
from storage.devices import device_index
from storage.encryption import Vault
from storage.interface import CallerGone, NoPermit, Permit
from storage.permits import Balance, Bucket

_BALANCE = "SELECT p.worth_ms, p.refill_ms, p.updated_ms"
_OF_ACCOUNT = "LEFT JOIN permits AS p ON p.account = ? AND p.limiter = ?"


class SqlitePermits:
    """What is left of each account's permits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def balances(self, account: int) -> dict[str, Balance]:
        """Return what is on record for an account, by limiter. A limiter that is not there is full."""
        return await self._database.readers.run(lambda connection: read_balances(connection, account))


def read_balances(connection: sqlite3.Connection, account: int) -> dict[str, Balance]:
    """Return what is on record for an account, by limiter."""
    rows = connection.execute(
        "SELECT limiter, worth_ms, refill_ms, updated_ms FROM permits WHERE account = ?", (account,)
    )
    return {limiter: Balance(*figures) for limiter, *figures in rows}


def balance_after(
    connection: sqlite3.Connection, vault: Vault, permit: Permit, acting: Acting | None
) -> Balance | NoPermit | CallerGone:
    """Return what is left once one permit is taken, if who asks may still act; `record_balance` takes it."""
    if acting is None:
        row = connection.execute(f"{_BALANCE} FROM (SELECT 1) {_OF_ACCOUNT}", (permit.account, permit.limiter))
    else:
        row = connection.execute(
            f"{_BALANCE} FROM devices AS d {_OF_ACCOUNT} WHERE d.device = ? AND d.account = ?",
            (permit.account, permit.limiter, device_index(vault, acting.device_id), acting.account),
        )
    found = row.fetchone()
    if found is None:
        return CallerGone()
    recorded = permits.full(permit.bucket, permit.now_ms) if found[0] is None else Balance(*found)
    refilled = permits.refilled(recorded, permit.bucket, permit.now_ms)
    left = permits.take(refilled, permit.bucket)
    if left is None:
        if recorded.updated_ms > permit.now_ms:
            # The clock stepped back: count from the new time, or nothing refills until it has caught up.
            record_balance(connection, permit, refilled)
        return NoPermit(permits.wait_ms(refilled, permit.bucket))
    return left


def record_balance(connection: sqlite3.Connection, permit: Permit, balance: Balance) -> None:
    """Write down what is left."""
    connection.execute(
        "INSERT INTO permits (account, limiter, worth_ms, refill_ms, updated_ms) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (account, limiter) DO UPDATE SET worth_ms = excluded.worth_ms,"
        " refill_ms = excluded.refill_ms, updated_ms = excluded.updated_ms",
        (permit.account, permit.limiter, balance.worth_ms, balance.refill_ms, balance.updated_ms),
    )


def purge_full(
    connection: sqlite3.Connection, *, buckets: Mapping[str, Bucket], now_ms: int, after: tuple[int, str], chunk: int
) -> tuple[int, tuple[int, str] | None]:
    """Delete balances that are full again among the `chunk` rows that follow (account, limiter) `after`.

    Return how many went, and where to go on (None: that was the end). A limiter that is not among `buckets` is left
    alone: nothing says when it is full.
    """
    rows = connection.execute(
        "SELECT account, limiter, worth_ms, refill_ms, updated_ms FROM permits"
        " WHERE (account, limiter) > (?, ?) ORDER BY account, limiter LIMIT ?",
        (*after, chunk),
    ).fetchall()
    gone = [
        (account, limiter)
        for account, limiter, *figures in rows
        if (bucket := buckets.get(limiter)) is not None
        and permits.refilled(Balance(*figures), bucket, now_ms).worth_ms == bucket.full_ms
    ]
    connection.executemany("DELETE FROM permits WHERE account = ? AND limiter = ?", gone)
    return len(gone), (rows[-1][0], rows[-1][1]) if len(rows) == chunk else None
