"""Answered requests, and the one transaction that answers: a request is never lost, and never counted twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence

from nips.kinds import INBOX_RELAYS
from storage.account_interface import DeleteAccount, Standing
from storage.accounts import find_asking
from storage.balances import balance_after, read_balances, record_balance
from storage.database import Database, Limits
from storage.devices import is_acting, record_seen
from storage.effects import carry_out, refusal_of
from storage.encryption import Vault, place
from storage.erasure import NO_RUMOR
from storage.errors import StorageFailed
from storage.gift_wraps import insert_wrap
from storage.hours import hour_after, hour_of
from storage.inbox import is_done_with, take_wraps
from storage.interface import (
    AlreadyKnown,
    Answer,
    CallerGone,
    Committed,
    Dossier,
    EffectRefused,
    Erased,
    KnownRequest,
    NoPermit,
    QueuedReply,
    Recorded,
    RequestKey,
    SeenBefore,
    StoredReply,
)
from storage.key_numbers import number_of
from storage.outbox import enqueue
from storage.permits import Balance
from storage.public_events import read_latest
from storage.space import Use

# One statement for both keys; the rumor's own answer comes before that of another rumor with the same id.
_FIND = "SELECT account, rumor, answer FROM responses WHERE rumor = ? OR request = ? ORDER BY rumor = ? DESC LIMIT 1"


class SqliteRequests:
    """Answered requests, so that none is answered twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look_up(self, *, asker: str, request_id: str, rumor_id: str, with_inboxes: bool = False) -> Dossier:
        """Return what is on record about a request and who asks, with the asker's inbox relays if they are needed."""
        vault = self._database.vault
        return await self._database.readers.run(
            lambda connection: _look_up(connection, vault, asker, request_id, rumor_id, with_inboxes)
        )

    async def commit(self, answer: Answer) -> Recorded:
        """Record everything about an answer, or nothing; one to wraps that were not kept before has to find room."""
        database = self._database
        vault, limits, space = database.vault, database.limits, database.space
        return await database.writer.run(
            lambda connection: _commit(connection, vault, limits, answer, lambda: space.require(Use.REQUEST))
        )


def purge_responses(connection: sqlite3.Connection, now: int, chunk: int) -> int:
    """Forget responses whose rumors are refused as expired by now, at most `chunk`; return how many."""
    return connection.execute(
        "DELETE FROM responses WHERE rumor IN (SELECT rumor FROM responses WHERE forget_hour <= ? LIMIT ?)",
        (hour_of(now), chunk),
    ).rowcount


def _look_up(
    connection: sqlite3.Connection, vault: Vault, asker: str, request_id: str, rumor_id: str, with_inboxes: bool
) -> Dossier:
    caller, standing, erased_until, key = find_asking(connection, vault, asker)
    scope = caller[0].pubkey if caller else asker
    # What a revoked key may hear again is for the caller to say: it asked as the device that it is no more.
    owners = None if standing is Standing.REVOKED else {key, caller[0].number} if caller else {key}
    known = _find(connection, vault, scope, request_id, rumor_id, owners)
    return Dossier(
        caller=caller,
        known=None if isinstance(known, Erased) else known,
        balances=read_balances(connection, caller[0].number) if caller else {},
        inbox_list=read_latest(connection, asker, INBOX_RELAYS) if with_inboxes else None,
        standing=standing,
        is_erased=isinstance(known, Erased),
        erased_until=erased_until,
    )


def _commit(
    connection: sqlite3.Connection, vault: Vault, limits: Limits, answer: Answer, require_room: Callable[[], None]
) -> Recorded:
    # The response goes in first, since that also tells whether there is one; each refusal takes it out again.
    request = answer.request
    if request is not None and not _insert(connection, vault, request, answer):
        return _known_by_now(connection, vault, request, _owner(vault, request, answer))
    left = _refusal_or_balance(connection, vault, answer)
    if not isinstance(left, Balance | None):
        _take_back(connection, vault, request)
        return left
    if answer.wrap_ids and not _takes_any(connection, vault, answer, require_room):
        _take_back(connection, vault, request)
        return SeenBefore()
    if answer.permit is not None and left is not None:
        record_balance(connection, answer.permit, left)
    gone: Sequence[str] = ()
    if answer.effect is not None:
        own = _rumor_index(vault, request.rumor_id) if request else NO_RUMOR
        gone = carry_out(connection, vault, limits, answer.effect, rumor=own)
    queued = _keep_replies(connection, vault, answer.replies)
    if answer.acting is not None and answer.acting.seen_day is not None:
        record_seen(connection, vault, answer.acting.device_id, answer.acting.seen_day)
    return Committed(queued, gone)


