"""Permit balances in the database."""

from __future__ import annotations

import sqlite3

import pytest

from storage.balances import SqlitePermits, balance_after, purge_full, record_balance
from storage.database import Database
from storage.interface import CallerGone, NoPermit, Permit
from storage.permits import Balance, Bucket
from tests.storage.builders import BUCKET, NOW, a_permit

T0 = NOW * 1000
HOUR_MS = 3_600_000


async def take(database: Database, permit: Permit) -> NoPermit | None:
    """Take a permit in a transaction of its own."""

    def work(connection: sqlite3.Connection) -> NoPermit | None:
        left = balance_after(connection, database.vault, permit, None)
        assert not isinstance(left, CallerGone)
        if isinstance(left, NoPermit):
            return left
        record_balance(connection, permit, left)
        return None

    return await database.writer.run(work)


async def test_bucket_without_a_row_is_full(database: Database) -> None:
    assert await SqlitePermits(database).balances(1) == {}
    assert await take(database, a_permit()) is None
    assert await SqlitePermits(database).balances(1) == {"turn": Balance(60_000, 60_000, T0)}


async def test_accounts_and_limiters_do_not_share(database: Database) -> None:
    one = Bucket(burst=1, refill_ms=1000)
    for permit in (
        a_permit(bucket=one),
        a_permit(bucket=one, account=2),
        a_permit(bucket=one, limiter="info"),
    ):
        assert await take(database, permit) is None
        assert await take(database, permit) == NoPermit(1000)
    assert set(await SqlitePermits(database).balances(1)) == {"turn", "info"}
    assert set(await SqlitePermits(database).balances(2)) == {"turn"}


async def test_refusal_writes_nothing(database: Database) -> None:
    for _ in range(2):
        await take(database, a_permit())
    before = await SqlitePermits(database).balances(1)
    assert await take(database, a_permit(now_ms=T0 + 1)) == NoPermit(59_999)
    assert await SqlitePermits(database).balances(1) == before


async def test_permit_comes_back_with_time(database: Database) -> None:
    for _ in range(2):
        assert await take(database, a_permit()) is None
    assert await take(database, a_permit(now_ms=T0 + 59_999)) == NoPermit(1)
    assert await take(database, a_permit(now_ms=T0 + 60_000)) is None


async def test_clock_that_steps_back_locks_nobody_out(database: Database) -> None:
    for _ in range(2):
        await take(database, a_permit())
    back = T0 - HOUR_MS
    assert await take(database, a_permit(now_ms=back)) == NoPermit(60_000)
    assert (await SqlitePermits(database).balances(1))["turn"] == Balance(0, 60_000, back)
    assert await take(database, a_permit(now_ms=back + 60_000)) is None


async def test_clock_back_and_forward_again_stays_within_the_burst(database: Database) -> None:
    for _ in range(2):
        await take(database, a_permit())
    await take(database, a_permit(now_ms=T0 - HOUR_MS))
    outcomes = [await take(database, a_permit(now_ms=T0)) for _ in range(3)]
    assert outcomes == [None, None, NoPermit(60_000)]


def purge(connection: sqlite3.Connection, buckets: dict[str, Bucket], now_ms: int, chunk: int) -> list[int]:
    """Go through all rows and return how many went with each chunk."""
    removed, after = [], (0, "")
    while True:
        amount, following = purge_full(connection, buckets=buckets, now_ms=now_ms, after=after, chunk=chunk)
        removed.append(amount)
        if following is None:
            return removed
        after = following


async def test_full_buckets_go_and_others_stay(database: Database) -> None:
    for account in range(1, 8):
        await take(database, a_permit(account=account, now_ms=T0 + account))
        await take(database, a_permit(account=account, limiter="unknown"))
    removed = await database.writer.run(lambda connection: purge(connection, {"turn": BUCKET}, T0 + 60_003, 4))
    assert removed == [2, 1, 0, 0]
    balances = SqlitePermits(database)
    gone = [account for account in range(1, 8) if "turn" not in await balances.balances(account)]
    assert gone == [1, 2, 3]
    assert all(["unknown" in await balances.balances(account) for account in range(1, 8)])


@pytest.mark.parametrize("now_ms", [T0, T0 - HOUR_MS])
async def test_purge_with_an_early_clock_removes_nothing(database: Database, now_ms: int) -> None:
    await take(database, a_permit())
    removed = await database.writer.run(lambda connection: purge(connection, {"turn": BUCKET}, now_ms, 4))
    assert removed == [0]
