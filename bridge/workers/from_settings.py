"""From settings to what opens and seals: this process itself, or workers."""

from __future__ import annotations

from bridge.sealing import LocalSealing, Sealing
from bridge.settings.tree import Settings
from bridge.workers.jobs import Start
from bridge.workers.pool import PoolRules, WorkerPool
from client.clock import Clock
from client.entropy import Entropy
from nips.keys import SecretKey


def build_sealing(settings: Settings, secret: SecretKey, *, clock: Clock, entropy: Entropy) -> Sealing:
    """Return what opens requests and seals answers; workers draw their own time and randomness."""
    inbox, unsigned_seals = settings.inbox, settings.compat.unsigned_seals
    if not inbox.workers:
        return LocalSealing(
            secret,
            clock=clock,
            entropy=entropy,
            max_known_senders=inbox.max_known_senders,
            unsigned_seals=unsigned_seals,
        )
    return WorkerPool(
        Start(secret, inbox.max_known_senders, unsigned_seals),
        rules=PoolRules(inbox.workers, inbox.max_waiting_each_worker, inbox.worker_timeout_seconds),
        clock=clock,
    )
