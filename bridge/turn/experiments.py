"""Trying other TURN addresses on a part of the accounts (protocol.md §4).

Who takes part is decided by a keyed hash of experiment and account: the same at each request and after each start, of
no use to somebody without the key, and independent from one experiment's name to the next.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

from bridge.pseudonyms import EXPERIMENT_PLACES, Pseudonyms
from bridge.turn.addresses import RelayAddresses
from nips.keys import PublicKey


@dataclass(frozen=True, slots=True)
class Experiment:
    """Other addresses for those who take part."""

    name: str
    share_percent: Fraction
    listed: Collection[PublicKey]
    """Takes part whatever the share is."""
    excluded: Collection[PublicKey]
    """Never takes part, not even if listed."""
    provider: str | None
    """Whose servers these are: with another's credentials they would let nobody in. None: the only provider's."""
    addresses: RelayAddresses

    def enrolls(self, account: PublicKey, pseudonyms: Pseudonyms) -> bool:
        """Tell whether an account takes part. A share that grows takes nobody out."""
        if account in self.excluded:
            return False
        if account in self.listed:
            return True
        return pseudonyms.place_in(self.name, account) * 100 < self.share_percent * EXPERIMENT_PLACES

    def is_about(self, provider: str) -> bool:
        """Tell whether the addresses are of the servers of a provider."""
        return self.provider in (None, provider)


def share_of(percent: float) -> Fraction:
    """Return a share as it was written: 0.1 % is a thousandth, and not what a float makes of it."""
    return Fraction(str(percent))
