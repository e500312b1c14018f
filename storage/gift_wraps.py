"""Kind 1059 events kept for their recipients.

Ids and times of wraps are in clear: they are chosen by the sender for a one-time key and order the answers. Whom a wrap
is for and which key signed it are blind indexes, and the event, whose tags say more, is encrypted. So a filter is
decided by these columns alone, and only what is returned is decrypted. A condition on any tag but `p` matches no wrap:
NIP-59 gives it no other to be found by.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence

from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.kinds import GIFT_WRAP
from storage.database import Database
from storage.encryption import Vault, place
from storage.interface import Added, StoredEvent

MAX_REPLIES = 10_000
"""Replies of the bridge that are kept for one recipient, as many as there are wraps from others by default."""

_ORDER = "ORDER BY created_at DESC, id"

# The newest of each recipient, then the newest of those, from the index alone; and only then their rows. So what is
# read grows with what is returned, and not with what is kept.
_PAGE = f"""
SELECT id, created_at, event FROM gift_wraps WHERE number IN (
    SELECT candidate.number FROM (VALUES {{recipients}}) AS asked CROSS JOIN gift_wraps AS candidate
    WHERE candidate.number IN (
        SELECT number FROM gift_wraps WHERE {{recipient}} = asked.column1 AND {{condition}} {_ORDER} LIMIT ?
    )
    {_ORDER} LIMIT ?
) {_ORDER}
"""


class SqliteGiftWraps:
    """Wraps and whom they are for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, wrap: VerifiedEvent, *, recipient: str, expires_at: int, quota: int) -> Added:
        """Keep a wrap for its recipient: ADDED, DUPLICATE, or FULL when the recipient has `quota` wraps of others."""
        vault = self._database.vault
        return await self._database.writer.run(
            lambda connection: _add(connection, vault, wrap, recipient, expires_at, quota)
        )

    async def query(
        self, wanted: Filter, *, recipients: Collection[str], now: int, limit: int
    ) -> Sequence[StoredEvent]:
        """Return unexpired wraps of these recipients that match, newest first, ties by lowest id.

        A filter with a condition on a tag other than `p` matches none.
        """
        limit = limit if wanted.limit is None else min(limit, wanted.limit)
        asked = set(recipients) & wanted.tags.get("p", frozenset(recipients))
        is_for_wraps = wanted.kinds is None or GIFT_WRAP in wanted.kinds
        if limit <= 0 or not asked or not is_for_wraps or wanted.tags.keys() - {"p"}:
            return ()
        vault = self._database.vault
        indexes = [_recipient_index(vault, recipient) for recipient in asked]
        condition, parameters = _condition(vault, wanted, now)
        sql = _PAGE.format(
            recipients=", ".join(["(?)"] * len(indexes)),
            # Left to itself SQLite reads all wraps of the recipient to find one id; the sign keeps it from that.
            recipient="recipient" if wanted.ids is None else "+recipient",
            condition=condition,
        )
        rows = await self._database.readers.for_clients.rows(sql, (*indexes, *parameters, limit, limit))
        return [
            StoredEvent(wrap_id.hex(), created_at, self._json(wrap_id, stored)) for wrap_id, created_at, stored in rows
        ]

    def _json(self, wrap_id: bytes, stored: bytes) -> str:
        return self._database.vault.ring.decrypt(place("gift_wraps", "event", wrap_id), stored).decode()


def insert_wrap(
    connection: sqlite3.Connection,
    vault: Vault,
    wrap: VerifiedEvent,
    *,
    recipient: str,
    expires_at: int,
    max_replies: int = MAX_REPLIES,
) -> None:
    """Keep a reply of the bridge; one that is there already stays as it is.

    It is outside the quota of wraps from others. Beyond `max_replies` the recipient's oldest go: an answer of ours is
    never refused, and whoever lets so many lie does not come for them.
    """
    _insert(connection, vault, wrap, recipient, expires_at, is_reply=True)
    connection.execute(
        "DELETE FROM gift_wraps WHERE number IN (SELECT number FROM gift_wraps"
        " WHERE is_reply AND recipient = ? ORDER BY number DESC LIMIT -1 OFFSET ?)",
        (_recipient_index(vault, recipient), max_replies),
    )


def purge_wraps(connection: sqlite3.Connection, now: int, chunk: int) -> int:
    """Delete wraps whose time is over, at most `chunk`; return how many."""
    return connection.execute(
        "DELETE FROM gift_wraps WHERE number IN (SELECT number FROM gift_wraps WHERE expires_at <= ? LIMIT ?)",
        (now, chunk),
    ).rowcount


def _add(
    connection: sqlite3.Connection, vault: Vault, wrap: VerifiedEvent, recipient: str, expires_at: int, quota: int
) -> Added:
    is_known, kept = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM gift_wraps WHERE id = ?),"
        " (SELECT count(*) FROM (SELECT 1 FROM gift_wraps WHERE recipient = ? AND NOT is_reply LIMIT ?))",
        (bytes.fromhex(wrap.id), _recipient_index(vault, recipient), quota),
    ).fetchone()
    if is_known:
        return Added.DUPLICATE
    if kept >= quota:
        return Added.FULL
    _insert(connection, vault, wrap, recipient, expires_at, is_reply=False)
    return Added.ADDED


def _insert(
    connection: sqlite3.Connection,
    vault: Vault,
    wrap: VerifiedEvent,
    recipient: str,
    expires_at: int,
    *,
    is_reply: bool,
) -> None:
    wrap_id = bytes.fromhex(wrap.id)
    connection.execute(
        "INSERT INTO gift_wraps (id, recipient, author, created_at, expires_at, is_reply, event)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        (
            wrap_id,
            _recipient_index(vault, recipient),
            _author_index(vault, wrap.pubkey),
            wrap.created_at,
            expires_at,
            is_reply,
            vault.ring.encrypt(place("gift_wraps", "event", wrap_id), wrap.to_json().encode()),
        ),
    )


def _condition(vault: Vault, wanted: Filter, now: int) -> tuple[str, list[object]]:
    """Return what a filter asks of a wrap of a given recipient."""
    clauses = ["expires_at > ?"]
    parameters: list[object] = [now]

    def require_one_of(column: str, values: Iterable[bytes]) -> None:
        allowed = list(values)
        clauses.append(f"{column} IN ({', '.join('?' * len(allowed))})")
        parameters.extend(allowed)

    if wanted.ids is not None:
        require_one_of("id", map(bytes.fromhex, wanted.ids))
    if wanted.authors is not None:
        require_one_of("author", (_author_index(vault, author) for author in wanted.authors))
    if wanted.since is not None:
        clauses.append("created_at >= ?")
        parameters.append(wanted.since)
    if wanted.until is not None:
        clauses.append("created_at <= ?")
        parameters.append(wanted.until)
    return " AND ".join(clauses), parameters


def _recipient_index(vault: Vault, recipient: str) -> bytes:
    return vault.index.of("gift_wraps.recipient", recipient)


def _author_index(vault: Vault, author: str) -> bytes:
    return vault.index.of("gift_wraps.author", author)