def _refusal_or_balance(
    connection: sqlite3.Connection, vault: Vault, answer: Answer
) -> Balance | NoPermit | CallerGone | EffectRefused | Erased | None:
    """Return what is left of the permit, if one is taken, or why nothing can be recorded."""
    if answer.repeated is not None and not _extend(connection, vault, answer.repeated, answer.forget_at):
        return Erased()
    left: Balance | NoPermit | CallerGone | None = None
    if answer.permit is not None:
        left = balance_after(connection, vault, answer.permit, answer.acting)
    elif answer.acting is not None and not is_acting(connection, vault, answer.acting):
        left = CallerGone()
    if answer.effect is not None and isinstance(left, Balance | None):
        reason = refusal_of(connection, vault, answer.effect)
        return EffectRefused(reason) if reason else left
    return left


def _keep_replies(
    connection: sqlite3.Connection, vault: Vault, replies: Sequence[StoredReply | QueuedReply]
) -> Sequence[int]:
    """Keep replies; return the numbers of the queued ones."""
    queued = []
    for reply in replies:
        if isinstance(reply, QueuedReply):
            queued.append(enqueue(connection, vault, reply))
        else:
            insert_wrap(connection, vault, reply.wrap, recipient=reply.recipient, expires_at=reply.expires_at)
    return tuple(queued)


def _find(
    connection: sqlite3.Connection,
    vault: Vault,
    scope: str,
    request_id: str,
    rumor_id: str,
    owners: Collection[int] | None,
) -> KnownRequest | Erased | None:
    """Return the answer to this very rumor or, failing that, to this (scope, id).

    One that is none of these owners' is as good as erased: its asker acts for another account now. None: whosever.
    """
    rumor = _rumor_index(vault, rumor_id)
    row = connection.execute(_FIND, (rumor, _request_index(vault, scope, request_id), rumor)).fetchone()
    if row is None:
        return None
    owner, found, stored = row
    is_theirs = owners is None or owner is None or owner in owners
    return _known(vault, found, stored) if is_theirs and stored else Erased()


def _known_by_now(
    connection: sqlite3.Connection, vault: Vault, request: RequestKey, owner: int | None
) -> AlreadyKnown | Erased:
    owners = None if owner is None else {owner}
    known = _find(connection, vault, request.scope, request.request_id, request.rumor_id, owners)
    if known is None:
        raise StorageFailed("a response is there and is not found")
    return known if isinstance(known, Erased) else AlreadyKnown(known)


def _insert(connection: sqlite3.Connection, vault: Vault, request: RequestKey, answer: Answer) -> bool:
    """Put a response in; tell whether there was none."""
    rumor = _rumor_index(vault, request.rumor_id)
    content = [request.rumor_id, request.digest.hex(), answer.response_json]
    inserted = connection.execute(
        "INSERT INTO responses (rumor, request, forget_hour, account, answer) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (
            rumor,
            _request_index(vault, request.scope, request.request_id),
            hour_after(answer.forget_at),
            _owner(vault, request, answer),
            vault.encrypt_json(place("responses", "answer", rumor), content),
        ),
    )
    return inserted.rowcount > 0


def _owner(vault: Vault, request: RequestKey, answer: Answer) -> int | None:
    """Return the account with which an answer's content shall go, and to which alone it is told again.

    Of a key that has none yet it is the one that it would have. The answer to a deletion outlasts the account.
    """
    if isinstance(answer.effect, DeleteAccount):
        return None
    return answer.acting.account if answer.acting else number_of(vault, request.scope)


def _takes_any(connection: sqlite3.Connection, vault: Vault, answer: Answer, require_room: Callable[[], None]) -> bool:
    """Take the wraps, if it is time; tell whether there is one that is not done with."""
    if answer.takes_wraps:
        return take_wraps(connection, vault, answer.wrap_ids, answer.seen_until, require_room) > 0
    if all(is_done_with(connection, vault, identity) for identity in answer.wrap_ids):
        return False
    require_room()
    return True


def _take_back(connection: sqlite3.Connection, vault: Vault, request: RequestKey | None) -> None:
    if request is not None:
        connection.execute("DELETE FROM responses WHERE rumor = ?", (_rumor_index(vault, request.rumor_id),))


def _extend(connection: sqlite3.Connection, vault: Vault, rumor_id: str, forget_at: int) -> bool:
    """Keep a response until a time at least; False when it has no content any more."""
    rumor, until = _rumor_index(vault, rumor_id), hour_after(forget_at)
    row = connection.execute("SELECT forget_hour FROM responses WHERE rumor = ? AND answer <> x''", (rumor,)).fetchone()
    if row is not None and row[0] < until:
        connection.execute("UPDATE responses SET forget_hour = ? WHERE rumor = ?", (until, rumor))
    return row is not None


def _known(vault: Vault, rumor: bytes, stored: bytes) -> KnownRequest:
    rumor_id, digest, response = vault.decrypt_json(place("responses", "answer", rumor), stored)
    return KnownRequest(rumor_id, bytes.fromhex(digest), response)


def _rumor_index(vault: Vault, rumor_id: str) -> bytes:
    return vault.index.of("responses.rumor", rumor_id)


def _request_index(vault: Vault, scope: str, request_id: str) -> bytes:
    return vault.index.of("responses.request", scope, request_id)
