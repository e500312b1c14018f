"""Accounts and devices."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from storage.account_interface import Account, AdmissionFailed, Device
from storage.sqlite import SqliteStorage
from tests.storage.builders import DAY, NOW, a_hex, a_new_account, an_account


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
