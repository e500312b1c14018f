"""What a relay allows, in figures that settings fill. Every queue, map and buffer here is bounded by one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bridge.relay.rates import MailboxBuckets, bytes_per_second, per_second
from nips import kinds
from nips.messages import MessageLimits
from nips.nip59 import WrapWindow
from storage.permits import Bucket


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one connection may do."""

    message: MessageLimits = field(default_factory=MessageLimits)
    max_subscriptions: int = 20
    max_filter_values: int = 5000
    """In the filters of all subscriptions together, as `Filter.weight` counts them."""
    max_keys: int = 8
    """Keys that may authenticate on one connection."""
    max_failed_auths: int = 10
    """AUTH answers that prove nothing before the connection is closed."""
    max_bad_frames: int = 20
    """Frames that make no sense before the connection is closed."""
    auth_window_seconds: int = 600
    events: Bucket = field(default_factory=lambda: per_second(20, burst=200))
    event_bytes: Bucket = field(default_factory=lambda: bytes_per_second(131_072, burst=16_777_216))
    """The frames of the events."""
    queries: Bucket = field(default_factory=lambda: per_second(20, burst=100))
    """REQ, COUNT, CLOSE and AUTH together."""
    max_held_events: int = 600
    """Live events that wait for one subscription while its stored ones are on their way."""


# Bytes of an event around its content: id, keys, signature, and room for the few tags of a wrap.
_FRAME_BYTES = 1024


def max_content_length(max_event_bytes: int) -> int:
    """Return how many characters content may have: if all are ASCII, an event with a few tags has room for them."""
    return max_event_bytes - _FRAME_BYTES


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """How far an event's `created_at` may lie from now, in seconds."""

    past_seconds: int
    future_seconds: int


@dataclass(frozen=True, slots=True)
class PublishLimits:
    """What is accepted and how long it is kept."""

    window: WrapWindow = field(default_factory=WrapWindow)
    public_window: TimeWindow = TimeWindow(past_seconds=315_360_000, future_seconds=900)
    """Of events that are no wraps and not ephemeral."""
    kind_windows: Mapping[int, TimeWindow] = field(default_factory=lambda: MappingProxyType({}))
    """Of kinds that have one of their own; those of wraps have not."""
    max_event_bytes: int = 65_536
    max_event_tags: int = 2000
    min_pow_difficulty: int = 0
    """Bits of work that an event commits to (NIP-13)."""
    max_wrap_tags: int = 16
    """A wrap needs one; what else it carries is read by nobody."""
    retention_seconds: int = 30 * 86_400
    """How long a stored wrap without expiration is kept."""
    brief_retention_seconds: int = 3 * 86_400
    """The same for a key without an account, where room is scarce."""
    quota_per_recipient: int = 10_000
    """Wraps from others; the bridge's own answers have as much room of their own."""
    mailbox: MailboxBuckets = field(default_factory=MailboxBuckets)
    max_tracked_recipients: int = 100_000
    """Recipients, and pairs of a recipient and an address that sends to them."""
    replaceable_kinds: frozenset[int] = frozenset({0, 3, 10002, 10050})
    max_replaceable_events: int = 100_000
    """In all; what came first goes."""
    max_replaceable_events_per_key: int = 100
    max_deletion_requests: int = 20_000
    """Kind 5 in all; what found nothing to delete goes first, then what came first."""
    max_deletion_requests_per_key: int = 200
    """The oldest goes."""
    max_vanish_requests: int = 20_000
    """Kind 62 that is served, by the same rule."""
    max_vanished_keys: int = 200_000
    """Keys whose events do not come back though their request is served no longer, by the same rule."""
    max_deletion_targets: int = 100
    """Events that one request names; each costs as much as keeping another event."""
    ephemeral_kinds: frozenset[int] = frozenset({21059, 24133})
    max_seen: int = 100_000
    """Event ids that are remembered to tell repeats, and as many that are to be deleted; the oldest goes first."""
    seen_seconds: int = 600

    def window_of(self, kind: int) -> TimeWindow:
        """Return the window of a kind other than wraps."""
        if kind in self.kind_windows:
            return self.kind_windows[kind]
        live = self.window.ephemeral_seconds
        return TimeWindow(live, live) if kinds.is_ephemeral(kind) else self.public_window

    @property
    def widest_window(self) -> TimeWindow:
        """Within which every event lies that is accepted, whatever its kind."""
        taken = (*self.replaceable_kinds, *self.ephemeral_kinds, kinds.DELETION, kinds.VANISH)
        windows = [self.window_of(kind) for kind in taken if not kinds.is_wrap(kind)]
        windows.append(TimeWindow(self.window.past_seconds, self.window.future_seconds))
        return TimeWindow(
            max(window.past_seconds for window in windows), max(window.future_seconds for window in windows)
        )

    @property
    def max_content_length(self) -> int:
        """Characters of content, as NIP-11 tells them."""
        return max_content_length(self.max_event_bytes)


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """How much of what is stored one filter returns."""

    max_limit: int = 1000
    default_limit: int = 1000
    max_reads: int = 2
    """Reads at once."""
    max_reads_per_address: int = 1
    page: int = 100
    """Events that are read at once, so that a slow reader holds no more than twice that in memory."""


@dataclass(frozen=True, slots=True)
class AddressLimits:
    """What all connections of one address may do together."""

    max_connections: int = 100
    arrivals: Bucket = field(default_factory=lambda: per_second(10, burst=200))
    """New connections."""
    events: Bucket = field(default_factory=lambda: per_second(200, burst=2000))
    event_bytes: Bucket = field(default_factory=lambda: bytes_per_second(1_310_720, burst=167_772_160))
    queries: Bucket = field(default_factory=lambda: per_second(200, burst=1000))
    ipv6_prefix: int = 64
    """Leading bits that make IPv6 addresses one."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose `X-Forwarded-For` is believed."""
    max_tracked: int = 20_000
    """Addresses without a connection whose rates are remembered."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What the sockets allow. Times in seconds."""

    max_connections: int = 1000
    max_events_in_flight: int = 64
    """Events of one connection that are being stored while more of its frames are read."""
    address: AddressLimits = field(default_factory=AddressLimits)
    max_unsent_bytes: int = 1_048_576
    """What may wait for a client that reads slowly; beyond that it is dropped."""
    stall_seconds: float = 20
    """How long a client may leave unsent what waits for it, before it is dropped."""
    idle_seconds: float = 600
    """How long a client without a subscription may say nothing."""
    handshake_seconds: float = 10
    max_request_bytes: int = 16_384
    """The HTTP request that opens a websocket, or asks for a page."""
    controls: Bucket = field(default_factory=lambda: per_second(10, burst=100))
    """Pings, pongs and close frames of one connection."""
    ping_interval_seconds: float = 30
    ping_timeout_seconds: float = 20
    close_seconds: float = 5
    """How long a client has to answer our close."""


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """All of them."""

    session: SessionLimits = field(default_factory=SessionLimits)
    publish: PublishLimits = field(default_factory=PublishLimits)
    query: QueryLimits = field(default_factory=QueryLimits)
    server: ServerLimits = field(default_factory=ServerLimits)
