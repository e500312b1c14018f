"""Keys, events and frames for tests of the relay."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from bridge.line import NOWHERE, Origin
from nips.event import Event, VerifiedEvent, sign_event
from nips.filter import Filter, parse_filter
from nips.keys import SecretKey
from nips.messages import MessageLimits, RelayMessage, parse_relay_message
from nips.nip42 import make_auth
from storage.interface import Added

NOW = 1_800_000_000
STORED, LIVE = 1059, 21059
RELAY_URL = "ws://127.0.0.1:7447"
CHALLENGE = "a challenge that nobody guesses"


def a_key(name: str) -> SecretKey:
    """Return the key that always belongs to a name."""
    return SecretKey(hashlib.sha256(name.encode()).digest())


BRIDGE, ALICE, BOB, SENDER = a_key("bridge"), a_key("alice"), a_key("bob"), a_key("sender")


def an_event(
    author: SecretKey = SENDER,
    *,
    kind: int = 0,
    created_at: int = NOW,
    tags: Sequence[Sequence[str]] = (),
    content: str = "",
) -> VerifiedEvent:
    """Return a signed event."""
    return sign_event(author, created_at=created_at, kind=kind, tags=tags, content=content, aux=bytes(32))


def a_wrap(
    to: SecretKey = ALICE,
    *,
    kind: int = STORED,
    created_at: int = NOW,
    tags: Sequence[Sequence[str]] = (),
    content: str = "sealed",
) -> VerifiedEvent:
    """Return a gift wrap; the relay never looks inside, so nothing proper is in it."""
    return an_event(kind=kind, created_at=created_at, tags=[("p", to.public_key), *tags], content=content)


def an_auth(
    who: SecretKey, *, challenge: str = CHALLENGE, relay_url: str = RELAY_URL, created_at: int = NOW
) -> VerifiedEvent:
    """Return the answer to a challenge."""
    return make_auth(who, relay_url=relay_url, challenge=challenge, created_at=created_at, aux=bytes(32))


def altered(event: Event, **changes: Any) -> Event:
    """Return an event of which a part was changed after signing."""
    return Event(**{**event.to_dict(), **changes})


def a_filter(**wanted: Any) -> Filter:
    """Return a filter; `p` stands for `#p`, and so with every single letter."""
    value = {f"#{key}" if len(key) == 1 else key: values for key, values in wanted.items()}
    return parse_filter(value, max_values=500, max_tag_conditions=52)


def heard(text: str) -> RelayMessage:
    """Return what a client reads in a text of ours."""
    return parse_relay_message(text, MessageLimits(max_message_bytes=1_000_000))


class Inbox:
    """Takes the bridge's wraps; what it says can be set."""

    def __init__(self) -> None:
        self.wraps: list[tuple[VerifiedEvent, str]] = []
        self.origins: list[Origin] = []
        self.verdict = Added.ADDED
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        """Where set, nothing is accepted before it is."""

    async def accept(self, wrap: VerifiedEvent, *, link: str, origin: Origin = NOWHERE) -> Added:
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.wraps.append((wrap, link))
        self.origins.append(origin)
        return self.verdict


def doors_to(wrap: Event) -> dict[str, Filter]:
    """Return every way to ask for a wrap to ALICE."""
    alice = ALICE.public_key
    return {
        "by kind": a_filter(kinds=[wrap.kind]),
        "by both kinds": a_filter(kinds=[STORED, LIVE]),
        "among other kinds": a_filter(kinds=[0, wrap.kind, 10050]),
        "by id": a_filter(ids=[wrap.id]),
        "by id and kind": a_filter(ids=[wrap.id], kinds=[wrap.kind]),
        "by nothing": a_filter(),
        "by limit": a_filter(limit=10),
        "by time": a_filter(since=wrap.created_at, until=wrap.created_at),
        "by recipient": a_filter(p=[alice]),
        "by recipient and kind": a_filter(kinds=[wrap.kind], p=[alice]),
        "by two recipients": a_filter(p=[alice, BOB.public_key]),
        "by author": a_filter(authors=[wrap.pubkey]),
        "by author and kind": a_filter(authors=[wrap.pubkey], kinds=[wrap.kind]),
        "by everything": a_filter(
            ids=[wrap.id], authors=[wrap.pubkey], kinds=[wrap.kind], p=[alice], since=0, until=2**40
        ),
    }


DOORS = tuple(doors_to(a_wrap()))
