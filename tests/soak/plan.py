"""What a soak run does and what the bridge under it may keep: retentions as short as settings go, and small caches."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridge.settings.accounts import LimiterSettings
from bridge.settings.tree import Settings

RETENTION_SECONDS = 60
"""The shortest that settings take; a run of two hours passes it 120 times."""

LIVE_SECONDS = 10
WINDOW_SECONDS = 60
"""How far from now the time of a wrap or a request may be."""

PURGE_SECONDS = 2.0
CLEARING_SECONDS = 120
"""How long the rows of an hour may take to go: they go in small pieces, between other work."""

VISITORS = 60
"""Keys that come back again and again."""

AUTHORS = 40
"""Keys that publish replaceable events."""

MAX_DELETIONS = 200
"""Requests to delete that are kept; the load makes many more."""

NEWCOMERS_PER_REQUEST = 0.08

PLENTY = LimiterSettings(burst=1_000_000, refill_seconds=0.001)
"""For newcomers and strangers, each of whom has to be answered here."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The length of a run and its pace."""

    seconds: float
    rate: float
    """Visits a second."""
    sample_seconds: float
    workers: int = 0
    """Processes of the bridge that open and seal."""

    @property
    def warm_up_seconds(self) -> float:
        """The first quarter: accounts, caches and the allocator's arenas fill up to their bounds."""
        return self.seconds / 4

    @property
    def window_seconds(self) -> float:
        """Length of the stretches whose medians are compared."""
        return self.seconds / 8

    @property
    def max_accounts(self) -> int:
        """Room for newcomers that is used up early in the warm-up; those who come later are refused."""
        return VISITORS + min(1000, max(4, round(self.seconds * self.rate * NEWCOMERS_PER_REQUEST / 20)))

    @property
    def seen_seconds(self) -> int:
        """How long the bridge remembers a wrap, before it rounds up to the hour."""
        return 2 * WINDOW_SECONDS + 1

    def settings(self, settings: Settings) -> Settings:
        """Return settings under which everything that is kept goes again within minutes, where settings allow it."""
        return replace(
            settings,
            accounts=replace(settings.accounts, max_accounts=self.max_accounts, budget=PLENTY),
            permits=replace(
                settings.permits,
                turn=LimiterSettings(burst=20, refill_seconds=1),
                invalid=LimiterSettings(burst=5, refill_seconds=2),
                strangers=PLENTY,
                max_tracked_keys=100,
            ),
            relay=replace(
                settings.relay,
                idle_timeout_seconds=20,
                stall_timeout_seconds=4,
                handshake_timeout_seconds=4,
                close_timeout_seconds=2,
                max_seen_events=1000,
                seen_seconds=120,
                trusted_proxies=("127.0.0.1",),
                max_tracked_addresses=200,
                max_deletion_requests=MAX_DELETIONS,
                max_deletion_requests_per_key=20,
                max_vanish_requests=MAX_DELETIONS,
                max_vanished_keys=MAX_DELETIONS,
            ),
            wraps=replace(
                settings.wraps,
                max_past_seconds=WINDOW_SECONDS,
                max_future_seconds=WINDOW_SECONDS,
                ephemeral_window_seconds=WINDOW_SECONDS,
                retention_seconds=RETENTION_SECONDS,
                max_tracked_recipients=100,
            ),
            inbox=replace(
                settings.inbox,
                max_age_seconds=WINDOW_SECONDS,
                max_future_seconds=WINDOW_SECONDS,
                max_known_senders=100,
                workers=self.workers,
            ),
            replies=replace(
                settings.replies,
                retention_seconds=RETENTION_SECONDS,
                free_retention_seconds=RETENTION_SECONDS,
                live_seconds=LIVE_SECONDS,
                backdate_max_seconds=30,
            ),
            storage=replace(settings.storage, purge_interval_seconds=PURGE_SECONDS),
        )
