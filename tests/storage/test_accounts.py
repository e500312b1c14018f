"""Accounts and devices."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from storage.account_interface import Account, AccountOverview, AdmissionFailed, Device, Standing
from storage.accounts import erase_account_of
from storage.database import Database, Limits
from storage.encryption import KeyRing, place
from storage.errors import StorageFull
from storage.sqlite import SqliteStorage, open_storage
from tests.storage.builders import DAY, NOW, a_device, a_hex, a_new_account, a_secret, an_account
from tests.storage.test_registration import register


async def test_admitted_key_is_an_account_and_its_primary_device(storage: SqliteStorage) -> None:
    new = a_new_account()
    account, device = await an_account(storage)
    assert account == Account(account.number, new.pubkey, new.pni_salt, DAY)
    assert device == Device(new.device_id, new.pubkey, "", None, True, DAY, DAY)
    assert await storage.accounts.find(new.pubkey) == (account, device)
    assert await storage.accounts.devices(account.number) == [device]


async def test_unknown_key_is_nobody(storage: SqliteStorage) -> None:
    await an_account(storage)
    assert await storage.accounts.find(a_hex(99)) is None
    assert await storage.accounts.devices(99) == []


async def test_key_admitted_twice_stays_what_it_was(storage: SqliteStorage) -> None:
    first = await an_account(storage)
    again = replace(a_new_account(), pni_salt=bytes(16), device_id="another", now=NOW + 86_400)
    assert await storage.accounts.admit(again, max_accounts=1) == first


async def test_race_of_a_key_with_itself_makes_one_account(storage: SqliteStorage) -> None:
    admitted = await asyncio.gather(
        *(
            storage.accounts.admit(replace(a_new_account(), device_id=f"device {number}"), max_accounts=1)
            for number in range(20)
        )
    )
    assert len(set(admitted)) == 1
    assert not isinstance(admitted[0], AdmissionFailed)


async def test_full_house_admits_nobody_else(storage: SqliteStorage) -> None:
    for number in range(2):
        await an_account(storage, number)
    assert await storage.accounts.admit(a_new_account(2), max_accounts=2) is AdmissionFailed.FULL
    assert await storage.accounts.find(a_hex(2)) is None
    assert not isinstance(await storage.accounts.admit(a_new_account(1), max_accounts=2), AdmissionFailed)


async def test_numbers_differ_and_tell_nothing_of_the_order(storage: SqliteStorage) -> None:
    numbers = [(await an_account(storage, number))[0].number for number in range(20)]
    assert len(set(numbers)) == 20
    assert numbers != sorted(numbers)
    assert all(0 < number < 2**63 for number in numbers)


# --- what the operator decides


async def standing(storage: SqliteStorage, pubkey: str) -> Standing:
    return (await storage.requests.look_up(asker=pubkey, request_id="any", rumor_id=a_hex(99))).standing


async def test_block_holds_for_account_and_devices_until_it_is_taken_back(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    other, _ = await an_account(storage, 5)
    await register(storage, account, a_device(1))
    assert await storage.accounts.block(account.pubkey)
    assert not await storage.accounts.block(account.pubkey)
    keys = account.pubkey, a_device(1).pubkey, other.pubkey
    assert [await standing(storage, key) for key in keys] == [Standing.BLOCKED, Standing.BLOCKED, Standing.FREE]
    assert [await storage.accounts.is_blocked(key) for key in keys] == [True, False, False]
    assert await storage.accounts.unblock(account.pubkey)
    assert not await storage.accounts.unblock(account.pubkey)
    assert [await standing(storage, key) for key in keys] == [Standing.FREE] * 3


async def test_block_of_a_device_leaves_its_account_alone(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    await register(storage, account, a_device(1))
    await storage.accounts.block(a_device(1).pubkey)
    assert await standing(storage, a_device(1).pubkey) is Standing.BLOCKED
    assert await standing(storage, account.pubkey) is Standing.FREE


async def test_key_without_account_can_be_blocked_beforehand(storage: SqliteStorage) -> None:
    await storage.accounts.block(a_hex(0))
    assert await standing(storage, a_hex(0)) is Standing.BLOCKED
    await an_account(storage)
    assert await standing(storage, a_hex(0)) is Standing.BLOCKED


async def test_no_more_keys_are_blocked_than_the_bound(path: Path, key_ring: KeyRing) -> None:
    storage = await open_storage(path, key_ring, Limits(max_blocked_keys=2))
    for number in (0, 1, 0):
        await storage.accounts.block(a_hex(number))
    with pytest.raises(StorageFull, match=r"storage\.max_blocked_keys = 2"):
        await storage.accounts.block(a_hex(2))
    await storage.accounts.unblock(a_hex(0))
    assert await storage.accounts.block(a_hex(2))
    await storage.close()


async def test_overview_goes_page_by_page_through_all_accounts(storage: SqliteStorage) -> None:
    accounts = sorted([(await an_account(storage, number))[0] for number in range(5)], key=lambda each: each.number)
    await register(storage, accounts[1], replace(a_device(1), last_seen_day=DAY + 86_400))
    await storage.accounts.block(accounts[2].pubkey)
    pages, after = [], 0
    while page := await storage.accounts.overview(after=after, limit=2):
        pages.append(page)
        after = page[-1].account.number
    assert [len(page) for page in pages] == [2, 2, 1]
    figures = {1: (2, DAY + 86_400, False), 2: (1, DAY, True)}
    assert [each for page in pages for each in page] == [
        AccountOverview(account, *figures.get(number, (1, DAY, False))) for number, account in enumerate(accounts)
    ]


async def test_account_of_before_its_second_was_known_counts_from_the_end_of_its_day(
    storage: SqliteStorage, below: Database
) -> None:
    new = replace(a_new_account(), pubkey=a_secret(2).public_key)
    admitted = await storage.accounts.admit(new, max_accounts=9)
    assert not isinstance(admitted, AdmissionFailed)
    number = admitted[0].number
    identity = below.vault.encrypt_json(place("accounts", "identity", number), [new.pubkey, new.pni_salt.hex()])
    await below.writer.run(lambda connection: connection.execute("UPDATE accounts SET identity = ?", (identity,)))

    async def vanish(until: int) -> int:
        return len(
            await below.writer.run(
                lambda connection: erase_account_of(connection, below.vault, new.pubkey, until=until, remembered=9)
            )
        )

    assert await storage.accounts.find(new.pubkey) == admitted
    assert await vanish(DAY + 86_398) == 0
    assert await vanish(DAY + 86_399) == 1
