"""Keys that act for accounts, as rows: found by key when they ask, by id when they are named."""

from __future__ import annotations

import sqlite3
from typing import Final

from storage.account_interface import Acting, Device
from storage.encryption import Vault, place

COLUMNS: Final = "d.device, d.description, d.is_primary, d.registered_day, d.last_seen_day"
"""What `read_device` is made of, from `devices AS d`."""


def read_device(
    vault: Vault, index: bytes, stored: bytes, is_primary: int, registered_day: int, last_seen_day: int
) -> Device:
    """Return a device of a row."""
    device_id, pubkey, name, platform = vault.decrypt_json(place("devices", "description", index), stored)
    return Device(device_id, pubkey, name, platform, bool(is_primary), registered_day, last_seen_day)


def devices_of(connection: sqlite3.Connection, vault: Vault, account: int) -> list[Device]:
    """Return an account's devices, the primary first."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM devices AS d WHERE d.account = ? ORDER BY d.is_primary DESC, d.registered_day, d.rowid",
        (account,),
    )
    return [read_device(vault, *columns) for columns in rows]


def is_device(connection: sqlite3.Connection, vault: Vault, pubkey: str) -> bool:
    """Tell whether a key may act for an account."""
    row = connection.execute("SELECT 1 FROM devices WHERE pubkey = ?", (pubkey_index(vault, pubkey),)).fetchone()
    return row is not None


def is_acting(connection: sqlite3.Connection, vault: Vault, acting: Acting) -> bool:
    """Tell whether a device still acts for its account."""
    row = connection.execute(
        "SELECT 1 FROM devices WHERE device = ? AND account = ?",
        (device_index(vault, acting.device_id), acting.account),
    ).fetchone()
    return row is not None


def insert_device(connection: sqlite3.Connection, vault: Vault, account: int, device: Device) -> None:
    """Let a key act for an account."""
    index = device_index(vault, device.device_id)
    connection.execute(
        "INSERT INTO devices (device, pubkey, account, description, is_primary, registered_day, last_seen_day)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            index,
            pubkey_index(vault, device.pubkey),
            account,
            description_of(vault, index, device),
            device.is_primary,
            device.registered_day,
            device.last_seen_day,
        ),
    )


def record_seen(connection: sqlite3.Connection, vault: Vault, device_id: str, day: int) -> None:
    """Note the day on which a device was last seen."""
    connection.execute(
        "UPDATE devices SET last_seen_day = ? WHERE device = ? AND last_seen_day <> ?",
        (day, device_index(vault, device_id), day),
    )


def description_of(vault: Vault, index: bytes, device: Device) -> bytes:
    """Encrypt what a device is, for its row."""
    content = [device.device_id, device.pubkey, device.name, device.platform]
    return vault.encrypt_json(place("devices", "description", index), content)


def pubkey_index(vault: Vault, pubkey: str) -> bytes:
    """Return what a device is found by when it asks."""
    return vault.index.of("devices.pubkey", pubkey)


def device_index(vault: Vault, device_id: str) -> bytes:
    """Return what a device is found by when it is named."""
    return vault.index.of("devices.device", device_id)
