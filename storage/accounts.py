"""Who may call: accounts, and the devices that act for them.

An account's number is a keyed hash of its public key. So a key that comes back has its old number, and meets the permit
balances that it left.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from storage.database import Database
from storage.encryption import Vault, place
from storage.interface import Account, Device, NewAccount

_DEVICE = "d.device, d.description, d.is_primary, d.registered_day, d.last_seen_day"
_FIND = (
    f"SELECT a.number, a.identity, a.admitted_day, {_DEVICE}"
    " FROM devices AS d JOIN accounts AS a ON a.number = d.account WHERE d.pubkey = ?"
)


class SqliteAccounts:
    """Accounts and their devices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, device_pubkey: str) -> tuple[Account, Device] | None:
        """Return the account for which a key may act, and the device it is."""
        vault = self._database.vault
        return await self._database.readers.run(lambda connection: find_caller(connection, vault, device_pubkey))

    async def admit(self, new: NewAccount, *, max_accounts: int) -> tuple[Account, Device] | None:
        """Make an account with its primary device, or return the one that is there; None when there are too many."""
        vault = self._database.vault
        return await self._database.writer.run(lambda connection: _admit(connection, vault, new, max_accounts))

    async def devices(self, account: int) -> Sequence[Device]:
        """Return an account's devices, the primary first."""
        rows = await self._database.readers.rows(
            f"SELECT {_DEVICE} FROM devices AS d WHERE d.account = ?"
            " ORDER BY d.is_primary DESC, d.registered_day, d.rowid",
            (account,),
        )
        return [_device(self._database.vault, *columns) for columns in rows]


def find_caller(connection: sqlite3.Connection, vault: Vault, device_pubkey: str) -> tuple[Account, Device] | None:
    """Return the account for which a key may act, and the device it is."""
    row = connection.execute(_FIND, (_pubkey_index(vault, device_pubkey),)).fetchone()
    return _caller(vault, row) if row else None


def is_device(connection: sqlite3.Connection, vault: Vault, pubkey: str) -> bool:
    """Tell whether a key may act for an account."""
    row = connection.execute("SELECT 1 FROM devices WHERE pubkey = ?", (_pubkey_index(vault, pubkey),)).fetchone()
    return row is not None


def record_seen(connection: sqlite3.Connection, vault: Vault, device_id: str, day: int) -> None:
    """Note the day on which a device was last seen."""
    # Most requests come on a day that is noted already; those write nothing.
    connection.execute(
        "UPDATE devices SET last_seen_day = ? WHERE device = ? AND last_seen_day <> ?",
        (day, _device_index(vault, device_id), day),
    )


def _admit(
    connection: sqlite3.Connection, vault: Vault, new: NewAccount, max_accounts: int
) -> tuple[Account, Device] | None:
    if there := find_caller(connection, vault, new.pubkey):
        return there
    (amount,) = connection.execute("SELECT amount FROM counts WHERE name = 'accounts'").fetchone()
    if amount >= max_accounts:
        return None
    number = vault.index.number("accounts.number", new.pubkey)
    identity = vault.encrypt_json(place("accounts", "identity", number), [new.pubkey, new.pni_salt.hex()])
    connection.execute(
        "INSERT INTO accounts (number, identity, admitted_day) VALUES (?, ?, ?)", (number, identity, new.day)
    )
    primary = Device(new.device_id, new.pubkey, "", None, True, new.day, new.day)
    _insert_device(connection, vault, number, primary)
    return Account(number, new.pubkey, new.pni_salt, new.day), primary


def _insert_device(connection: sqlite3.Connection, vault: Vault, account: int, device: Device) -> None:
    index = _device_index(vault, device.device_id)
    description = [device.device_id, device.pubkey, device.name, device.platform]
    connection.execute(
        "INSERT INTO devices (device, pubkey, account, description, is_primary, registered_day, last_seen_day)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            index,
            _pubkey_index(vault, device.pubkey),
            account,
            vault.encrypt_json(place("devices", "description", index), description),
            device.is_primary,
            device.registered_day,
            device.last_seen_day,
        ),
    )


def _caller(vault: Vault, row: tuple[Any, ...]) -> tuple[Account, Device]:
    number, identity, admitted_day, *device = row
    pubkey, pni_salt = vault.decrypt_json(place("accounts", "identity", number), identity)
    return Account(number, pubkey, bytes.fromhex(pni_salt), admitted_day), _device(vault, *device)


def _device(
    vault: Vault, index: bytes, stored: bytes, is_primary: int, registered_day: int, last_seen_day: int
) -> Device:
    device_id, pubkey, name, platform = vault.decrypt_json(place("devices", "description", index), stored)
    return Device(device_id, pubkey, name, platform, bool(is_primary), registered_day, last_seen_day)


def _pubkey_index(vault: Vault, pubkey: str) -> bytes:
    return vault.index.of("devices.pubkey", pubkey)


def _device_index(vault: Vault, device_id: str) -> bytes:
    return vault.index.of("devices.device", device_id)
