"""Settings that are right one by one and impossible together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import reduce
from ipaddress import ip_address
from typing import Any

from bridge.settings.accounts import Admission
from bridge.settings.problems import Problem
from bridge.settings.relay_url import relay_identity
from bridge.settings.tree import Settings
from bridge.settings.turn import LONGEST_TTL_SECONDS, ProviderKind, TurnSettings
from bridge.settings.turn_names import lacks_hostname
from bridge.settings.values import write_value


@dataclass(frozen=True, slots=True)
class Pair:
    """Keys that depend on each other; the first is the one to blame."""

    keys: tuple[str, ...]
    fits: Callable[[Settings], bool]
    fix: str


def value_of(settings: Settings, key: str) -> Any:
    """Return the value of a key by its full name."""
    return reduce(getattr, key.split("."), settings)


def _at_most(lower: str, upper: str) -> Pair:
    return Pair(
        (lower, upper),
        lambda settings: bool(value_of(settings, lower) <= value_of(settings, upper)),
        f"use a value that is not above {upper}",
    )


def _needs(kind: ProviderKind, key: str, fix: str) -> Pair:
    """Ask for a key of a provider's table when the provider is in the chain."""
    return Pair(
        (f"turn.{kind}.{key}", "turn.providers"),
        lambda settings: kind not in settings.turn.providers or bool(value_of(settings, f"turn.{kind}.{key}")),
        f"{fix}, or take {write_value(kind.value)} out of turn.providers",
    )


def _longest(kind: ProviderKind, seconds: int) -> Pair:
    return Pair(
        ("turn.requested_ttl_seconds", "turn.providers"),
        lambda settings: kind not in settings.turn.providers or settings.turn.requested_ttl_seconds <= seconds,
        f"write at most {seconds}, the longest that {kind} grants",
    )


def _pool_seconds(turn: TurnSettings) -> float:
    return turn.ttl_seconds + turn.pool.max_age_seconds


def _resolvable(table: str) -> Pair:
    """Ask for a host name where there are patterns and nothing else that would give them addresses."""
    return Pair(
        (f"{table}.hostname", f"{table}.urls", f"{table}.urls_with_ips"),
        lambda settings: not lacks_hostname(value_of(settings, table)),
        "write the host name whose addresses are meant, or take urls_with_ips out",
    )


def _turn_seconds(turn: TurnSettings) -> float:
    return turn.chain.deadline_seconds + turn.names.timeout_seconds


def _has_provider(turn: TurnSettings) -> bool:
    """Tell whether an experiment is about servers for which somebody makes credentials."""
    named = turn.experiment.provider
    if not turn.providers:
        return named in ("", ProviderKind.MANAGED)
    return named in turn.providers or (named == "" and len(turn.providers) == 1)


def _together(key: str, other: str, fix: str) -> Pair:
    """Ask for both or neither."""
    return Pair((key, other), lambda settings: bool(value_of(settings, key)) is bool(value_of(settings, other)), fix)


def _are_alike(addresses: Collection[str]) -> bool:
    return len({ip_address(address).is_loopback for address in addresses}) < 2


def _one_of_each(addresses: Collection[str]) -> bool:
    return len({ip_address(address).version for address in addresses}) == len(addresses)


EVERY_ADDRESS = ("0.0.0.0", "::")

_MANAGED_TURN = (
    _together(
        "turn.managed.certificate_file",
        "turn.managed.certificate_key_file",
        "write the certificate's file and its key's, or neither",
    ),
    Pair(
        ("turn.managed.hostname", "turn.managed.certificate_file"),
        lambda settings: bool(settings.turn.managed.hostname) or not settings.turn.managed.certificate_file,
        "write the name in the certificate, by which clients come: they check it",
    ),
    Pair(
        ("turn.managed.tls_port", "turn.managed.port"),
        lambda settings: settings.turn.managed.tls_port != settings.turn.managed.port,
        "use another port for TLS",
    ),
    _at_most("turn.managed.min_relay_port", "turn.managed.max_relay_port"),
    Pair(
        ("turn.managed.addresses", "turn.managed.allowed_peers"),
        lambda settings: _are_alike(settings.turn.managed.addresses),
        "write loopback addresses only, for this machine alone, or none",
    ),
    Pair(
        ("turn.managed.external_addresses", "turn.managed.addresses"),
        lambda settings: _one_of_each(settings.turn.managed.external_addresses),
        "write at most one of IPv4 and one of IPv6",
    ),
    Pair(
        ("turn.managed.discover_from", "turn.managed.external_addresses"),
        lambda settings: not (settings.turn.managed.discover_from and settings.turn.managed.external_addresses),
        "ask for the address or write it, not both",
    ),
)


def _coturn_addresses(settings: Settings) -> tuple[str, ...]:
    """Return where a coturn of our own listens; what the routes say of that is not known here."""
    turn = settings.turn
    is_wanted = ProviderKind.MANAGED in turn.providers or (not turn.providers and turn.managed.enabled)
    if not is_wanted or turn.managed.addresses:
        return turn.managed.addresses if is_wanted else ()
    return ("by its routes",) if settings.bridge.public_url or settings.upstream.relays else ("127.0.0.1",)


def _listening(settings: Settings, key: str) -> tuple[str, ...]:
    if key.startswith("turn.managed."):
        return _coturn_addresses(settings)
    return (str(value_of(settings, key.replace(".port", ".host"))),)


def _apart(key: str, other: str, fix: str) -> Pair:
    """Ask for two ports where both listen at one address; 0 is any port, or none."""

    def fits(settings: Settings) -> bool:
        port, hosts, others = value_of(settings, key), _listening(settings, key), _listening(settings, other)
        meet = bool({*hosts} & {*others}) or bool(hosts and others and {*hosts, *others} & {*EVERY_ADDRESS})
        return not port or port != value_of(settings, other) or not meet

    return Pair((key, other), fits, fix)


