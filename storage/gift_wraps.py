"""Kind 1059 events kept for their recipients.

Ids and times of wraps are in clear: they are chosen by the sender for a one-time key and order the answers. Whom a wrap
is for and which key signed it are blind indexes, and the event, whose tags say more, is encrypted. So a filter is
decided by these columns alone, and only what is returned is decrypted. A condition on any tag but `p` matches no wrap:
NIP-59 gives it no other to be found by.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence

from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.kinds import GIFT_WRAP
from storage.database import Database
from storage.devices import is_device
from storage.encryption import Vault, place
from storage.relay_interface import Added, Position, StoredEvent
from storage.space import Use
from storage.tombstones import IS_GONE, gone_parameters

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
    """Wraps and whom they are for; one of these for each database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mailboxes = Mailboxes()

    async def add(
        self, wrap: VerifiedEvent, *, recipient: str, expires_at: int, quota: int, brief_until: int | None = None
    ) -> Added:
        """Keep a wrap for its recipient: ADDED, DUPLICATE, DELETED, or FULL when `quota` wraps of others are there.

        Where room becomes scarce it is kept until `brief_until` at most, unless the recipient has an account.
        """
        vault, space, mailboxes = self._database.vault, self._database.space, self._mailboxes

        def add(connection: sqlite3.Connection) -> Added:
            until = expires_at
            if not space.has_room(Use.STRANGERS_FOR_LONG) and not is_device(connection, vault, recipient):
                space.require(Use.STRANGERS)
                until = expires_at if brief_until is None else min(expires_at, brief_until)
            return _add(connection, vault, mailboxes, wrap, recipient, until, quota)

        return await self._database.keep(Use.OTHERS, add)

    async def query(
        self, wanted: Filter, *, recipients: Collection[str], now: int, limit: int, after: Position | None = None
    ) -> Sequence[StoredEvent]:
        """Return unexpired wraps of these recipients that match, newest first, ties by lowest id, those after a place.

        A filter with a condition on a tag other than `p` matches none.
        """
        limit = limit if wanted.limit is None else min(limit, wanted.limit)
        asked = _asked(wanted, recipients)
        if limit <= 0 or not asked:
            return ()
        vault = self._database.vault
        indexes = [_recipient_index(vault, recipient) for recipient in asked]
        condition, parameters = _condition(vault, wanted, now, after)
        sql = _PAGE.format(
            recipients=", ".join(["(?)"] * len(indexes)),
            recipient=_recipient_column(wanted),
            condition=condition,
        )
        rows = await self._database.readers.for_clients.rows(sql, (*indexes, *parameters, limit, limit))
        return [
            StoredEvent(wrap_id.hex(), created_at, self._json(wrap_id, stored)) for wrap_id, created_at, stored in rows
        ]

    async def count(self, asked: Sequence[tuple[Filter, Collection[str]]], *, now: int) -> int:
        """Count the unexpired wraps that match any of these filters, each for its recipients; limits do not count."""
        vault, parts, parameters = self._database.vault, list[str](), list[object]()
        for wanted, recipients in asked:
            indexes = [_recipient_index(vault, recipient) for recipient in _asked(wanted, recipients)]
            if indexes:
                condition, values = _condition(vault, wanted, now, None)
                named = f"{_recipient_column(wanted)} IN ({', '.join('?' * len(indexes))})"
                parts.append(f"SELECT number FROM gift_wraps WHERE {named} AND {condition}")
                parameters += [*indexes, *values]
        if not parts:
            return 0
        sql = f"SELECT count(*) FROM ({' UNION '.join(parts)})"
        rows = await self._database.readers.for_clients.rows(sql, parameters)
        return int(rows[0][0])

    def _json(self, wrap_id: bytes, stored: bytes) -> str:
        return self._database.vault.ring.decrypt(place("gift_wraps", "event", wrap_id), stored).decode()


class Mailboxes:
    """How many wraps of others a recipient has at most, so that they are not counted each time that one comes.

    Belongs to the writer's thread. What was deleted meanwhile, or not committed, makes a figure too high and never too
    low; so who seems to be full is counted again.
    """

    __slots__ = ("_amounts", "_maximum")

    def __init__(self, *, maximum: int = 10_000) -> None:
        self._maximum = maximum
        self._amounts: OrderedDict[bytes, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._amounts)

    def take_room(self, connection: sqlite3.Connection, recipient: bytes, quota: int) -> bool:
        """Count one more wrap for a recipient, if there is room; beyond `maximum` the one longest idle is forgotten."""
        amount = self._amounts.pop(recipient, quota)
        if amount >= quota:
            (amount,) = connection.execute(
                "SELECT count(*) FROM (SELECT 1 FROM gift_wraps WHERE recipient = ? AND NOT is_reply LIMIT ?)",
                (recipient, quota),
            ).fetchone()
        has_room = amount < quota
        self._amounts[recipient] = amount + has_room
        if len(self._amounts) > self._maximum:
            self._amounts.popitem(last=False)
        return has_room


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


