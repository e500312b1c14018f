"""What requests change about accounts, in the transaction that answers them: first asked whether it can be, then done.

Nothing may be changed before it is clear that the answer will be recorded, and the wraps that asked are taken last of
all that can refuse; hence two steps.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from storage.account_interface import DeleteAccount, Effect, EffectRefusal, RegisterDevice, RevokeDevice, SetAccessKey
from storage.database import Limits
from storage.encryption import Vault, place
from storage.erasure import NO_RUMOR, erase_account
from storage.registration import refusal_to_register, refusal_to_revoke, register, revoke


def refusal_of(connection: sqlite3.Connection, vault: Vault, effect: Effect) -> EffectRefusal | None:
    """Tell why an effect cannot be, and change nothing."""
    match effect:
        case RegisterDevice():
            return refusal_to_register(connection, vault, effect)
        case RevokeDevice():
            return refusal_to_revoke(connection, vault, effect)
        case DeleteAccount() | SetAccessKey():
            return None


def carry_out(
    connection: sqlite3.Connection, vault: Vault, limits: Limits, effect: Effect, *, rumor: bytes = NO_RUMOR
) -> Sequence[str]:
    """Do what `refusal_of` had nothing against; return the keys that may not act any more.

    `rumor` is the index of the request, whose own answer outlasts the account.
    """
    match effect:
        case RegisterDevice():
            register(connection, vault, effect)
        case RevokeDevice():
            return (revoke(connection, vault, effect, remembered=limits.max_revoked_each),)
        case DeleteAccount():
            return erase_account(
                connection,
                vault,
                effect.account,
                until=effect.until,
                remembered=limits.max_erased_keys,
                spared=rumor,
            )
        case SetAccessKey():
            _set_access_key(connection, vault, effect)
    return ()


def _set_access_key(connection: sqlite3.Connection, vault: Vault, effect: SetAccessKey) -> None:
    if effect.key is None:
        connection.execute("DELETE FROM access_keys WHERE account = ?", (effect.account,))
        return
    connection.execute(
        "INSERT OR REPLACE INTO access_keys (account, value) VALUES (?, ?)",
        (effect.account, vault.ring.encrypt(place("access_keys", "value", effect.account), effect.key)),
    )
