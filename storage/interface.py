"""The one door to everything durable.

`Storage` is what the bridge sees; SQLite stands behind it today. Times are whole seconds unless a name ends in `_ms`.
Public keys, event ids and JSON texts come in as the strings of the wire; how they are hidden at rest is the
implementation's business. Every method that writes returns only after the write is durable. The relay's own part is in
`relay_interface.py`, what concerns accounts in `account_interface.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from nips.event import Event, VerifiedEvent
from storage.account_interface import Account as Account
from storage.account_interface import Accounts as Accounts
from storage.account_interface import Acting, Effect, EffectRefusal, Invites, Standing
from storage.account_interface import Device as Device
from storage.account_interface import NewAccount as NewAccount
from storage.errors import DamagedValue, StorageKeyMissing
from storage.permits import Balance, Bucket
from storage.permits import Permit as Permit
from storage.relay_interface import Added as Added
from storage.relay_interface import Deletions, GiftWraps, PublicEvents

HERE = "here"
"""Destination of what is delivered by our own relay endpoint; every other destination is a relay's URL."""


class InboxId(NamedTuple):
    """What makes an entry of the inbox: a wrap, and the link by which it came.

    Whoever copies a wrap to another relay makes another entry, so it takes nothing away from the one that the asker
    made.
    """

    wrap_id: str
    link: str


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A wrap addressed to the bridge, accepted and not yet answered."""

    wrap_id: str
    link: str
    """Where it came in: `HERE` or a relay's URL; answers go back the same way."""
    received_at: int
    wrap_json: str

    @property
    def id(self) -> InboxId:
        """What makes it this entry."""
        return InboxId(self.wrap_id, self.link)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for an entry that does not decrypt."""

    reason: DamagedValue | StorageKeyMissing


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What makes a request the same request (protocol.md §1, step 9)."""

    scope: str
    """The account's public key, or an anonymous caller's own."""
    request_id: str
    rumor_id: str
    digest: bytes
    """SHA-256 of the RFC 8785 form of method and params."""


@dataclass(frozen=True, slots=True)
class KnownRequest:
    """An answered request: which rumor asked first, what it asked, and the response rumor's JSON."""

    rumor_id: str
    digest: bytes
    response_json: str


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A finished gift wrap for our own relay, outside the quota of others; the oldest goes when there are too many."""

    wrap: VerifiedEvent
    recipient: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class QueuedReply:
    """Something for the outbox: a finished wrap, or (live replies) a response rumor that is wrapped at each attempt."""

    destination: str
    recipient: str
    wrap_kind: int
    payload_json: str
    """The wrap's JSON, or the rumor's when `wrap_kind` is 21059."""
    expires_at: int
    next_attempt_at: int


@dataclass(frozen=True, slots=True)
class Dossier:
    """All that has to be known before a request is acted on, as it was at one moment."""

    caller: tuple[Account, Device] | None
    """The account for which the asking key acts, and the device it is."""
    known: KnownRequest | None
    """The answer to this very rumor or, failing that, to this id in the caller's scope."""
    balances: Mapping[str, Balance]
    """What is on record of the account's permits, by limiter."""
    inbox_list: Event | None
    """The asking key's newest list of inbox relays (kind 10050), if it was asked for."""
    standing: Standing = Standing.FREE
    is_erased: bool = False
    """The request was answered, and its answer erased with the account; `known` is None."""
    erased_until: int = 0
    """What the asking key asked up to this time went with its account."""


@dataclass(frozen=True, slots=True)
class Answer:
    """All that step 15 records in one transaction: the wrap leaves the inbox, the rest appears."""

    wrap_ids: Sequence[InboxId]
    """The wrap that asked and those that joined it, each by its link."""
    replies: Sequence[StoredReply | QueuedReply] = ()
    request: RequestKey | None = None
    """None: the answer is not stored, so the same rumor may be tried again."""
    response_json: str = ""
    forget_at: int = 0
    """When the stored response may go: every rumor that was answered with it is refused as expired by then."""
    repeated: str | None = None
    """Rumor of a stored request whose answer this repeats; it is now kept until `forget_at` at least."""
    permit: Permit | None = None
    acting: Acting | None = None
    """The device that asked, where that was one."""
    effect: Effect | None = None
    """What the request changes, done with the answer or not at all."""
    seen_until: int = 0
    """Until when it is remembered that those wraps came which never were in the inbox."""
    takes_wraps: bool = True
    """False: the wraps stay as they are, and are dropped once the answer is delivered; it has no reply of its own."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The answer is durable."""

    queued: Sequence[int]
    """Outbox numbers of its queued replies, in their order."""
    gone: Sequence[str] = ()
    """Keys that may not act any more, since a device was revoked or an account deleted."""


@dataclass(frozen=True, slots=True)
class NoPermit:
    """Nothing was recorded: the permit was gone by the time of the commit."""

    wait_ms: int


@dataclass(frozen=True, slots=True)
class AlreadyKnown:
    """Nothing was recorded: somebody else answered the same request first."""

    known: KnownRequest


@dataclass(frozen=True, slots=True)
class SeenBefore:
    """Nothing was recorded: all the wraps came by their links before, and are done with."""


