"""What one relay may make us hold, do and wait for."""

from __future__ import annotations

from dataclasses import dataclass, field

from client.backoff import BackoffLimits
from nips.messages import MessageLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLimits:
    """Bounds of the state of a link."""

    messages: MessageLimits = field(default_factory=MessageLimits)
    max_subscriptions: int = 32
    max_publications: int = 1_000
    """Events that wait for the relay's verdict."""
    max_seen: int = 8_192
    """Events remembered, so that each is handed on once."""
    max_challenges: int = 16
    """Challenges answered on one connection; each costs a signature for each key."""
    max_challenge: int = 1_024
    """Characters of a challenge that we sign and send back."""
    max_offences: int = 100
    """Malformed or forged messages on one connection, after which there is no point in going on."""
    auth_seconds: float = 10.0
    """How long we wait for a challenge that was announced, and for the answers to ours."""
    delay_seconds: float = 5.0
    """Wait before asking again for what the relay ended for now; it doubles each time."""
    max_delay_seconds: float = 300.0
    """The longest such wait, and the wait before asking again for what the relay refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Bounds of a connection and of its socket."""

    link: LinkLimits = field(default_factory=LinkLimits)
    backoff: BackoffLimits = field(default_factory=BackoffLimits)
    open_seconds: float = 10.0
    """For resolving, connecting, TLS and the handshake together."""
    publish_seconds: float = 15.0
    """Wait for a relay's verdict. Relays under load take more than ten seconds."""
    ping_seconds: float = 20.0
    """Between pings, and from a ping to its answer: a dead connection is noticed after twice this."""
    close_seconds: float = 3.0
    """For the closing handshake, and for finishing what was received."""
    max_queue: int = 256
    """Events received and not yet handed on. When they are this many, nothing more is read."""
