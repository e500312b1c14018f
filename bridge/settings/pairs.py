"""Settings that are right one by one and impossible together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

from bridge.settings.problems import Problem
from bridge.settings.relay_url import relay_identity
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
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


EVERY_ADDRESS = ("0.0.0.0", "::")

PAIRS = (
    _at_most("relay.max_event_bytes", "relay.max_message_bytes"),
    _at_most("relay.max_message_bytes", "relay.max_unsent_bytes"),
    _at_most("relay.max_message_bytes", "relay.event_burst_bytes"),
    _at_most("relay.default_limit", "relay.max_limit"),
    _at_most("turn.ttl_seconds", "turn.requested_ttl_seconds"),
    _at_most("turn.chain.provider_seconds", "turn.chain.deadline_seconds"),
    _at_most("turn.chain.deadline_seconds", "inbox.deadline_seconds"),
    _at_most("replies.backdate_max_seconds", "wraps.max_past_seconds"),
    _at_most("upstream.backoff_first_seconds", "upstream.backoff_max_seconds"),
    _at_most("inbox.concurrency", "inbox.max_waiting"),
    _at_most("storage.max_batch", "storage.max_queue"),
    Pair(
        ("bridge.public_url", "relay.host"),
        lambda settings: bool(settings.bridge.public_url) or settings.relay.host not in EVERY_ADDRESS,
        "write the ws:// or wss:// address under which clients reach this relay: it listens on all addresses",
    ),
    _needs(ProviderKind.COTURN, "urls", "write the TURN server's addresses"),
    _needs(ProviderKind.COTURN, "secret_files", "name the file with coturn's static-auth-secret"),
    _needs(ProviderKind.STATIC, "urls", "write the TURN server's addresses"),
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
