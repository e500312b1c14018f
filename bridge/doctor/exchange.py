"""A gift wrap to ourselves over one relay, there and back: what happened, without a judgement.

Two connections: one proves the key (NIP-42), the other is a stranger that proves none. The wraps hold nothing and end
two minutes later; a bridge that reads the same relay drops them, since what is inside is no request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from client.authentication import AuthState
from client.backoff import BackoffLimits
from client.clock import Clock
from client.connection import RelayConnection
from client.entropy import Entropy
from client.lifetime import linked
from client.limits import ConnectionLimits, LinkLimits
from client.publications import Outcome, Verdict
from client.subscriptions import SubscriptionState
from client.wrapping import wrap_rumor
from nips import kinds
from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.keys import PublicKey, SecretKey
from nips.messages import MessageLimits
from nips.nip59 import make_rumor

LIFE_SECONDS = 120
"""After this, relays that know NIP-40 forget what was sent."""

MAX_MESSAGE_BYTES = 524_288
_LISTS = (kinds.INBOX_RELAYS, kinds.RELAY_LIST)
_STORED, _LIVE, _OWN, _LATER = "stored", "live", "own", "later"


class Reading(StrEnum):
    """What became of asking for something."""

    GOT = "got"
    NOTHING = "nothing"
    """The relay answered, without what was asked for."""
    REFUSED = "refused"
    SILENT = "silent"
    """No answer in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What happened."""

    is_open: bool
    """Whether the connection that proves the key was there at all."""
    failure: str = ""
    """Why there was none, in a word."""
    auth: AuthState | None = None
    """What the relay said to our key; None when it never asked."""
    kept: Verdict = field(default_factory=lambda: Verdict(Outcome.UNANSWERED))
    """On the stored wrap (1059)."""
    passed: Verdict = field(default_factory=lambda: Verdict(Outcome.UNANSWERED))
    """On the live wrap (21059)."""
    stored: Reading = Reading.SILENT
    """The stored wrap, read with the key proved."""
    live: Reading = Reading.SILENT
    strangers_stored: Reading = Reading.SILENT
    """The same, read by a stranger."""
    strangers_live: Reading = Reading.SILENT
    words: Sequence[str] = ()
    """What the relay said beside, such as why AUTH failed. Never trusted."""
    lists: Sequence[VerifiedEvent] = ()
    """Our 10050 and 10002 as a stranger finds them."""
    took_seconds: float = 0.0
    """From publishing the stored wrap to having read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who talks to a relay, and how patiently."""

    secret: SecretKey
    clock: Clock
    entropy: Entropy
    seconds: float
    auth_url: str | None = None
    """What the relay calls itself, where that is not its address."""
    lists_of: PublicKey | None = None
    """Whose relay lists are looked for; None: those of the key itself."""


async def exchange(url: str, party: Party) -> Exchange:
    """Send a wrap of each kind to our own key over a relay, and see who can read it."""
    ours = _Reader(url, party, keys=[party.secret])
    stranger = _Reader(url, party, keys=[])
    async with linked(ours.connection, stranger.connection):
        return await _talk(ours, stranger, party)


async def _talk(ours: _Reader, stranger: _Reader, party: Party) -> Exchange:
    ours.ask(_LIVE, _wraps(party, kinds.EPHEMERAL_GIFT_WRAP))
    stranger.ask(_LIVE, _wraps(party, kinds.EPHEMERAL_GIFT_WRAP))
    stranger.ask(_OWN, _own_lists(party))
    await asyncio.gather(ours.settled(_LIVE), stranger.settled(_LIVE), stranger.settled(_OWN))
    if not ours.is_open:
        return Exchange(is_open=False, failure=ours.connection.status.last_error or "no answer in time")
    begun = party.clock.monotonic()
    wrap = _wrap(party, kinds.GIFT_WRAP)
    kept = await ours.connection.publish(wrap, timeout_seconds=party.seconds)
    if kept.outcome is Outcome.UNANSWERED:
        return Exchange(is_open=True, kept=kept)
    stored, strangers_stored = await asyncio.gather(*(_read_back(reader, wrap, party) for reader in (ours, stranger)))
    took_seconds = party.clock.monotonic() - begun
    wrap = _wrap(party, kinds.EPHEMERAL_GIFT_WRAP)
    passed = await ours.connection.publish(wrap, timeout_seconds=party.seconds)
    live = await ours.hears(wrap, passed)
    # What a relay passes on to strangers, it has passed on before it answers what they ask afterwards.
    stranger.ask(_LATER, lambda _: [Filter(ids=frozenset({"0" * 64}))])
    await stranger.settled(_LATER)
    status = ours.connection.status
    return Exchange(
        is_open=True,
        auth=status.auth.get(party.secret.public_key),
        kept=kept,
        passed=passed,
        stored=stored,
        live=live,
        strangers_stored=strangers_stored,
        strangers_live=stranger.has(_LIVE, wrap),
        words=tuple(words for words in status.words if words),
        lists=stranger.events(_OWN),
        took_seconds=took_seconds,
    )


async def _read_back(reader: _Reader, wrap: VerifiedEvent, party: Party) -> Reading:
    reader.ask(_STORED, _wraps(party, kinds.GIFT_WRAP))
    await reader.settled(_STORED)
    return reader.has(_STORED, wrap)


class _Reader:
    """One connection, and what came over it by subscription."""

    def __init__(self, url: str, party: Party, *, keys: Sequence[SecretKey]) -> None:
        self.connection = RelayConnection(
            url,
            keys=keys,
            clock=party.clock,
            entropy=party.entropy,
            limits=limits(party.seconds),
            auth_url=party.auth_url,
        )
        self._seconds = party.seconds
        self._got: dict[str, list[VerifiedEvent]] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._news = asyncio.Condition()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        return self.connection.status.connected_since is not None

    def ask(self, name: str, filters: Callable[[int], Sequence[Filter]]) -> None:
        """Ask for events under a name of ours."""
        got = self._got[name] = []
        ended = self._ended[name] = asyncio.Event()

        async def take(event: VerifiedEvent) -> None:
            async with self._news:
                got.append(event)
                self._news.notify_all()

        async def end() -> None:
            ended.set()

        self.connection.subscribe(name, filters, take, end)

    async def settled(self, name: str) -> None:
        """Wait until the relay has said what it has, or that it will not; not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                await self.connection.wait_ready()
                if self._state(name) is SubscriptionState.LIVE:
                    await self._ended[name].wait()

    async def hears(self, wrap: VerifiedEvent, verdict: Verdict) -> Reading:
        """Wait until a live wrap has come, if it was taken."""
        if verdict.is_accepted:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds), self._news:
                    await self._news.wait_for(lambda: wrap in self._got[_LIVE])
        return self.has(_LIVE, wrap)

    def has(self, name: str, wrap: VerifiedEvent) -> Reading:
        """Tell what became of asking for a wrap."""
        if wrap in self._got[name]:
            return Reading.GOT
        state = self._state(name)
        if state is SubscriptionState.REFUSED:
            return Reading.REFUSED
        return Reading.NOTHING if state is SubscriptionState.LIVE else Reading.SILENT

    def events(self, name: str) -> Sequence[VerifiedEvent]:
        """Return what came."""
        return tuple(self._got[name])

    def _state(self, name: str) -> SubscriptionState | None:
        return self.connection.status.subscriptions.get(name)


