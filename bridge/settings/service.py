"""Tables about requests and answers: inbox, replies, accounts, permits, TURN."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.settings import forms
from bridge.settings.ice_url import parse_ice_url
from bridge.settings.keys import choice, figure, file_name, listing, number, table, text


class Admission(StrEnum):
    """Who becomes an account."""

    OPEN = "open"
    ALLOWLIST = "allowlist"


class TurnProvider(StrEnum):
    """Where TURN credentials come from."""

    NONE = "none"
    COTURN = "coturn"
    STATIC = "static"


@dataclass(frozen=True, slots=True)
class InboxSettings:
    """Requests that wait for their answer."""

    max_age_seconds: int = number(172_800, "Oldest request that is answered.", least=60, most=31_536_000)
    max_future_seconds: int = number(900, "How far ahead of our clock a request's time may be.", least=0, most=86400)
    max_waiting: int = number(
        10_000,
        "Requests that may wait, beyond which wraps for the bridge are refused; and wraps without an answer that are "
        "remembered.",
        least=1,
        most=10_000_000,
    )
    concurrency: int = number(64, "Requests that are worked on at once.", least=1, most=10_000)
    keep_after_seconds: float = number(
        0.5,
        "Time after which a request that is still being worked on is written down and acknowledged; what is answered "
        "sooner is acknowledged with its answer, at half the cost.",
        least=0,
        most=10,
    )
    deadline_seconds: float = number(
        15, "Time for one request; then it is answered with an error.", least=0.1, most=600
    )
    max_known_senders: int = number(
        10_000,
        "Senders for whom a secret is kept in memory that makes their next request cheaper; 0: for none.",
        least=0,
        most=10_000_000,
    )
    workers: int = number(
        0,
        "Processes that open requests and seal answers, for more than one core; 0: the bridge itself does it.",
        least=0,
        most=256,
    )
    max_waiting_each_worker: int = number(
        64, "Wraps that one worker has to open or seal at once; further ones wait in the bridge.", least=1, most=10_000
    )
    worker_timeout_seconds: float = number(
        30,
        "Time after which a worker that answers nothing is replaced, and a wrap that finds no worker is tried later.",
        least=1,
        most=600,
    )


@dataclass(frozen=True, slots=True)
class ReplySettings:
    """Answers on their way to the asker."""

    retention_seconds: int = number(604_800, "How long a stored answer waits for its asker.", least=60, most=31_536_000)
    free_retention_seconds: int = number(
        3600, "The same for an answer that took no permit, a refusal or a repeat.", least=60, most=31_536_000
    )
    live_seconds: int = number(60, "How long delivery of a live answer is tried.", least=1, most=3600)
    max_live_waiting: int = number(
        10_000,
        "Live answers that wait for their askers in memory; beyond that the oldest wait in the database only.",
        least=1,
        most=1_000_000,
    )
    max_live_waiting_each: int = number(100, "The same for one asker.", least=1, most=1_000_000)
    backdate_max_seconds: int = number(
        172_800, "How far back the outer time of a stored answer is moved at most, at random.", least=0, most=172_800
    )


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
        return {"turn": self.turn, "info": self.info, "invalid": self.invalid}


@dataclass(frozen=True, slots=True)
class CoturnSettings:
    """A coturn server with `use-auth-secret`."""

    secret_files: tuple[str, ...] = file_name(
        ("turn.secret",),
        "Files with static-auth-secret. The first signs; in a rotation the old one follows.",
        form=forms.file,
        max_items=10,
    )


@dataclass(frozen=True, slots=True)
class StaticSettings:
    """One user name and password for everybody."""

    username_file: str = file_name("turn.username", "File with the user name.", form=forms.file)
    password_file: str = file_name("turn.password", "File with the password.", form=forms.file)


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """Relay credentials for calls."""

    provider: TurnProvider = choice(TurnProvider.NONE, "Who makes credentials: nobody, coturn, or one fixed account.")
    ttl_seconds: int = number(43200, "How long clients are told to keep credentials.", least=60, most=2_592_000)
    requested_ttl_seconds: int = number(
        86400, "How long credentials are really accepted; not less than ttl_seconds.", least=60, most=2_592_000
    )
    provider_timeout_seconds: float = number(10, "Time that a provider has to answer.", least=0.1, most=600)
    urls: tuple[str, ...] = listing(
        (),
        'TURN addresses for clients, such as "turn:turn.example.org:3478?transport=udp".',
        form=forms.turn_url,
        max_items=20,
    )
    stun_urls: tuple[str, ...] = listing(
        (), 'STUN addresses for clients, such as "stun:turn.example.org:3478".', form=forms.stun_url, max_items=20
    )
    hostname: str = text(
        "", "Name in the TURN server's certificate; empty: the first host name in urls.", form=forms.optional_host
    )
    coturn: CoturnSettings = table(CoturnSettings(), 'A coturn server with use-auth-secret; needs provider = "coturn".')
    static: StaticSettings = table(StaticSettings(), 'One account for everybody; needs provider = "static".')

    def told_hostname(self) -> str | None:
        """Return the host name to tell clients; None when there are only addresses."""
        names = (url.host for url in map(parse_ice_url, self.urls) if not url.has_address)
        return self.hostname or next(names, None)