PAIRS = (
    _at_most("relay.max_event_bytes", "relay.max_message_bytes"),
    _at_most("relay.max_message_bytes", "relay.max_unsent_bytes"),
    _at_most("relay.max_message_bytes", "relay.event_burst_bytes"),
    _at_most("relay.default_limit", "relay.max_limit"),
    _at_most("turn.ttl_seconds", "turn.requested_ttl_seconds"),
    _at_most("turn.chain.provider_seconds", "turn.chain.deadline_seconds"),
    Pair(
        ("turn.chain.deadline_seconds", "turn.names.timeout_seconds", "inbox.deadline_seconds"),
        lambda settings: _turn_seconds(settings.turn) <= settings.inbox.deadline_seconds,
        "use a value that, with turn.names.timeout_seconds, is not above inbox.deadline_seconds",
    ),
    _at_most("turn.names.min_cache_seconds", "turn.names.max_cache_seconds"),
    _at_most("replies.backdate_max_seconds", "wraps.max_past_seconds"),
    _at_most("upstream.backoff_first_seconds", "upstream.backoff_max_seconds"),
    _at_most("inbox.concurrency", "inbox.max_waiting"),
    _at_most("accounts.work.min_bits", "accounts.work.max_bits"),
    _at_most("accounts.domains.ttl_seconds", "accounts.domains.stale_seconds"),
    Pair(
        ("accounts.allow_domains", "accounts.admission"),
        lambda settings: not settings.accounts.allow_domains or settings.accounts.admission is Admission.ALLOWLIST,
        'set accounts.admission to "allowlist", or take the domains out: nobody else is asked for them',
    ),
    _at_most("storage.max_batch", "storage.max_queue"),
    Pair(
        ("bridge.public_url", "relay.host"),
        lambda settings: bool(settings.bridge.public_url) or settings.relay.host not in EVERY_ADDRESS,
        "write the ws:// or wss:// address under which clients reach this relay: it listens on all addresses",
    ),
    _needs(ProviderKind.COTURN, "urls", "write the TURN server's addresses"),
    _needs(ProviderKind.COTURN, "secret_files", "name the file with coturn's static-auth-secret"),
    _needs(ProviderKind.STATIC, "urls", "write the TURN server's addresses"),
    *_MANAGED_TURN,
    _apart("metrics.port", "relay.port", "write another port, or 0 for any that is free"),
    _apart("turn.managed.port", "relay.port", "write another port: coturn listens for TCP too"),
    _apart("turn.managed.port", "metrics.port", "write another port than that of metrics: coturn listens for TCP too"),
    _needs(ProviderKind.CLOUDFLARE, "key_id", "write the id of the TURN key"),
    _needs(ProviderKind.TWILIO, "account_sid", "write the account's SID"),
    _needs(ProviderKind.METERED, "endpoint", "write the address of your app's API"),
    _needs(ProviderKind.XIRSYS, "channel", "write the name of the channel"),
    _needs(ProviderKind.XIRSYS, "ident", "write the account's ident"),
    *(_longest(kind, seconds) for kind, seconds in LONGEST_TTL_SECONDS.items()),
    Pair(
        ("turn.pool.max_age_seconds", "turn.ttl_seconds", "turn.requested_ttl_seconds"),
        lambda settings: (
            not settings.turn.pool.size or _pool_seconds(settings.turn) <= settings.turn.requested_ttl_seconds
        ),
        "use a value that, with turn.ttl_seconds, is not above turn.requested_ttl_seconds, or set turn.pool.size to 0",
    ),
    *(_resolvable(f"turn.{kind}") for kind in ProviderKind),
    _resolvable("turn.experiment"),
    Pair(
        ("turn.experiment.urls", "turn.experiment.name"),
        lambda settings: bool(settings.turn.experiment.urls) or not settings.turn.experiment.name,
        "write the TURN addresses for those who take part, or take the experiment's name out",
    ),
    Pair(
        ("turn.experiment.name", "turn.experiment.share"),
        lambda settings: bool(settings.turn.experiment.name) or not settings.turn.experiment.wants_members,
        "name the experiment, or set its share to 0 and list nobody",
    ),
    Pair(
        ("turn.experiment.provider", "turn.providers"),
        lambda settings: not settings.turn.experiment.name or _has_provider(settings.turn),
        "name the one among turn.providers whose servers these are",
    ),
    Pair(
        ("relay.seen_seconds", "wraps.ephemeral_window_seconds"),
        lambda settings: settings.relay.seen_seconds >= 2 * settings.wraps.ephemeral_window_seconds,
        "write at least twice the window, within which a live wrap may come again",
    ),
    Pair(
        ("upstream.relays", "bridge.public_url"),
        lambda settings: relay_identity(settings.relay_url()) not in map(relay_identity, settings.upstream.relays),
        "take out this bridge's own address",
    ),
)


def impossible_pairs(settings: Settings, *, spoiled: Collection[str]) -> Iterator[Problem]:
    """Find the pairs that do not fit; those with a key or table in `spoiled`, of unknown value, are left out."""
    for pair in PAIRS:
        is_known = not any(f"{key}.".startswith(f"{name}.") for key in pair.keys for name in spoiled)
        if is_known and not pair.fits(settings):
            blamed, *others = pair.keys
            with_others = ", ".join(f"{key} = {write_value(value_of(settings, key))}" for key in others)
            yield Problem(blamed, write_value(value_of(settings, blamed)), f"{pair.fix} (here {with_others})")