def limits(seconds: float) -> ConnectionLimits:
    """Return the bounds of a connection that is tried once."""
    return ConnectionLimits(
        # A challenge may be asked for by one refusal and answered before the next: both within our patience.
        link=LinkLimits(messages=MessageLimits(max_message_bytes=MAX_MESSAGE_BYTES), auth_seconds=seconds / 3),
        backoff=BackoffLimits(first_seconds=3600, cap_seconds=3600),
        open_seconds=seconds,
        publish_seconds=seconds,
        close_seconds=1.0,
    )


def _wraps(party: Party, kind: int) -> Callable[[int], Sequence[Filter]]:
    recipient = {"p": frozenset({str(party.secret.public_key)})}
    # Live wraps without `since`, as the bridge asks for them.
    since = None if kinds.is_ephemeral(kind) else LIFE_SECONDS
    return lambda now: [
        Filter(kinds=frozenset({kind}), tags=recipient, since=None if since is None else max(0, now - since))
    ]


def _own_lists(party: Party) -> Callable[[int], Sequence[Filter]]:
    author = party.lists_of or party.secret.public_key
    return lambda _: [Filter(kinds=frozenset(_LISTS), authors=frozenset({str(author)}))]


def _wrap(party: Party, kind: int) -> VerifiedEvent:
    now = party.clock.now()
    # A rumor of the kind of an answer, which nobody takes for a request.
    rumor = make_rumor(
        party.secret.public_key,
        created_at=now,
        kind=kinds.BRIDGE_RESPONSE,
        tags=[],
        content="",
    )
    return wrap_rumor(
        rumor,
        party.secret,
        party.secret.public_key,
        kind=kind,
        clock=party.clock,
        entropy=party.entropy,
        expires_at=now + LIFE_SECONDS,
    )
