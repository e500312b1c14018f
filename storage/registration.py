"""Keys that come to act for accounts, with a proof that counts once, and keys that are revoked."""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

from storage.account_interface import EffectRefusal, RegisterDevice, RevokeDevice
from storage.devices import COLUMNS, description_of, device_index, insert_device, pubkey_index, read_device
from storage.encryption import Vault
from storage.gift_wraps import delete_replies
from storage.hours import hour_after, hour_of
from storage.key_numbers import forget_revoked, number_of, remember_revoked
from storage.outbox import remove_all_for


class _Holder(NamedTuple):
    """For whom a key acts."""

    account: int
    device: bytes
    is_primary: int
    devices: int
    """How many act for that account."""


def refusal_to_register(connection: sqlite3.Connection, vault: Vault, effect: RegisterDevice) -> EffectRefusal | None:
    """Tell why a device cannot be registered; nothing is changed, so that a refused proof may be used again."""
    proof = _proof_index(vault, effect.proof_id)
    if connection.execute("SELECT 1 FROM device_proofs WHERE proof = ?", (proof,)).fetchone():
        return EffectRefusal.PROOF_USED
    holder = _holder(connection, vault, effect.device.pubkey)
    if holder is not None and holder.account == effect.account:
        is_same = holder.device == device_index(vault, effect.device.device_id)
        return None if is_same else EffectRefusal.CHANGED
    if holder is not None and not (holder.is_primary and holder.devices == 1):
        return EffectRefusal.TAKEN
    (amount,) = connection.execute("SELECT count(*) FROM devices WHERE account = ?", (effect.account,)).fetchone()
    return EffectRefusal.LIMIT if amount >= effect.max_devices else None


def register(connection: sqlite3.Connection, vault: Vault, effect: RegisterDevice) -> None:
    """Register or rename a device that `refusal_to_register` had nothing against."""
    connection.execute(
        "INSERT INTO device_proofs (proof, until_hour) VALUES (?, ?)",
        (_proof_index(vault, effect.proof_id), hour_after(effect.proof_until)),
    )
    holder = _holder(connection, vault, effect.device.pubkey)
    if holder is not None and holder.account == effect.account:
        description = description_of(vault, holder.device, effect.device)
        connection.execute("UPDATE devices SET description = ? WHERE device = ?", (description, holder.device))
        return
    if holder is not None:
        _absorb(connection, holder.account, effect.account)
    insert_device(connection, vault, effect.account, effect.device)
    forget_revoked(connection, number_of(vault, effect.device.pubkey))


def refusal_to_revoke(connection: sqlite3.Connection, vault: Vault, effect: RevokeDevice) -> EffectRefusal | None:
    """Tell why a device cannot be revoked."""
    row = connection.execute(
        "SELECT is_primary FROM devices WHERE device = ? AND account = ?",
        (device_index(vault, effect.device_id), effect.account),
    ).fetchone()
    if row is None:
        return EffectRefusal.UNKNOWN
    return EffectRefusal.PRIMARY if row[0] else None


def revoke(connection: sqlite3.Connection, vault: Vault, effect: RevokeDevice, *, remembered: int) -> str:
    """Revoke a device that `refusal_to_revoke` had nothing against; return its key."""
    index = device_index(vault, effect.device_id)
    (columns,) = connection.execute(f"SELECT {COLUMNS} FROM devices AS d WHERE d.device = ?", (index,)).fetchall()
    pubkey = read_device(vault, *columns).pubkey
    connection.execute("DELETE FROM devices WHERE device = ?", (index,))
    remember_revoked(connection, effect.account, number_of(vault, pubkey), most=remembered)
    remove_all_for(connection, vault, pubkey)
    delete_replies(connection, vault, pubkey)
    return pubkey


def purge_proofs(connection: sqlite3.Connection, now: int, chunk: int) -> int:
    """Forget proofs that are too old to be accepted anyway, at most `chunk`; return how many."""
    return connection.execute(
        "DELETE FROM device_proofs WHERE proof IN (SELECT proof FROM device_proofs WHERE until_hour <= ? LIMIT ?)",
        (hour_of(now), chunk),
    ).rowcount


def _holder(connection: sqlite3.Connection, vault: Vault, pubkey: str) -> _Holder | None:
    row: tuple[Any, ...] | None = connection.execute(
        "SELECT account, device, is_primary, (SELECT count(*) FROM devices AS other WHERE other.account = d.account)"
        " FROM devices AS d WHERE pubkey = ?",
        (pubkey_index(vault, pubkey),),
    ).fetchone()
    return _Holder(*row) if row else None


def _absorb(connection: sqlite3.Connection, old: int, new: int) -> None:
    """Let an account go into another. Its permits stay under its own number, where they wait should it be one again."""
    connection.execute("UPDATE responses SET account = ? WHERE account = ?", (new, old))
    connection.execute("UPDATE revoked_keys SET account = ? WHERE account = ?", (new, old))
    connection.execute("DELETE FROM accounts WHERE number = ?", (old,))


def _proof_index(vault: Vault, proof_id: str) -> bytes:
    return vault.index.of("device_proofs.proof", proof_id)
