"""Tables about the bridge's name, its own relay, the wraps kept there, other relays and clients that deviate."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

from bridge.settings import forms
from bridge.settings.keys import choice, listing, number, text
from bridge.settings.relay_url import relay_identity


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """How the bridge presents itself."""

    name: str = text("Switchboard", "Name in the relay's information document (NIP-11).")
    description: str = text(
        "Relay and signaling bridge for calls.",
        "What the information document says about this relay.",
    )
    contact: str = text("", "How to reach the operator, such as mailto:you@example.org.")
    public_url: str = text(
        "",
        "Address under which clients reach this relay; empty: ws://host:port of [relay].",
        form=forms.optional_relay_url,
    )


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """The relay endpoint and its limits."""

    host: str = text("127.0.0.1", "Address to listen on; 0.0.0.0 or :: for all.", form=forms.host)
    port: int = number(7447, "Port to listen on; 0: any that is free.", least=0, most=65535)
    max_connections: int = number(1000, "Clients connected at once.", least=1, most=1_000_000)
    max_connections_per_address: int = number(100, "Clients of one address connected at once.", least=1, most=1_000_000)
    address_connections_per_second: float = number(
        10, "New connections of one address, in the long run.", least=0.001, most=1_000_000
    )
    address_connections_burst: int = number(200, "New connections of one address at once.", least=1, most=10_000_000)
    address_rate_multiple: int = number(
        10,
        "How often the rates of one connection (event…, queries_…) all connections of one address have together.",
        least=1,
        most=100_000,
    )
    ipv6_prefix_length: int = number(
        64, "Leading bits that make two IPv6 addresses one; an IPv4 address counts by itself.", least=16, most=128
    )
    trusted_proxies: tuple[str, ...] = listing(
        (),
        "Addresses or networks of proxies in front of the relay, such as 127.0.0.1. Only from them X-Forwarded-For is "
        "believed; without it everybody behind a proxy counts as one address.",
        form=forms.network,
        max_items=1000,
        identity=ip_network,
    )
    max_reads_per_address: int = number(
        1,
        "Reads of stored events at once for one address, of storage.readers for all. Who has had least reads next.",
        least=1,
        most=64,
    )
    max_tracked_addresses: int = number(
        20_000,
        "Addresses without a connection whose rates are remembered; the one longest away is forgotten first.",
        least=100,
        most=100_000_000,
    )
    max_message_bytes: int = number(
        131072, "Largest frame that is read; a larger one closes the connection.", least=4096, most=16_777_216
    )
    max_event_bytes: int = number(65536, "Largest event that is accepted.", least=2048, most=16_777_216)
    max_event_tags: int = number(2000, "Most tags of one event.", least=1, most=100_000)
    min_pow_difficulty: int = number(
        0, "Bits of work that each event has to show (NIP-13); our own client library does none.", least=0, most=64
    )
    max_subscriptions: int = number(20, "Open subscriptions of one connection.", least=1, most=10_000)
    # SQLite joins the results of at most 500 queries in one statement.
    max_filters: int = number(10, "Filters in one REQ or COUNT.", least=1, most=500)
    max_filter_values: int = number(500, "Values in one field of a filter.", least=1, most=30_000)
    max_tag_conditions: int = number(3, "Tag conditions, such as #p, in one filter.", least=1, most=52)
    # Even if all are in one filter they fit into one statement of SQLite, which takes 32 766 parameters.
    max_filter_values_per_connection: int = number(
        5000,
        "Values in all filters that a connection has open; one of more than 64 characters counts several times.",
        least=1,
        most=30_000,
    )
    max_limit: int = number(1000, "Most stored events that one filter returns.", least=1, most=100_000)
    default_limit: int = number(1000, "Stored events that a filter without limit returns.", least=1, most=100_000)
    max_subid_length: int = number(64, "Longest subscription id, in characters.", least=1, most=1024)
    max_auth_keys: int = number(8, "Keys that may authenticate on one connection.", least=1, most=1000)
    max_failed_auths: int = number(
        10, "AUTH answers that prove nothing before the connection is closed.", least=1, most=1_000_000
    )
    max_unsent_bytes: int = number(
        1_048_576,
        "What may wait for a slow reader before it is dropped.",
        least=131_072,
        most=1_073_741_824,
    )
    max_bad_frames: int = number(
        20, "Frames that make no sense before the connection is closed.", least=1, most=1_000_000
    )
    events_per_second: float = number(
        20, "EVENT frames of one connection, in the long run.", least=0.001, most=1_000_000
    )
    events_burst: int = number(200, "EVENT frames of one connection at once.", least=1, most=10_000_000)
    event_bytes_per_second: float = number(
        131_072, "Bytes of the EVENT frames of one connection, in the long run.", least=64, most=2**40
    )
    event_burst_bytes: int = number(
        16_777_216, "What the EVENT frames of one connection have at once.", least=4096, most=2**40
    )
    max_events_in_flight: int = number(
        64,
        "Events of one connection that may be on their way into the storage at once.",
        least=1,
        most=10_000,
    )
    queries_per_second: float = number(
        20,
        "Other frames (REQ, COUNT, CLOSE, AUTH) of one connection, in the long run.",
        least=0.001,
        most=1_000_000,
    )
    queries_burst: int = number(100, "Other frames of one connection at once.", least=1, most=10_000_000)
    control_frames_per_second: float = number(
        10,
        "Pings, pongs and close frames of one connection, in the long run; beyond that it is dropped.",
        least=0.1,
        most=1_000_000,
    )
    control_frames_burst: int = number(100, "The same at once.", least=10, most=10_000_000)
    max_request_bytes: int = number(
        16_384, "Largest HTTP request that opens a websocket or asks for a page.", least=1024, most=1_048_576
    )
    handshake_timeout_seconds: float = number(10, "Time that a client has to open the websocket.", least=0.1, most=600)
    ping_interval_seconds: float = number(30, "Time between pings that find out dead connections.", least=1, most=3600)
    ping_timeout_seconds: float = number(
        20, "Time that a client has to answer a ping before it is dropped.", least=1, most=3600
    )
    idle_timeout_seconds: float = number(
        600, "How long a client without a subscription may say nothing.", least=1, most=86400
    )
    stall_timeout_seconds: float = number(
        20, "How long a client may leave unread what waits for it before it is dropped.", least=1, most=3600
    )
    close_timeout_seconds: float = number(5, "Time that a client has to answer our close.", least=0.1, most=60)
    max_held_events: int = number(
        600, "Live events held for one subscription while its stored ones are sent.", least=1, most=100_000
    )
    max_seen_events: int = number(
        100_000, "Ids of live events that are remembered to tell repeats.", least=100, most=10_000_000
    )
    seen_seconds: int = number(600, "How long such an id is remembered.", least=120, most=86400)
    auth_window_seconds: int = number(
        600, "How far the time in an AUTH answer may be from ours, both ways.", least=10, most=86400
    )
    max_past_seconds: int = number(
        315_360_000,
        "How old an event may be that is no wrap and not ephemeral: 10 years.",
        least=60,
        most=4_000_000_000,
    )
    max_future_seconds: int = number(900, "How far ahead of our clock such an event may be.", least=0, most=86400)
    kind_windows: tuple[str, ...] = listing(
        (),
        'Kinds with another window: kind, seconds past, seconds ahead, such as "10050 31536000 60". Those of wraps are '
        "in [wraps].",
        form=forms.kind_window,
        max_items=1000,
        identity=forms.kind_of_window,
    )
    replaceable_kinds: tuple[int, ...] = listing(
        (0, 3, 10002, 10050),
        "Replaceable kinds that are kept for everybody to read.",
        form=forms.kept_kind,
        max_items=1000,
    )
    max_replaceable_events: int = number(
        100_000,
        "Replaceable events that are kept in all; beyond that what came first goes, but nothing of our own.",
        least=0,
        most=1_000_000_000,
    )
    max_replaceable_events_per_key: int = number(
        100, "Replaceable events that are kept of one key.", least=1, most=1_000_000
    )
    max_deletion_requests: int = number(
        20_000,
        "Requests to delete (NIP-09) that are kept in all; beyond that those go first that found nothing to delete.",
        least=1,
        most=10_000_000,
    )
    max_deletion_requests_per_key: int = number(
        200, "Deletion requests that are kept of one key; beyond that its oldest goes.", least=1, most=1_000_000
    )
    max_vanish_requests: int = number(
        20_000,
        "Requests to vanish (NIP-62) that are kept and served; beyond that those go first that found nothing to erase.",
        least=1,
        most=10_000_000,
    )
    max_vanished_keys: int = number(
        200_000,
        "Keys that vanished and of which nothing older is taken again, though their request had to go; the same rule.",
        least=1,
        most=100_000_000,
    )
    max_deletion_targets: int = number(100, "Events that one deletion request names.", least=1, most=10_000)
    ephemeral_kinds: tuple[int, ...] = listing(
        (21059, 24133),
        "Ephemeral kinds that are passed on between clients; 21059 only to its recipient. Live requests to the bridge "
        "and its answers pass in any case.",
        form=forms.passed_kind,
        max_items=1000,
    )


@dataclass(frozen=True, slots=True)
class WrapSettings:
    """Gift wraps on this relay."""

    max_past_seconds: int = number(
        176_400,
        "How old a stored wrap may be: 2 days of back-dating, 1 hour of skew.",
        least=60,
        most=31_536_000,
    )
    max_future_seconds: int = number(900, "How far ahead of our clock a stored wrap may be.", least=0, most=86400)
    ephemeral_window_seconds: int = number(
        60, "How far from our clock a live wrap (21059) may be, both ways.", least=30, most=86400
    )
    retention_seconds: int = number(
        2_592_000, "How long a wrap without expiration is kept.", least=60, most=315_360_000
    )
    brief_retention_seconds: int = number(
        259_200,
        "How long at most, for keys without an account, while the database is more than half full; past three "
        "quarters nothing new is kept for them.",
        least=60,
        most=315_360_000,
    )
    quota_per_recipient: int = number(
        10_000, "Wraps that are kept for one recipient, besides our own answers.", least=1, most=100_000_000
    )
    max_tags: int = number(16, "Most tags of one wrap.", least=1, most=100_000)
    recipient_wraps_per_second: float = number(
        50,
        "Wraps accepted for one recipient (not for the bridge), in the long run.",
        least=0.001,
        most=1_000_000,
    )
    recipient_wraps_burst: int = number(
        2500,
        "Wraps accepted for one recipient at once; the last quarter for addresses that sent few.",
        least=1,
        most=10_000_000,
    )
    sender_wraps_per_second: float = number(
        10, "Wraps accepted from one address for one recipient, in the long run.", least=0.001, most=1_000_000
    )
    sender_wraps_burst: int = number(
        500, "Wraps accepted from one address for one recipient at once.", least=1, most=10_000_000
    )
    sender_wraps_per_day: int = number(
        2500,
        "Wraps that one address may leave for one recipient in a day, to be less than quota_per_recipient.",
        least=1,
        most=10_000_000,
    )
    max_tracked_recipients: int = number(
        100_000,
        "Recipients, and addresses that send to them, whose rates are remembered; the longest idle is forgotten first.",
        least=100,
        most=100_000_000,
    )


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """Other relays on which the bridge can be reached."""

    relays: tuple[str, ...] = listing(
        (),
        "Relays to read requests from besides our own.",
        form=forms.relay_url,
        max_items=1000,
        identity=relay_identity,
    )
    connect_timeout_seconds: float = number(10, "Time to open a link.", least=0.1, most=600)
    ok_timeout_seconds: float = number(
        10, "Time that a relay has to acknowledge an event before it is sent again.", least=0.1, most=600
    )
    ping_interval_seconds: float = number(
        30, "Time between pings, and for an answer to one, that find out dead links.", least=1, most=3600
    )
    backoff_first_seconds: float = number(
        1, "Wait before a lost link is opened again; doubled each time, and varied.", least=0.01, most=3600
    )
    backoff_max_seconds: float = number(300, "Longest such wait.", least=0.01, most=86400)
    catch_up_seconds: int = number(
        176_400,
        "How far back a new link asks for stored wraps: 2 days and 1 hour.",
        least=0,
        most=31_536_000,
    )
    max_message_bytes: int = number(
        524_288, "Largest frame that is read from another relay.", least=4096, most=16_777_216
    )


@dataclass(frozen=True, slots=True)
class CompatSettings:
    """What is tolerated for clients that deviate."""

    unsigned_seals: bool = choice(
        True,
        "Take seals without signature, id, kind and tags, as BuildIt's web client makes them. Their encryption still "
        "proves who wrote them, to this bridge alone.",
    )
    read_without_auth: bool = choice(
        False,
        "Serve wraps to whoever names the recipient, without AUTH. Anybody can then watch who gets how many, and when.",
    )
