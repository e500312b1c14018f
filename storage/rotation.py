"""Key rotation: bring every encrypted value under the newest key, so that older keys can be thrown away."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import partial
from typing import Final

from storage.database import Database
from storage.encryption import KeyRing, place
from storage.purge import CHUNK


@dataclass(frozen=True, slots=True)
class EncryptedColumn:
    """A column of encrypted values, and the unique column that names the row in their associated data."""

    table: str
    column: str
    row: str


RowKey = str | int | bytes

# SQLite orders numbers before texts and texts before blobs, so this precedes every key.
_FIRST: Final = -(2**63)

ENCRYPTED: Final = (
    EncryptedColumn("meta", "value", "name"),
    EncryptedColumn("inbox", "entry", "arrival"),
    EncryptedColumn("responses", "answer", "rumor"),
    EncryptedColumn("outbox", "content", "number"),
    EncryptedColumn("accounts", "identity", "number"),
    EncryptedColumn("devices", "description", "device"),
    EncryptedColumn("access_keys", "value", "account"),
    EncryptedColumn("invites", "terms", "number"),
    EncryptedColumn("gift_wraps", "event", "id"),
    EncryptedColumn("secrets", "value", "name"),
)


async def reencrypt(database: Database, *, chunk: int = CHUNK) -> int:
    """Encrypt under the newest key what is under an older one; return how many values that were.

    Safe beside everything else that runs: new values are under the newest key already.
    """
    changed = 0
    for column in ENCRYPTED:
        after: RowKey | None = _FIRST
        while after is not None:
            work = partial(_reencrypt_rows, ring=database.vault.ring, column=column, after=after, chunk=chunk)
            amount, after = await database.writer.run(work)
            changed += amount
    return changed


def _reencrypt_rows(
    connection: sqlite3.Connection, *, ring: KeyRing, column: EncryptedColumn, after: RowKey, chunk: int
) -> tuple[int, RowKey | None]:
    """Do the rows that follow `after`; return how many changed, and where to go on (None: that was the end)."""
    rows = connection.execute(
        f"SELECT {column.row}, {column.column} FROM {column.table} WHERE {column.row} > ?"
        f" ORDER BY {column.row} LIMIT ?",
        (after, chunk),
    ).fetchall()
    old = [(row, stored) for row, stored in rows if stored and stored[0] != ring.newest]
    for row, stored in old:
        where = place(column.table, column.column, row)
        connection.execute(
            f"UPDATE {column.table} SET {column.column} = ? WHERE {column.row} = ?",
            (ring.encrypt(where, ring.decrypt(where, stored)), row),
        )
    return len(old), rows[-1][0] if len(rows) == chunk else None