def delete_wraps(
    connection: sqlite3.Connection, vault: Vault, ids: Sequence[bytes], *, key: str, of_recipient: bool
) -> int:
    """Delete those of the named wraps that a key wrote and, where asked, those that it was sent; return how many."""
    author = _author_index(vault, key)
    recipient = _recipient_index(vault, key) if of_recipient else None
    return connection.executemany(
        "DELETE FROM gift_wraps WHERE id = ? AND (author = ? OR recipient = ?)",
        [(wrap_id, author, recipient) for wrap_id in ids],
    ).rowcount


def delete_wraps_until(connection: sqlite3.Connection, vault: Vault, until: int, *, key: str) -> int:
    """Delete the wraps up to a time that a key wrote or was sent, our answers included; return how many."""
    return sum(
        connection.execute(f"DELETE FROM gift_wraps WHERE {column} = ? AND created_at <= ?", (index, until)).rowcount
        for column, index in (("author", _author_index(vault, key)), ("recipient", _recipient_index(vault, key)))
    )


def delete_replies(connection: sqlite3.Connection, vault: Vault, recipient: str) -> None:
    """Delete our answers that wait for a recipient."""
    connection.execute("DELETE FROM gift_wraps WHERE is_reply AND recipient = ?", (_recipient_index(vault, recipient),))


def _add(
    connection: sqlite3.Connection,
    vault: Vault,
    mailboxes: Mailboxes,
    wrap: VerifiedEvent,
    recipient: str,
    expires_at: int,
    quota: int,
) -> Added:
    if not mailboxes.take_room(connection, _recipient_index(vault, recipient), quota):
        return Added.DUPLICATE if _is_known(connection, wrap) else Added.FULL
    if _insert(connection, vault, wrap, recipient, expires_at, is_reply=False):
        return Added.ADDED
    return Added.DUPLICATE if _is_known(connection, wrap) else Added.DELETED


def _is_known(connection: sqlite3.Connection, wrap: VerifiedEvent) -> bool:
    row = connection.execute("SELECT 1 FROM gift_wraps WHERE id = ?", (bytes.fromhex(wrap.id),)).fetchone()
    return row is not None


def _insert(
    connection: sqlite3.Connection,
    vault: Vault,
    wrap: VerifiedEvent,
    recipient: str,
    expires_at: int,
    *,
    is_reply: bool,
) -> bool:
    """Keep a wrap unless it is here or may not come back; tell whether it was kept. All in one statement.

    Our own replies are always new, however far they are back-dated.
    """
    wrap_id = bytes.fromhex(wrap.id)
    kept = connection.execute(
        "INSERT INTO gift_wraps (id, recipient, author, created_at, expires_at, is_reply, event)"
        f" SELECT ?, ?, ?, ?, ?, ?, ? WHERE ? OR NOT {IS_GONE} ON CONFLICT (id) DO NOTHING",
        (
            wrap_id,
            _recipient_index(vault, recipient),
            _author_index(vault, wrap.pubkey),
            wrap.created_at,
            expires_at,
            is_reply,
            vault.ring.encrypt(place("gift_wraps", "event", wrap_id), wrap.to_json().encode()),
            is_reply,
            *gone_parameters(vault, wrap, recipient=recipient),
        ),
    ).rowcount
    return kept > 0


def _asked(wanted: Filter, recipients: Collection[str]) -> set[str]:
    """Return whose wraps a filter asks for, of those that it may be told about."""
    is_for_wraps = wanted.kinds is None or GIFT_WRAP in wanted.kinds
    if not is_for_wraps or wanted.tags.keys() - {"p"}:
        return set()
    return set(recipients) & wanted.tags.get("p", frozenset(recipients))


def _recipient_column(wanted: Filter) -> str:
    # Left to itself SQLite reads all wraps of the recipient to find one id; the sign keeps it from that.
    return "recipient" if wanted.ids is None else "+recipient"


def _condition(vault: Vault, wanted: Filter, now: int, after: Position | None) -> tuple[str, list[object]]:
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
    if after is not None:
        clauses.append("created_at <= ? AND (created_at < ? OR id > ?)")
        parameters += [after.created_at, after.created_at, bytes.fromhex(after.id)]
    return " AND ".join(clauses), parameters


def _recipient_index(vault: Vault, recipient: str) -> bytes:
    return vault.index.of("gift_wraps.recipient", recipient)


def _author_index(vault: Vault, author: str) -> bytes:
    return vault.index.of("gift_wraps.author", author)
