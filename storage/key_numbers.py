"""Keys that are refused or erased, known by the numbers that they have, or would have, as accounts.

Such a number is a keyed hash: it outlasts an account, and tells nobody whose it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final, NamedTuple

from storage.account_interface import Standing
from storage.encryption import Vault

_FORGOTTEN_AT_ONCE: Final = 100

ERASED_UNTIL: Final = "coalesce((SELECT until FROM erased_keys WHERE key = ?), 0)"
"""Up to which time everything of the key with a number went with its account; 0: nothing did."""

_STANDING: Final = f"""
SELECT EXISTS (SELECT 1 FROM blocked_keys WHERE key = ?), EXISTS (SELECT 1 FROM revoked_keys WHERE key = ?),
{ERASED_UNTIL}
"""


class KeyRecord(NamedTuple):
    """What is on record of a key that acts for no account."""

    standing: Standing
    erased_until: int


def number_of(vault: Vault, pubkey: str) -> int:
    """Return the number of a key: that of its account, should it have one."""
    return vault.index.number("accounts.number", pubkey)


def read_key(connection: sqlite3.Connection, key: int) -> KeyRecord:
    """Return what is on record of a key that acts for no account."""
    is_blocked, is_revoked, erased_until = connection.execute(_STANDING, (key, key, key)).fetchone()
    standing = Standing.BLOCKED if is_blocked else Standing.REVOKED if is_revoked else Standing.FREE
    return KeyRecord(standing, erased_until)


def is_revoked(connection: sqlite3.Connection, key: int) -> bool:
    """Tell whether a key was revoked, be it blocked or not."""
    return connection.execute("SELECT 1 FROM revoked_keys WHERE key = ?", (key,)).fetchone() is not None


def remember_revoked(connection: sqlite3.Connection, account: int, key: int, *, most: int) -> None:
    """Refuse a key that was a device of an account; of more than `most` those revoked first are forgotten."""
    connection.execute("INSERT OR REPLACE INTO revoked_keys (key, account) VALUES (?, ?)", (key, account))
    connection.execute(
        "DELETE FROM revoked_keys WHERE number IN"
        " (SELECT number FROM revoked_keys WHERE account = ? ORDER BY number DESC LIMIT -1 OFFSET ?)",
        (account, most),
    )


def forget_revoked(connection: sqlite3.Connection, key: int) -> None:
    """Refuse a key no more because it was revoked."""
    connection.execute("DELETE FROM revoked_keys WHERE key = ?", (key,))


def remember_erased(connection: sqlite3.Connection, keys: Iterable[int], until: int, *, most: int) -> None:
    """Let nothing of these keys come back up to a time; of more than `most` keys those erased first are forgotten."""
    for key in keys:
        (before,) = connection.execute(f"SELECT {ERASED_UNTIL}", (key,)).fetchone()
        connection.execute("DELETE FROM erased_keys WHERE key = ?", (key,))
        (amount,) = connection.execute("SELECT amount FROM counts WHERE name = 'erased_keys'").fetchone()
        if amount >= most:
            connection.execute(
                "DELETE FROM erased_keys WHERE number IN (SELECT number FROM erased_keys ORDER BY number LIMIT ?)",
                (min(amount - most + 1, _FORGOTTEN_AT_ONCE),),
            )
        connection.execute("INSERT INTO erased_keys (key, until) VALUES (?, ?)", (key, max(until, before)))
