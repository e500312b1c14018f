"""Keys that are refused or erased."""

from __future__ import annotations

from dataclasses import replace

from storage.account_interface import AdmissionFailed, Standing
from storage.database import Database
from storage.key_numbers import (
    KeyRecord,
    forget_revoked,
    is_revoked,
    number_of,
    read_key,
    remember_erased,
    remember_revoked,
)
from storage.sqlite import SqliteStorage
from tests.storage.builders import NOW, a_hex, a_new_account, an_account

FREE = KeyRecord(Standing.FREE, 0)


async def record(below: Database, key: int) -> KeyRecord:
    return await below.writer.run(lambda connection: read_key(connection, key))


async def erase(below: Database, *keys: int, until: int = NOW, most: int = 10) -> None:
    await below.writer.run(lambda connection: remember_erased(connection, keys, until, most=most))


async def test_number_of_a_key_is_that_of_its_account(storage: SqliteStorage, below: Database) -> None:
    account, _ = await an_account(storage)
    assert number_of(below.vault, account.pubkey) == account.number
    assert number_of(below.vault, a_hex(1)) != account.number


async def test_unknown_key_is_free(below: Database) -> None:
    assert await record(below, 1) == FREE


async def test_revoked_key_is_refused_until_it_is_forgotten(storage: SqliteStorage, below: Database) -> None:
    account, _ = await an_account(storage)
    await below.writer.run(lambda connection: remember_revoked(connection, account.number, 7, most=10))
    assert await record(below, 7) == KeyRecord(Standing.REVOKED, 0)
    await below.writer.run(lambda connection: forget_revoked(connection, 7))
    assert await record(below, 7) == FREE


async def test_blocked_comes_before_revoked(storage: SqliteStorage, below: Database) -> None:
    account, _ = await an_account(storage)
    key = number_of(below.vault, a_hex(7))
    await below.writer.run(lambda connection: remember_revoked(connection, account.number, key, most=10))
    await storage.accounts.block(a_hex(7))
    assert await record(below, key) == KeyRecord(Standing.BLOCKED, 0)
    assert await below.writer.run(lambda connection: is_revoked(connection, key))
    joining = replace(a_new_account(1), pubkey=a_hex(7))
    assert await storage.accounts.admit(joining, max_accounts=9) is AdmissionFailed.REVOKED


async def test_latest_time_of_an_erased_key_counts(below: Database) -> None:
    for until in (NOW, NOW + 5, NOW - 5):
        await erase(below, 1, until=until)
    assert await record(below, 1) == KeyRecord(Standing.FREE, NOW + 5)


async def test_keys_erased_first_are_forgotten_beyond_the_bound(below: Database) -> None:
    await erase(below, 1, 2, 3, most=3)
    await erase(below, 1, most=3)
    await erase(below, 4, most=3)
    assert [(await record(below, key)).erased_until for key in (1, 2, 3, 4)] == [NOW, 0, NOW, NOW]


async def test_smaller_bound_takes_hold_step_by_step(below: Database) -> None:
    await erase(below, *range(1, 301), most=1000)
    await erase(below, 1001, most=2)
    left = [key for key in (*range(1, 301), 1001) if (await record(below, key)).erased_until]
    assert left == [*range(101, 301), 1001]
