"""What a deletion erases (protocol.md §2): all that is known about an account, its answers' contents included.

What stays is hashes: of requests, as long as they could be repeated; of keys, so that what they wrote does not come
back; and the balances of permits under the account's number. A block by the operator stays too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from storage.devices import devices_of
from storage.encryption import Vault
from storage.gift_wraps import delete_wraps_until
from storage.key_numbers import number_of, remember_erased
from storage.outbox import remove_all_for
from storage.public_events import delete_public_events_of
from storage.tombstones import FOR_EVER

NO_RUMOR: Final = b""


def erase_account(
    connection: sqlite3.Connection,
    vault: Vault,
    account: int,
    *,
    until: int,
    remembered: int,
    spared: bytes = NO_RUMOR,
) -> Sequence[str]:
    """Erase an account; return the keys that acted for it, none if there is no such account.

    Nothing that these keys asked, wrote or were sent up to a time comes back, for so many keys `remembered` in all. The
    stored answer with the index `spared` keeps its content.
    """
    keys = tuple(device.pubkey for device in devices_of(connection, vault, account))
    for key in keys:
        delete_wraps_until(connection, vault, FOR_EVER, key=key)
        remove_all_for(connection, vault, key)
        delete_public_events_of(connection, key)
    numbers = [number_of(vault, key) for key in keys]
    # Empty rather than gone: whoever sends such a request again must not have it carried out again. A device's own
    # number is on what it asked before it was one.
    connection.executemany(
        "UPDATE responses SET answer = x'', account = NULL WHERE account = ? AND rumor <> ?",
        [(number, spared) for number in {account, *numbers}],
    )
    connection.execute("DELETE FROM accounts WHERE number = ?", (account,))
    remember_erased(connection, numbers, until, most=remembered)
    return keys
