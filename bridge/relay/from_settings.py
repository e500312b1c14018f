"""From the operator's settings to the relay's own figures."""

from __future__ import annotations

from types import MappingProxyType

from bridge.relay.information import RelayProfile
from bridge.relay.limits import (
    AddressLimits,
    PublishLimits,
    QueryLimits,
    RelayLimits,
    ServerLimits,
    SessionLimits,
    TimeWindow,
)
from bridge.relay.rates import MailboxBuckets, bytes_per_second, per_day, per_second
from bridge.settings.endpoint import BridgeSettings, RelaySettings, WrapSettings
from bridge.settings.tree import Settings
from nips.messages import MessageLimits
from nips.nip59 import WrapWindow


def relay_limits(settings: Settings) -> RelayLimits:
    """Return the limits that the settings ask for."""
    relay = settings.relay
    return RelayLimits(
        session=_session(relay),
        publish=_publish(relay, settings.wraps),
        query=QueryLimits(
            max_limit=relay.max_limit,
            default_limit=relay.default_limit,
            max_reads=settings.storage.readers,
            max_reads_per_address=relay.max_reads_per_address,
        ),
        server=ServerLimits(
            max_connections=relay.max_connections,
            max_events_in_flight=relay.max_events_in_flight,
            address=_address(relay),
            max_unsent_bytes=relay.max_unsent_bytes,
            stall_seconds=relay.stall_timeout_seconds,
            idle_seconds=relay.idle_timeout_seconds,
            close_seconds=relay.close_timeout_seconds,
            max_request_bytes=relay.max_request_bytes,
            controls=per_second(relay.control_frames_per_second, burst=relay.control_frames_burst),
            handshake_seconds=relay.handshake_timeout_seconds,
            ping_interval_seconds=relay.ping_interval_seconds,
            ping_timeout_seconds=relay.ping_timeout_seconds,
        ),
    )


def relay_profile(settings: BridgeSettings, *, version: str) -> RelayProfile:
    """Return what the information document says besides the limits."""
    return RelayProfile(name=settings.name, description=settings.description, contact=settings.contact, version=version)


def _session(relay: RelaySettings) -> SessionLimits:
    return SessionLimits(
        message=MessageLimits(
            max_message_bytes=relay.max_message_bytes,
            max_subscription_id=relay.max_subid_length,
            max_filters=relay.max_filters,
            max_filter_values=relay.max_filter_values,
            max_tag_conditions=relay.max_tag_conditions,
        ),
        max_subscriptions=relay.max_subscriptions,
        max_filter_values=relay.max_filter_values_per_connection,
        max_keys=relay.max_auth_keys,
        max_failed_auths=relay.max_failed_auths,
        max_bad_frames=relay.max_bad_frames,
        max_held_events=relay.max_held_events,
        auth_window_seconds=relay.auth_window_seconds,
        events=per_second(relay.events_per_second, burst=relay.events_burst),
        event_bytes=bytes_per_second(relay.event_bytes_per_second, burst=relay.event_burst_bytes),
        queries=per_second(relay.queries_per_second, burst=relay.queries_burst),
    )


def _address(relay: RelaySettings) -> AddressLimits:
    times = relay.address_rate_multiple
    return AddressLimits(
        max_connections=relay.max_connections_per_address,
        arrivals=per_second(relay.address_connections_per_second, burst=relay.address_connections_burst),
        events=per_second(times * relay.events_per_second, burst=times * relay.events_burst),
        event_bytes=bytes_per_second(times * relay.event_bytes_per_second, burst=times * relay.event_burst_bytes),
        queries=per_second(times * relay.queries_per_second, burst=times * relay.queries_burst),
        ipv6_prefix=relay.ipv6_prefix_length,
        trusted_proxies=relay.trusted_proxies,
        max_tracked=relay.max_tracked_addresses,
    )


def _publish(relay: RelaySettings, wraps: WrapSettings) -> PublishLimits:
    return PublishLimits(
        window=WrapWindow(
            past_seconds=wraps.max_past_seconds,
            future_seconds=wraps.max_future_seconds,
            ephemeral_seconds=wraps.ephemeral_window_seconds,
        ),
        public_window=TimeWindow(past_seconds=relay.max_past_seconds, future_seconds=relay.max_future_seconds),
        kind_windows=MappingProxyType(dict(map(_kind_window, relay.kind_windows))),
        max_event_bytes=relay.max_event_bytes,
        max_event_tags=relay.max_event_tags,
        min_pow_difficulty=relay.min_pow_difficulty,
        max_wrap_tags=wraps.max_tags,
        retention_seconds=wraps.retention_seconds,
        brief_retention_seconds=wraps.brief_retention_seconds,
        quota_per_recipient=wraps.quota_per_recipient,
        mailbox=MailboxBuckets(
            recipient=per_second(wraps.recipient_wraps_per_second, burst=wraps.recipient_wraps_burst),
            sender=per_second(wraps.sender_wraps_per_second, burst=wraps.sender_wraps_burst),
            kept=per_day(wraps.sender_wraps_per_day),
        ),
        max_tracked_recipients=wraps.max_tracked_recipients,
        replaceable_kinds=frozenset(relay.replaceable_kinds),
        max_replaceable_events=relay.max_replaceable_events,
        max_replaceable_events_per_key=relay.max_replaceable_events_per_key,
        max_deletion_requests=relay.max_deletion_requests,
        max_deletion_requests_per_key=relay.max_deletion_requests_per_key,
        max_vanish_requests=relay.max_vanish_requests,
        max_vanished_keys=relay.max_vanished_keys,
        max_deletion_targets=relay.max_deletion_targets,
        ephemeral_kinds=frozenset(relay.ephemeral_kinds),
        max_seen=relay.max_seen_events,
        seen_seconds=relay.seen_seconds,
    )


def _kind_window(text: str) -> tuple[int, TimeWindow]:
    kind, past, future = map(int, text.split())
    return kind, TimeWindow(past, future)
