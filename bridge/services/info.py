"""`bridge.info`: what this bridge is, what it offers and on what terms (protocol.md §3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge.callers import Caller
from bridge.permits import AccountPermits
from bridge.services.service import Outcome, Params
from bridge.settings.accounts import Admission
from nips.keys import PublicKey
from storage.permits import Bucket


class Terms(Protocol):
    """On what terms keys get accounts, as of now."""

    @property
    def admission(self) -> Admission:
        """The word for who gets one."""
        ...

    async def pow_bits(self) -> int:
        """Return the work that a new one costs; 0: none."""
        ...


@dataclass(frozen=True, slots=True)
class BridgeInfo:
    """Answers `bridge.info`, the same for everybody."""

    version: str
    pubkey: PublicKey
    methods: Callable[[], Sequence[str]]
    relays: Callable[[], Sequence[str]]
    terms: Terms
    permits: AccountPermits

    async def __call__(self, params: Params, caller: Caller) -> Outcome:
        """Return the bridge's description."""
        description = {
            "version": self.version,
            "pubkey": self.pubkey,
            "methods": list(self.methods()),
            "relays": list(self.relays()),
            "admission": self.terms.admission.value,
            "pow_bits": await self.terms.pow_bits(),
            "limits": {limiter: bucket_figures(bucket) for limiter, bucket in self.permits.buckets.items()},
            "zk": None,
        }
        return Outcome(description)


def bucket_figures(bucket: Bucket) -> dict[str, int | float]:
    """Return a limiter's figures as they are told to clients; whole seconds stay whole."""
    seconds, rest_ms = divmod(bucket.refill_ms, 1000)
    return {"burst": bucket.burst, "refill_seconds": bucket.refill_ms / 1000 if rest_ms else seconds}
