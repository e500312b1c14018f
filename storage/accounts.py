"""Who may call: accounts, and what their operator decides about them.

An account's number is a keyed hash of its public key. So a key that comes back has its old number, and meets the permit
balances that it left.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from storage.account_interface import (
    DAY_SECONDS,
    Account,
    AccountOverview,
    AdmissionFailed,
    Device,
    NewAccount,
    Standing,
)
from storage.balances import balance_after, record_balance
from storage.database import Database
from storage.devices import COLUMNS, devices_of, insert_device, pubkey_index, read_device
from storage.encryption import Vault, place
from storage.erasure import erase_account
from storage.errors import StorageFull
from storage.interface import NoPermit
from storage.invites import use_invite
from storage.key_numbers import ERASED_UNTIL, is_revoked, number_of, read_key
from storage.permits import Balance, Permit

_ACCOUNT: Final = "a.number, a.identity, a.admitted_day"
_FROM: Final = "FROM devices AS d JOIN accounts AS a ON a.number = d.account WHERE d.pubkey = ?"
_FIND: Final = f"SELECT {_ACCOUNT}, {COLUMNS} {_FROM}"
_ASKING: Final = f"""
SELECT EXISTS (SELECT 1 FROM blocked_keys WHERE key = a.number) OR EXISTS (SELECT 1 FROM blocked_keys WHERE key = ?),
{ERASED_UNTIL}, {_ACCOUNT}, {COLUMNS} {_FROM}
"""


class Asking(NamedTuple):
    """Who a key is, as far as it is on record."""

    caller: tuple[Account, Device] | None
    standing: Standing
    erased_until: int
    key: int
    """The number that it has, or would have, as an account."""


class SqliteAccounts:
    """Accounts and their devices."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, device_pubkey: str) -> tuple[Account, Device] | None:
        """Return the account for which a key may act, and the device it is."""
        vault = self._database.vault
        return await self._database.readers.run(lambda connection: find_caller(connection, vault, device_pubkey))

    async def admit(
        self, new: NewAccount, *, max_accounts: int, invite: str | None = None, budget: Permit | None = None
    ) -> tuple[Account, Device] | AdmissionFailed:
        """Make an account with its primary device, or return the one that is there."""
        vault = self._database.vault
        return await self._database.writer.run(
            lambda connection: _admit(connection, vault, new, max_accounts, invite, budget)
        )

    async def devices(self, account: int) -> Sequence[Device]:
        """Return an account's devices, the primary first."""
        vault = self._database.vault
        return await self._database.readers.run(lambda connection: devices_of(connection, vault, account))

    async def delete(self, account: int, *, now: int) -> Sequence[str]:
        """Erase an account; return the keys that acted for it, none if there is no such account."""
        vault, most = self._database.vault, self._database.limits.max_erased_keys
        return await self._database.writer.run(
            lambda connection: erase_account(connection, vault, account, until=now, remembered=most)
        )

    async def access_key(self, account: int) -> bytes | None:
        """Return the key by which others reach an account without saying who they are."""
        row = await self._database.readers.row("SELECT value FROM access_keys WHERE account = ?", (account,))
        return self._database.vault.ring.decrypt(place("access_keys", "value", account), row[0]) if row else None

    async def block(self, pubkey: str) -> bool:
        """Refuse a key, and the account that it is; tell whether it was not blocked. It stays so whatever is deleted.

        Past `storage.max_blocked_keys` it raises `StorageFull`.
        """
        key, most = number_of(self._database.vault, pubkey), self._database.limits.max_blocked_keys
        return await self._database.writer.run(lambda connection: _block(connection, key, most))

    async def unblock(self, pubkey: str) -> bool:
        """Take a block back; tell whether there was one."""
        key = number_of(self._database.vault, pubkey)
        return await self._database.writer.run(
            lambda connection: connection.execute("DELETE FROM blocked_keys WHERE key = ?", (key,)).rowcount > 0
        )

    async def is_blocked(self, pubkey: str) -> bool:
        """Tell whether a key is blocked by itself."""
        key = number_of(self._database.vault, pubkey)
        return await self._database.readers.row("SELECT 1 FROM blocked_keys WHERE key = ?", (key,)) is not None

    async def count(self) -> int:
        """Return how many accounts there are."""
        row = await self._database.readers.row("SELECT count(*) FROM accounts")
        return int(row[0]) if row else 0

    async def count_blocked_strangers(self) -> int:
        """Return how many keys are blocked that are no accounts; which these are, keyed hashes do not tell."""
        row = await self._database.readers.row(
            "SELECT count(*) FROM blocked_keys AS b WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE number = b.key)"
        )
        return int(row[0]) if row else 0

    async def overview(
        self, *, after: int = 0, limit: int = 100, only_blocked: bool = False
    ) -> Sequence[AccountOverview]:
        """Return accounts in order of their numbers, those above `after`."""
        which = "AND EXISTS (SELECT 1 FROM blocked_keys WHERE key = a.number)" if only_blocked else ""
        vault = self._database.vault
        rows = await self._database.readers.rows(
            f"SELECT {_ACCOUNT}, (SELECT count(*) FROM devices WHERE account = a.number),"
            " (SELECT max(last_seen_day) FROM devices WHERE account = a.number),"
            " EXISTS (SELECT 1 FROM blocked_keys WHERE key = a.number)"
            f" FROM accounts AS a WHERE a.number > ? {which} ORDER BY a.number LIMIT ?",
            (after, limit),
        )
        return [
            AccountOverview(_account(vault, *account), devices, last_seen_day, bool(is_blocked))
            for *account, devices, last_seen_day, is_blocked in rows
        ]


