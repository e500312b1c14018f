"""How much is measured: enough for figures to publish, enough to look at, or enough to see that it counts rightly."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """Amounts of everything."""

    rounds: int
    seconds: float
    """Of one round of one thing."""
    requests: int
    """Of one round, end to end."""
    calm_requests: int
    """Asked one at a time."""
    events: int
    """Published in one round."""
    stored: int
    """Caught up with."""
    idle: int
    """Connections that do nothing."""
    kept: int
    """Wraps in the database at a start."""
    hostile: int
    """Wraps of one flood."""


FULL = Scope(
    rounds=3,
    seconds=0.6,
    requests=2000,
    calm_requests=400,
    events=2000,
    stored=1000,
    idle=2000,
    kept=100_000,
    hostile=10_000,
)
QUICK = Scope(
    rounds=1, seconds=0.2, requests=500, calm_requests=100, events=500, stored=1000, idle=300, kept=10_000, hostile=2000
)
TINY = Scope(rounds=1, seconds=0.01, requests=8, calm_requests=4, events=8, stored=10, idle=4, kept=20, hostile=40)
