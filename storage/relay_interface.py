"""The part of the storage's door that the relay endpoint goes through: events that it keeps and serves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from nips.event import Event, VerifiedEvent
from nips.filter import Filter
from nips.nip09 import Deletion


class Added(StrEnum):
    """What became of something offered for keeping."""

    ADDED = "added"
    DUPLICATE = "duplicate"
    STALE = "stale"
    """A newer version of a replaceable event is already here."""
    FULL = "full"
    DELETED = "deleted"
    """Its author or recipient asked for it to be deleted, so it does not come back."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event ready to be served: its order and its exact JSON."""

    id: str
    created_at: int
    json: str

    @property
    def position(self) -> Position:
        """Where it stands among others."""
        return Position(self.created_at, self.id)


class Position(NamedTuple):
    """A place in the order of answers: newest first, ties by lowest id (NIP-01)."""

    created_at: int
    id: str


@dataclass(frozen=True, slots=True)
class Room:
    """How many events of a sort are kept."""

    in_all: int
    per_key: int
    spared: str = ""
    """The author whose events make room for nobody."""


@dataclass(frozen=True, slots=True)
class Vanishing:
    """What became of a request to vanish."""

    added: Added
    gone: Sequence[str] = ()
    """Keys that may not act any more, since the account went."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What a key wants gone, wherever it turns up."""

    pubkey: str
    event_id: str
    """Empty: all that is theirs."""
    until: int
    """Which time of an event is meant."""
    of_wraps: bool
    """Whether it counts for what they were sent too."""


class GiftWraps(Protocol):
    """Kind 1059 events kept for their recipients."""

    async def add(
        self, wrap: VerifiedEvent, *, recipient: str, expires_at: int, quota: int, brief_until: int | None = None
    ) -> Added:
        """Keep a wrap for its recipient: ADDED, DUPLICATE, DELETED, or FULL when `quota` wraps of others are there.

        Where room becomes scarce it is kept until `brief_until` at most, unless the recipient has an account.
        """
        ...

    async def query(
        self, wanted: Filter, *, recipients: Collection[str], now: int, limit: int, after: Position | None = None
    ) -> Sequence[StoredEvent]:
        """Return unexpired wraps of these recipients that match, newest first, ties by lowest id, those after a place.

        A filter with a condition on a tag other than `p` matches none.
        """
        ...

    async def count(self, asked: Sequence[tuple[Filter, Collection[str]]], *, now: int) -> int:
        """Count the unexpired wraps that match any of these filters, each for its recipients; limits do not count."""
        ...


class PublicEvents(Protocol):
    """Events for everybody: the newest of each replaceable or addressable one, and requests to delete."""

    async def put(self, event: VerifiedEvent, *, room: Room | None = None) -> Added:
        """Keep a replaceable or addressable event if it is the newest of its address (NIP-01) and was not deleted.

        FULL when its author has no room left; when there is none in all, what came first goes.
        """
        ...

    async def query(
        self, wanted: Filter, *, now: int, limit: int, after: Position | None = None
    ) -> Sequence[StoredEvent]:
        """Return unexpired events that match, newest first, ties by lowest id, those after a place."""
        ...

    async def count(self, filters: Sequence[Filter], *, now: int) -> int:
        """Count the unexpired events that match any of these filters; their limits do not count."""
        ...

    async def latest(self, pubkey: str, kind: int) -> Event | None:
        """Return an author's newest event of a kind, which may have expired."""
        ...


class Deletions(Protocol):
    """Requests to delete; they are public events themselves."""

    async def delete(self, request: VerifiedEvent, named: Deletion, *, room: Room) -> Added:
        """Keep a deletion request (NIP-09), delete what it names, and let none of that come back.

        Only what its author wrote goes, and wraps for its author. Without room the oldest requests go, of the same
        author when that one has too many, else first those that found nothing here; what only they named may come back.
        """
        ...

    async def vanish(self, request: VerifiedEvent, *, room: Room, remembered: int) -> Vanishing:
        """Keep a request to vanish (NIP-62), and do the same to all that its author wrote and was sent until then.

        The account that its author was by then goes too, as if it had been deleted. Without room the oldest such
        requests go; of the keys that vanished, so many are remembered for longer.
        """
        ...

    async def latest(self, *, limit: int) -> Sequence[Withdrawal]:
        """Return what was asked last, oldest first: so many ids, and so many keys that vanished."""
        ...
