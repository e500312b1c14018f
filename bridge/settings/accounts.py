"""Tables about callers: who may be one, and how often an account may ask."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.settings import forms
from bridge.settings.keys import choice, figure, listing, number, table


class Admission(StrEnum):
    """Who becomes an account."""

    OPEN = "open"
    ALLOWLIST = "allowlist"


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """Who may use the bridge."""

    admission: Admission = choice(Admission.OPEN, "Who gets an account: everybody, or the keys in allow.")
    allow: tuple[str, ...] = listing(
        (), "Keys (npub or hex) that get an account under allowlist.", form=forms.account_key, max_items=1_000_000
    )
    blocked: tuple[str, ...] = listing(
        (), "Keys (npub or hex) that are refused, whatever admission says.", form=forms.account_key, max_items=1_000_000
    )
    max_accounts: int = number(
        100_000, "Accounts in all; beyond that nobody new gets one.", least=1, most=1_000_000_000
    )
    max_invites: int = number(1000, "Invites that can still be used; beyond that none is made.", least=1, most=100_000)


@dataclass(frozen=True, slots=True)
class LimiterSettings:
    """The figures of one limiter."""

    burst: int = figure("Permits that can be saved up.", least=1, most=1_000_000)
    refill_seconds: float = figure("Time after which one permit is back.", least=0.001, most=31_536_000)

    @property
    def refill_ms(self) -> int:
        """The same in whole milliseconds, as balances are kept."""
        return round(self.refill_seconds * 1000)


@dataclass(frozen=True, slots=True)
class PermitSettings:
    """How often an account may ask; a permit is taken for each request that is answered for the first time."""

    turn: LimiterSettings = table(LimiterSettings(burst=100, refill_seconds=600), "TURN credentials, per account.")
    device: LimiterSettings = table(
        LimiterSettings(burst=12, refill_seconds=120), "Changes of devices and of the account, per account."
    )
    info: LimiterSettings = table(
        LimiterSettings(burst=60, refill_seconds=1), "Questions that change nothing, per account."
    )
    invalid: LimiterSettings = table(
        LimiterSettings(burst=20, refill_seconds=30),
        "Malformed requests that are told so, per key; further ones are dropped in silence.",
    )
    strangers: LimiterSettings = table(
        LimiterSettings(burst=300, refill_seconds=1),
        "All callers without an account together; not remembered over a restart.",
    )
    free: LimiterSettings = table(
        LimiterSettings(burst=200, refill_seconds=1),
        "Answers that take no permit, refusals and repeats, per key; further ones are dropped in silence. Not"
        " remembered over a restart.",
    )
    free_together: LimiterSettings = table(
        LimiterSettings(burst=5000, refill_seconds=0.05),
        "The same for all keys together.",
    )
    max_tracked_keys: int = number(
        100_000,
        "Keys that are counted in memory, by each limiter; the longest idle is forgotten first.",
        least=100,
        most=100_000_000,
    )

    def by_limiter(self) -> dict[str, LimiterSettings]:
        """Return the limiters of the contract; `strangers` and those of free answers are none of them."""
        return {"turn": self.turn, "device": self.device, "info": self.info, "invalid": self.invalid}
