"""Values to store, told apart by a number."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from nips.event import VerifiedEvent, sign_event
from nips.keys import SecretKey
from nips.kinds import GIFT_WRAP
from storage.account_interface import Account, AdmissionFailed, Device, NewAccount
from storage.interface import HERE, Answer, InboxEntry, Permit, QueuedReply, RequestKey, Storage, StoredReply
from storage.permits import Bucket

KEY = bytes(range(32))
NOW = 1_800_000_000
DAY = NOW - NOW % 86_400
BUCKET = Bucket(burst=2, refill_ms=60_000)


def a_hex(number: int, *, what: str = "key") -> str:
    """Return 64 hex digits that are the same for the same number."""
    return sha256(f"{what} {number}".encode()).hexdigest()


def a_secret(number: int) -> SecretKey:
    """Return a signing key."""
    return SecretKey(bytes.fromhex(a_hex(number, what="secret")))


def an_event(
    number: int = 0,
    *,
    author: int = 0,
    kind: int = 1,
    created_at: int = NOW,
    tags: Sequence[Sequence[str]] = (),
) -> VerifiedEvent:
    """Return a signed event."""
    return sign_event(
        a_secret(author), created_at=created_at, kind=kind, tags=tags, content=f"content {number}", aux=bytes(32)
    )


def a_wrap(
    number: int = 0, *, to: str, author: int = 0, created_at: int = NOW, tags: Sequence[Sequence[str]] = ()
) -> VerifiedEvent:
    """Return a kind 1059 event for a recipient."""
    return an_event(number, author=author, kind=GIFT_WRAP, created_at=created_at, tags=[("p", to), *tags])


def an_entry(number: int = 0, *, link: str = HERE) -> InboxEntry:
    """Return a wrap as it comes in."""
    return InboxEntry(a_hex(number, what="wrap"), link, NOW, f'{{"id":"wrap {number}"}}')


def a_request(number: int = 0, *, scope: int = 0, rumor: int | None = None) -> RequestKey:
    """Return the key of a request."""
    rumor_id = a_hex(number if rumor is None else rumor, what="rumor")
    return RequestKey(a_hex(scope), f"request-{number}", rumor_id, sha256(b"digest %d" % number).digest())


def a_permit(*, account: int = 1, limiter: str = "turn", bucket: Bucket = BUCKET, now_ms: int = NOW * 1000) -> Permit:
    """Return a permit to be taken."""
    return Permit(limiter, account, bucket, now_ms)


def a_queued_reply(number: int = 0, *, destination: str = HERE, next_attempt_at: int = NOW) -> QueuedReply:
    """Return a reply for the outbox."""
    return QueuedReply(destination, a_hex(number), 21059, f'{{"rumor":{number}}}', NOW + 60, next_attempt_at)


def a_stored_reply(number: int = 0) -> StoredReply:
    """Return a reply that is kept here for its recipient."""
    return StoredReply(a_wrap(number, to=a_hex(number)), a_hex(number), NOW + 600)


def an_answer(number: int = 0, *, permit: Permit | None = None) -> Answer:
    """Return an answer to the wrap of `an_entry`, with one reply of each kind."""
    return Answer(
        wrap_ids=[an_entry(number).id],
        replies=[a_queued_reply(number), a_stored_reply(number)],
        request=a_request(number),
        response_json=f'{{"response":{number}}}',
        forget_at=NOW + 172_800,
        permit=permit,
    )


def a_new_account(number: int = 0) -> NewAccount:
    """Return what an account is made of."""
    return NewAccount(a_hex(number), bytes([number % 256]) * 16, f"00000000-0000-4000-8000-{number:012d}", NOW)


def a_device(number: int = 0) -> Device:
    """Return a device that is not the primary one."""
    return Device(
        f"00000000-0000-4000-9000-{number:012d}",
        a_hex(number, what="device"),
        f"device {number}",
        None,
        False,
        DAY,
        DAY,
    )


async def an_account(storage: Storage, number: int = 0) -> tuple[Account, Device]:
    """Admit a key."""
    admitted = await storage.accounts.admit(a_new_account(number), max_accounts=100)
    assert not isinstance(admitted, AdmissionFailed)
    return admitted