@dataclass(frozen=True, slots=True)
class EffectRefused:
    """Nothing was recorded: what the request would change cannot be."""

    reason: EffectRefusal


@dataclass(frozen=True, slots=True)
class CallerGone:
    """Nothing was recorded: the device that asked was revoked meanwhile, or its account deleted."""


@dataclass(frozen=True, slots=True)
class Erased:
    """Nothing was recorded: the request was answered before, and the answer erased with its account."""


Recorded = Committed | NoPermit | AlreadyKnown | SeenBefore | EffectRefused | CallerGone | Erased


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A queued reply as it waits in the outbox."""

    number: int
    destination: str
    recipient: str
    wrap_kind: int
    payload_json: str
    expires_at: int
    attempts: int
    next_attempt_at: int


class Inbox(Protocol):
    """Wraps addressed to the bridge."""

    async def add(self, entry: InboxEntry, *, seen_until: int, max_waiting: int) -> Added:
        """Keep a wrap and remember until `seen_until` that it came by its link.

        ADDED, DUPLICATE if it came by the same link before, or FULL past `max_waiting` entries.
        """

    async def waiting(self, *, after: int = 0, limit: int = 500) -> Sequence[tuple[int, InboxEntry | Unreadable]]:
        """Return entries in order of arrival as (number, entry), those numbered above `after`."""

    async def drop(self, ids: Sequence[InboxId]) -> bool:
        """Let wraps go that get no answer, remembering in memory that they came; False if all of them came before."""

    async def settle(self, ids: Sequence[InboxId], *, seen_until: int) -> None:
        """Remember until a time that wraps came and are done with, now that their answers were delivered."""

    async def discard(self, number: int) -> None:
        """Let an entry go that cannot be read."""
        ...


class Requests(Protocol):
    """Answered requests, so that none is answered twice."""

    async def look_up(self, *, asker: str, request_id: str, rumor_id: str, with_inboxes: bool = False) -> Dossier:
        """Return what is on record about a request and who asks, with the asker's inbox relays if they are needed.

        One trip for all of it, since going there costs more than the reading.
        """

    async def commit(self, answer: Answer) -> Recorded:
        """Record everything about an answer, or nothing."""
        ...


class Outbox(Protocol):
    """What still has to go out. A row that cannot be read any more is removed when it is met, and holds up no other."""

    async def add(self, replies: Sequence[QueuedReply]) -> Sequence[int]:
        """Queue replies and return their numbers, in their order."""

    async def waiting(self, *, destination: str, now: int, limit: int = 500) -> Sequence[OutboxRow]:
        """Return rows for a destination that have not expired, those due first."""

    async def waiting_for(self, recipient: str, *, now: int, after: int = 0, limit: int = 500) -> Sequence[OutboxRow]:
        """Return a recipient's rows for `HERE` that have not expired, in order of number, those above `after`."""

    async def last_number(self) -> int:
        """Return the highest number that a row has had so far."""

    async def delivered(self, numbers: Sequence[int]) -> None:
        """Remove rows that reached their destination, or that it refused for good."""

    async def keep_here(self, row: OutboxRow, wrap: VerifiedEvent) -> bool:
        """Remove a row and keep its wrap on our own relay, for the recipient and as long as the row would have.

        False, and nothing is kept, if the row is gone.
        """

    async def postpone(self, number: int, *, next_attempt_at: int) -> None:
        """Count a failed attempt and set the time of the next."""
        ...


class Permits(Protocol):
    """Balances of (limiter, account)."""

    async def balances(self, account: int) -> dict[str, Balance]:
        """Return what is on record for an account, by limiter. A limiter that is not there is full."""
        ...


class Secrets(Protocol):
    """Named secrets of the bridge itself."""

    async def get(self, name: str) -> bytes | None:
        """Return a secret, decrypted."""

    async def put(self, name: str, value: bytes) -> None:
        """Set a secret; a name that is taken keeps its value and raises `SecretExists`."""

    async def replace(self, name: str, value: bytes) -> None:
        """Set a secret, whatever it was before."""
        ...


class Storage(Protocol):
    """The whole store."""

    @property
    def inbox(self) -> Inbox:
        """Wraps addressed to the bridge."""

    @property
    def requests(self) -> Requests:
        """Answered requests."""

    @property
    def outbox(self) -> Outbox:
        """What still has to go out."""

    @property
    def accounts(self) -> Accounts:
        """Who may call."""

    @property
    def invites(self) -> Invites:
        """Codes that let keys in."""

    @property
    def permits(self) -> Permits:
        """Balances of (limiter, account)."""

    @property
    def gift_wraps(self) -> GiftWraps:
        """Wraps kept for their recipients."""

    @property
    def public_events(self) -> PublicEvents:
        """Events for everybody."""

    @property
    def deletions(self) -> Deletions:
        """Requests to delete."""

    @property
    def secrets(self) -> Secrets:
        """Named secrets of the bridge itself."""

    async def purge(self, *, now: int, buckets: Mapping[str, Bucket]) -> dict[str, int]:
        """Delete what has expired and buckets that are full again; return the rows removed, by table."""

    async def close(self) -> None:
        """Finish what is queued and close the file."""
