"""Tables about callers: who may be one, and how often an account may ask."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.settings import forms
from bridge.settings.keys import choice, figure, listing, number, table


class Admission(StrEnum):
    """Who becomes an account."""

    OPEN = "open"
    INVITE = "invite"
    ALLOWLIST = "allowlist"


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
class WorkSettings:
    """What a new account costs in work (NIP-13) once the budget is used up."""

    min_bits: int = number(16, "Bits that are asked at least: each takes twice the work.", least=1, most=64)
    max_bits: int = number(22, "Bits that are asked at most.", least=1, most=64)
    accounts_per_bit: int = number(
        30, "Accounts that are made for work, after which one bit more is asked.", least=1, most=1_000_000
    )
    calm_seconds: int = number(30, "Time after which one bit less is asked.", least=1, most=86_400)
    grace_seconds: int = number(
        120, "How long what was asked is still enough after it rose, up to two bits below it.", least=1, most=86_400
    )


@dataclass(frozen=True, slots=True)
class DomainSettings:
    """How the keys of allow_domains are looked up."""

    ttl_seconds: int = number(3600, "Time after which a domain is asked again for its keys.", least=60, most=31_536_000)
    stale_seconds: int = number(
        604_800,
        "How long its keys still count while it does not answer; remembered over a restart.",
        least=60,
        most=31_536_000,
    )
    timeout_seconds: float = number(10, "Time that a domain has to answer.", least=0.1, most=600)
    max_bytes: int = number(262_144, "Largest answer that is read.", least=1024, most=16_777_216)


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """Who may use the bridge."""

    admission: Admission = choice(
        Admission.OPEN,
        "Who gets an account: everybody, as far as budget and work go; who brings the code of an invite; or the keys in"
        " allow and allow_domains.",
    )
    allow: tuple[str, ...] = listing(
        (), "Keys (npub or hex) that get an account under allowlist.", form=forms.account_key, max_items=1_000_000
    )
    allow_domains: tuple[str, ...] = listing(
        (),
        "Domains, such as example.org, whose NIP-05 names get an account under allowlist, all of them.",
        form=forms.domain,
        max_items=100,
        identity=str.lower,
    )
    blocked: tuple[str, ...] = listing(
        (), "Keys (npub or hex) that are refused, whatever admission says.", form=forms.account_key, max_items=1_000_000
    )
    auto_register: bool = choice(
        True,
        "Make the account at a key's first request. Without it only device.register of the key itself does, and all"
        " else from unknown keys is refused.",
    )
    max_accounts: int = number(
        100_000, "Accounts in all; beyond that nobody new gets one.", least=1, most=1_000_000_000
    )
    max_invites: int = number(1000, "Invites that can still be used; beyond that none is made.", least=1, most=100_000)
    budget: LimiterSettings = table(
        LimiterSettings(burst=500, refill_seconds=30),
        "New accounts under open that cost no work.",
    )
    guesses: LimiterSettings = table(
        LimiterSettings(burst=50, refill_seconds=10),
        "Wrong codes under invite, of all keys together; beyond that a code is looked up only with work.",
    )
    work: WorkSettings = table(WorkSettings(), "What a new account costs in work (NIP-13) beyond that.")
    domains: DomainSettings = table(DomainSettings(), "How the keys of allow_domains are looked up.")


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
        "All callers without an account together, and as many again for each bit of work above accounts.work.min_bits;"
        " not remembered over a restart.",
    )
    free: LimiterSettings = table(
        LimiterSettings(burst=200, refill_seconds=1),
        "Answers that take no permit, refusals and repeats, per key; further ones are dropped in silence. Not"
        " remembered over a restart.",
    )
    free_together: LimiterSettings = table(
        LimiterSettings(burst=5000, refill_seconds=0.05),
        "The same for the keys of all accounts together.",
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
