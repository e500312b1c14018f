"""Invites: codes found by a keyed hash, and everything that is said about them encrypted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from storage.account_interface import DAY_SECONDS, Invite
from storage.database import Database
from storage.encryption import Vault, place

_IS_USABLE = "uses_left > 0 AND (expires_at IS NULL OR expires_at > ?)"


class SqliteInvites:
    """Codes that let keys in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, code: str, *, uses: int, expires_at: int | None, note: str, now: int, max_invites: int
    ) -> Invite | None:
        """Keep a new invite; None when there are `max_invites` that can still be used."""
        vault = self._database.vault
        day = now // DAY_SECONDS * DAY_SECONDS

        def create(connection: sqlite3.Connection) -> Invite | None:
            purge_invites(connection, now, max_invites)
            (amount,) = connection.execute("SELECT count(*) FROM invites").fetchone()
            if amount >= max_invites:
                return None
            return _insert(connection, vault, Invite(0, code, uses, uses, expires_at, note, day))

        return await self._database.writer.run(create)

    async def revoke(self, number: int) -> bool:
        """Let an invite be used no more; tell whether there was one."""
        return await self._database.writer.run(
            lambda connection: connection.execute("DELETE FROM invites WHERE number = ?", (number,)).rowcount > 0
        )

    async def all(self) -> Sequence[Invite]:
        """Return those that are kept, oldest first."""
        rows = await self._database.readers.rows(
            "SELECT number, uses_left, expires_at, terms FROM invites ORDER BY number"
        )
        return [_invite(self._database.vault, *columns) for columns in rows]


def use_invite(connection: sqlite3.Connection, vault: Vault, code: str, now: int) -> bool:
    """Use an invite up by one; tell whether there was one that can be used."""
    used = connection.execute(
        f"UPDATE invites SET uses_left = uses_left - 1 WHERE code = ? AND {_IS_USABLE}", (_code_index(vault, code), now)
    )
    return used.rowcount > 0


def purge_invites(connection: sqlite3.Connection, now: int, chunk: int) -> int:
    """Delete invites that cannot be used any more, at most `chunk`; return how many."""
    return connection.execute(
        f"DELETE FROM invites WHERE number IN (SELECT number FROM invites WHERE NOT ({_IS_USABLE}) LIMIT ?)",
        (now, chunk),
    ).rowcount


def _insert(connection: sqlite3.Connection, vault: Vault, invite: Invite) -> Invite:
    (number,) = connection.execute(
        "INSERT INTO invites (code, uses_left, expires_at, terms) VALUES (?, ?, ?, x'') RETURNING number",
        (_code_index(vault, invite.code), invite.uses_left, invite.expires_at),
    ).fetchone()
    terms = [invite.code, invite.uses, invite.note, invite.created_day]
    connection.execute(
        "UPDATE invites SET terms = ? WHERE number = ?",
        (vault.encrypt_json(place("invites", "terms", number), terms), number),
    )
    return replace(invite, number=number)


def _invite(vault: Vault, number: int, uses_left: int, expires_at: int | None, stored: bytes) -> Invite:
    code, uses, note, created_day = vault.decrypt_json(place("invites", "terms", number), stored)
    return Invite(number, code, uses, uses_left, expires_at, note, created_day)


def _code_index(vault: Vault, code: str) -> bytes:
    return vault.index.of("invites.code", code)
