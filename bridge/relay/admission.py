"""Which events are taken, and what becomes of them: the first five steps of a request's way, and the relay's own part.

The first refusal in this order is the one that a client reads:

1. size, work, id, signature (form was checked before)    `invalid:`, `pow:`
2. kind, exactly one `p` tag, times                        `invalid:`, `blocked:` for kinds that are not for us
3. a live event or a wrap for the bridge: seen before      OK true, `duplicate:`
4. rate of the connection, of the recipient by sender      `rate-limited:`
5. kept, passed on, or handed to the bridge

Whether an event is here that is kept for others, only the storage knows, in step 5: it may have been deleted, replaced
or crowded out since it came, and then `duplicate:` would be a lie about an event that nobody can get.

Step 3 looks at ids only after step 1 has recomputed them: an id that is merely claimed says nothing about the event
that carries it. Nor does it take the shortcut of skipping the signature of an id seen before. The signature is outside
the id, so a repeat with a false one would be told `duplicate:` where step 1 says `invalid:`; and all that is saved is
one verification for each repeat, which nobody is in a hurry for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from bridge.line import NOWHERE, Origin
from bridge.relay.limits import PublishLimits
from bridge.relay.rates import MailboxRates
from bridge.relay.refusals import AuthRequired, Blocked, RateLimited, Restricted, Unacceptable, WorkNeeded, slow_down
from bridge.relay.seen import SeenIds
from bridge.relay.withdrawn import Noted, Withdrawn
from client.clock import Clock
from nips import kinds
from nips.errors import InvalidEvent
from nips.event import Event, VerifiedEvent, verify_event
from nips.keys import PublicKey
from nips.messages import Prefix
from nips.nip09 import Deletion, parse_deletion
from nips.nip13 import committed_work
from nips.nip40 import expiration, is_expired
from nips.nip59 import check_times, recipient_of
from nips.nip62 import check_vanish
from storage.interface import HERE, Added, Storage
from storage.relay_interface import Room

_Way = Callable[[VerifiedEvent], Added | Awaitable[Added]]
"""What is done with an event that may come in."""

Keeping = Callable[[], Awaitable["Verdict"]]
"""Does what is left to do about an event that may come in; nothing of it has begun before."""


class WrapInbox(Protocol):
    """Where wraps for the bridge itself go."""

    async def accept(self, wrap: VerifiedEvent, *, link: str, origin: Origin) -> Added:
        """Keep a wrap until it is answered; return when that is durable."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """An event was taken; the message says so if it was here before."""

    message: str = ""


TAKEN = Verdict()
KNOWN = Verdict(Prefix.DUPLICATE.says("already have this event"))
OUTDATED = Verdict(Prefix.DUPLICATE.says("a newer version is here"))

_REQUESTS = frozenset({kinds.DELETION, kinds.VANISH})

_WITHDRAWN = "its author or recipient asked for it to be deleted"

_VERDICTS = {Added.ADDED: TAKEN, Added.DUPLICATE: KNOWN, Added.STALE: OUTDATED}


class Admission:
    """The relay's door for events."""

    def __init__(
        self,
        *,
        bridge: PublicKey,
        inbox: WrapInbox,
        storage: Storage,
        relay_urls: Callable[[], Sequence[str]],
        deliver: Callable[[VerifiedEvent], int],
        on_gone: Callable[[Collection[str]], None],
        clock: Clock,
        limits: PublishLimits,
    ) -> None:
        """Take by which addresses requests to vanish may name this relay."""
        self._bridge = bridge
        self._inbox = inbox
        self._storage = storage
        self._relay_urls = relay_urls
        self._deliver = deliver
        self._on_gone = on_gone
        self._clock = clock
        self._limits = limits
        self._seen = SeenIds(maximum=limits.max_seen)
        self._withdrawn = Withdrawn(maximum=limits.max_seen)
        self._public_room = Room(limits.max_replaceable_events, limits.max_replaceable_events_per_key, spared=bridge)
        self._request_room = Room(limits.max_deletion_requests, limits.max_deletion_requests_per_key)
        self._vanish_room = Room(limits.max_vanish_requests, per_key=1)
        self._rates = MailboxRates(limits.mailbox, maximum=limits.max_tracked_recipients)
        self._ways = self._ways_by_kind(limits)

    def consider(
        self, event: Event, *, keys: Collection[PublicKey], wait_seconds: float, sender: str = ""
    ) -> Verdict | Keeping:
        """Decide about an event from a connection that proved these keys and has so long to wait before the next.

        Take from which address it comes, too.

        Return the verdict, or what is left to do before there is one. Raise what `refusals` has words for.
        """
        now = self._clock.now()
        verified = self._verify(event)
        recipient = recipient_of(verified) if kinds.is_wrap(verified.kind) else None
        named = self._named(verified)
        way = None if verified.kind in _REQUESTS else self._way(verified.kind, recipient)
        self._check_times(verified, now)
        _check_author(verified, keys)
        if way in (self._pass_on, self._hand_over):
            if self._withdrawn.covers(verified, recipient):
                raise Blocked(_WITHDRAWN)
            if self._seen.has(verified.id, now):
                return KNOWN
        if wait_seconds:
            raise slow_down(wait_seconds)
        if recipient is not None and recipient != self._bridge:
            self._check_rates(verified, recipient, sender)
        if way == self._pass_on:
            return self._remember(verified, self._pass_on(verified))
        if way is None:
            return self._withdraw(verified, named, now)
        if way == self._keep_wrap:
            way = partial(self._keep_wrap, sender=sender)
        if way == self._hand_over:
            return partial(self._take_over, verified, Origin(tuple(keys), sender))
        return partial(self._keep, verified, way)

    async def recall(self) -> None:
        """Take up again what was asked to be deleted before we started; live events are looked up nowhere else."""
        now = self._clock.now()
        for asked in await self._storage.deletions.latest(limit=self._limits.max_seen // 4):
            self._withdrawn.note_stored(asked, until=self._noted_until(now), now=now)

    async def publish_own(self, event: VerifiedEvent) -> Added:
        """Keep and deliver a replaceable event of the bridge itself, whatever kinds others may publish."""
        if event.pubkey != self._bridge:
            raise ValueError("only the bridge's own events are published without asking")
        added = await self._storage.public_events.put(event)
        return self._deliver_added(event, added)

    async def _keep(self, event: VerifiedEvent, way: _Way) -> Verdict:
        added = way(event)
        if not isinstance(added, Added):
            added = await added
        return _verdict(added)

    def _withdraw(self, request: VerifiedEvent, named: Deletion | None, now: int) -> Keeping:
        # Noted now: the next event of this connection may be one that is passed on before the request is durable.
        until = self._noted_until(now)
        if named is None:
            noted = self._withdrawn.note_vanish(request, until=max(until, request.created_at), now=now)
        else:
            noted = self._withdrawn.note_deletion(request, named, until=until, now=now)
        return partial(self._keep, request, partial(self._carry_out, named=named, noted=noted))

    def _verify(self, event: Event) -> VerifiedEvent:
        max_tags = self._limits.max_event_tags
        if kinds.is_wrap(event.kind):
            max_tags = min(max_tags, self._limits.max_wrap_tags)
        if len(event.tags) > max_tags:
            raise InvalidEvent(f"tags: more than {max_tags}")
        if len(event.to_json().encode()) > self._limits.max_event_bytes:
            raise InvalidEvent(f"larger than {self._limits.max_event_bytes} bytes")
        if len(event.content) > self._limits.max_content_length:
            raise InvalidEvent(f"content: more than {self._limits.max_content_length} characters")
        self._check_work(event)
        return verify_event(event)

    def _check_work(self, event: Event) -> None:
        # On the id as it is claimed: a false one is found out next, and costs us more to find out.
        needed = self._limits.min_pow_difficulty
        if needed and committed_work(event) < needed:
            raise WorkNeeded(f"{needed} bits of work are needed, with a nonce tag that commits to them")

    def _noted_until(self, now: int) -> int:
        """Return the time from which on no live event comes in any more that could come in now."""
        return now + max(self._limits.seen_seconds, 2 * self._limits.window.ephemeral_seconds + 1)

    def _named(self, event: VerifiedEvent) -> Deletion | None:
        if event.kind == kinds.DELETION:
            return parse_deletion(event, max_targets=self._limits.max_deletion_targets)
        if event.kind == kinds.VANISH:
            check_vanish(event, relay_urls=self._relay_urls())
        return None

    def _way(self, kind: int, recipient: PublicKey | None) -> _Way:
        way = self._hand_over if recipient == self._bridge else self._ways.get(kind)
        if way is None:
            raise Blocked("this relay does not take events of this kind")
        return way

    def _check_times(self, event: VerifiedEvent, now: int) -> None:
        if kinds.is_wrap(event.kind):
            return check_times(event, now=now, window=self._limits.window)
        window = self._limits.window_of(event.kind)
        if event.created_at < now - window.past_seconds:
            raise Unacceptable(f"created_at: more than {window.past_seconds} seconds ago")
        if event.created_at > now + window.future_seconds:
            raise Unacceptable(f"created_at: more than {window.future_seconds} seconds ahead")
        try:
            if is_expired(event, now):
                raise Unacceptable("expiration: over")
        except InvalidEvent as error:
            raise Unacceptable(str(error)) from None

    def _check_rates(self, wrap: VerifiedEvent, recipient: PublicKey, sender: str) -> None:
        # The bridge's own wraps are bounded by the room in its inbox; a rate for it would let one client shut it up.
        is_kept = wrap.kind == kinds.GIFT_WRAP
        if wait_seconds := self._rates.take(recipient, sender, self._clock.monotonic(), is_kept=is_kept):
            raise slow_down(wait_seconds)

    def _remember(self, event: VerifiedEvent, added: Added) -> Verdict:
        # Only now that it was taken: one that was refused, or that we failed to keep, may be sent again. A live event
        # is remembered for as long as its time lets it in.
        now = self._clock.now()
        admissible = event.created_at + self._limits.window.ephemeral_seconds + 1
        self._seen.remember(event.id, until=max(now + self._limits.seen_seconds, admissible), now=now)
        return _verdict(added)

    def _ways_by_kind(self, limits: PublishLimits) -> Mapping[int, _Way]:
        """Return what is done with each kind; AUTH events are for AUTH only, whatever the limits say (NIP-42)."""
        ways: dict[int, _Way] = dict.fromkeys(limits.replaceable_kinds, self._keep_newest)
        ways |= dict.fromkeys(limits.ephemeral_kinds, self._pass_on)
        ways[kinds.GIFT_WRAP] = self._keep_wrap
        ways.pop(kinds.AUTH, None)
        return ways

    async def _take_over(self, wrap: VerifiedEvent, origin: Origin) -> Verdict:
        added = await self._hand_over(wrap, origin)
        return _verdict(added) if added is Added.FULL else self._remember(wrap, added)

    async def _hand_over(self, wrap: VerifiedEvent, origin: Origin = NOWHERE) -> Added:
        return await self._inbox.accept(wrap, link=HERE, origin=origin)

    async def _keep_wrap(self, wrap: VerifiedEvent, sender: str = "") -> Added:
        recipient, expires_at = recipient_of(wrap), expiration(wrap)
        now = self._clock.now()
        kept_until = now + self._limits.retention_seconds
        added = None
        try:
            added = await self._storage.gift_wraps.add(
                wrap,
                recipient=recipient,
                expires_at=kept_until if expires_at is None else min(expires_at, kept_until),
                quota=self._limits.quota_per_recipient,
                brief_until=now + self._limits.brief_retention_seconds,
            )
        finally:
            if added is not Added.ADDED:
                self._rates.not_kept(recipient, sender)
        return self._deliver_added(wrap, added)

    async def _keep_newest(self, event: VerifiedEvent) -> Added:
        added = await self._storage.public_events.put(event, room=self._public_room)
        return self._deliver_added(event, added)

    async def _carry_out(self, request: VerifiedEvent, *, named: Deletion | None, noted: Noted) -> Added:
        deletions, added = self._storage.deletions, None
        try:
            if named is None:
                vanishing = await deletions.vanish(
                    request, room=self._vanish_room, remembered=self._limits.max_vanished_keys
                )
                added = vanishing.added
                self._on_gone(vanishing.gone)
            else:
                added = await deletions.delete(request, named, room=self._request_room)
        finally:
            if added not in (Added.ADDED, Added.DUPLICATE):
                self._withdrawn.take_back(noted)
        return self._deliver_added(request, added)

    def _pass_on(self, event: VerifiedEvent) -> Added:
        # Whether anybody listened is not told (NIP-01 has `mute:`): it would tell who is online to whoever asks.
        return self._deliver_added(event, Added.ADDED)

    def _deliver_added(self, event: VerifiedEvent, added: Added) -> Added:
        if added is Added.ADDED:
            self._deliver(event)
        return added


def _verdict(added: Added) -> Verdict:
    if added is Added.FULL:
        raise RateLimited("no room for more")
    if added is Added.DELETED:
        raise Blocked(_WITHDRAWN)
    return _VERDICTS[added]


def _check_author(event: VerifiedEvent, keys: Collection[PublicKey]) -> None:
    """Take a protected event from its author only (NIP-70)."""
    if any(tag[0] == "-" for tag in event.tags) and event.pubkey not in keys:
        words = "a protected event is published by its author only"
        raise Restricted(words) if keys else AuthRequired(words)