def find_caller(connection: sqlite3.Connection, vault: Vault, device_pubkey: str) -> tuple[Account, Device] | None:
    """Return the account for which a key may act, and the device it is."""
    row = connection.execute(_FIND, (pubkey_index(vault, device_pubkey),)).fetchone()
    return _caller(vault, row) if row else None


def find_asking(connection: sqlite3.Connection, vault: Vault, pubkey: str) -> Asking:
    """Return who a key is and whether it may ask: in one statement, if it acts for an account."""
    key = number_of(vault, pubkey)
    row = connection.execute(_ASKING, (key, key, pubkey_index(vault, pubkey))).fetchone()
    if row is None:
        return Asking(None, *read_key(connection, key), key)
    is_blocked, erased_until, *columns = row
    return Asking(_caller(vault, columns), Standing.BLOCKED if is_blocked else Standing.FREE, erased_until, key)


def erase_account_of(
    connection: sqlite3.Connection, vault: Vault, pubkey: str, *, until: int, remembered: int
) -> Sequence[str]:
    """Erase the account that a key is, if it was there already at a time; return the keys that acted for it."""
    number = number_of(vault, pubkey)
    row = connection.execute(f"SELECT {_ACCOUNT} FROM accounts AS a WHERE a.number = ?", (number,)).fetchone()
    if row is None or _admitted_at(vault, *row) > until:
        return ()
    return erase_account(connection, vault, number, until=until, remembered=remembered)


def _admit(
    connection: sqlite3.Connection,
    vault: Vault,
    new: NewAccount,
    max_accounts: int,
    invite: str | None,
    budget: Permit | None,
) -> tuple[Account, Device] | AdmissionFailed:
    if there := find_caller(connection, vault, new.pubkey):
        return there
    number = number_of(vault, new.pubkey)
    if is_revoked(connection, number):
        return AdmissionFailed.REVOKED
    (amount,) = connection.execute("SELECT amount FROM counts WHERE name = 'accounts'").fetchone()
    if amount >= max_accounts:
        return AdmissionFailed.FULL
    left = balance_after(connection, vault, budget, None) if budget else None
    if isinstance(left, NoPermit):
        return AdmissionFailed.BUDGET
    if invite is not None and not use_invite(connection, vault, invite, new.now):
        return AdmissionFailed.INVITE_UNKNOWN
    if budget is not None and isinstance(left, Balance):
        record_balance(connection, budget, left)
    identity = vault.encrypt_json(place("accounts", "identity", number), [new.pubkey, new.pni_salt.hex(), new.now])
    connection.execute(
        "INSERT INTO accounts (number, identity, admitted_day) VALUES (?, ?, ?)", (number, identity, new.day)
    )
    primary = Device(new.device_id, new.pubkey, "", None, True, new.day, new.day)
    insert_device(connection, vault, number, primary)
    return Account(number, new.pubkey, new.pni_salt, new.day), primary


def _block(connection: sqlite3.Connection, key: int, most: int) -> bool:
    (amount,) = connection.execute("SELECT count(*) FROM blocked_keys WHERE key <> ?", (key,)).fetchone()
    if amount >= most:
        raise StorageFull(f"{amount} keys are blocked already (storage.max_blocked_keys = {most})")
    added = connection.execute("INSERT INTO blocked_keys (key) VALUES (?) ON CONFLICT DO NOTHING", (key,))
    return added.rowcount > 0


def _caller(vault: Vault, columns: Sequence[Any]) -> tuple[Account, Device]:
    number, identity, admitted_day, *device = columns
    return _account(vault, number, identity, admitted_day), read_device(vault, *device)


def _account(vault: Vault, number: int, identity: bytes, admitted_day: int) -> Account:
    pubkey, pni_salt, *_ = vault.decrypt_json(place("accounts", "identity", number), identity)
    return Account(number, pubkey, bytes.fromhex(pni_salt), admitted_day)


def _admitted_at(vault: Vault, number: int, identity: bytes, admitted_day: int) -> int:
    """Return the second at which an account was made, or the earliest that is surely not before it."""
    _, _, *admitted_at = vault.decrypt_json(place("accounts", "identity", number), identity)
    # The second is known of those alone that were made since it is written down.
    return int(admitted_at[0]) if admitted_at else admitted_day + DAY_SECONDS - 1
