"""Devices as rows."""

from __future__ import annotations

from storage.account_interface import Acting
from storage.database import Database
from storage.devices import devices_of, insert_device, is_acting, is_device
from storage.sqlite import SqliteStorage
from tests.storage.builders import a_device, a_hex, an_account


async def test_device_is_read_as_it_was_written(storage: SqliteStorage, below: Database) -> None:
    account, primary = await an_account(storage)
    second = a_device(1)
    await below.writer.run(lambda connection: insert_device(connection, below.vault, account.number, second))
    found = await below.writer.run(lambda connection: devices_of(connection, below.vault, account.number))
    assert found == [primary, second]
    assert await storage.accounts.find(second.pubkey) == (account, second)


async def test_key_is_a_device_when_it_acts_for_somebody(storage: SqliteStorage, below: Database) -> None:
    _, primary = await an_account(storage)
    assert await below.writer.run(lambda connection: is_device(connection, below.vault, primary.pubkey))
    assert not await below.writer.run(lambda connection: is_device(connection, below.vault, a_hex(9)))


async def test_device_acts_for_its_own_account_only(storage: SqliteStorage, below: Database) -> None:
    account, primary = await an_account(storage)
    other, _ = await an_account(storage, 1)

    async def acts(number: int, device_id: str) -> bool:
        return await below.writer.run(lambda connection: is_acting(connection, below.vault, Acting(number, device_id)))

    assert await acts(account.number, primary.device_id)
    assert not await acts(other.number, primary.device_id)
    assert not await acts(account.number, "another")
