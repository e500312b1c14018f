"""How it goes with one relay, for people to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from client.authentication import AuthState
from client.link import LinkCounts
from client.subscriptions import SubscriptionState
from nips.keys import PublicKey


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """How it goes with one relay."""

    url: str
    connected_since: int | None
    """Seconds since the epoch; None: not connected."""
    failures: int
    """Connections in a row that failed or were lost too soon."""
    last_error: str | None
    """Why the last connection failed or ended: a class of errors, `HTTP` or `closed` with a code (1006: just lost)."""
    auth: Mapping[PublicKey, AuthState]
    subscriptions: Mapping[str, SubscriptionState]
    unanswered: int
    """Events that wait for a verdict."""
    undelivered: int
    """Events that wait for our own subscribers."""
    counts: LinkCounts
    words: Sequence[str] = ()
    """The relay's latest notices, refusals and answers to AUTH on this connection: never a format, never trusted."""
