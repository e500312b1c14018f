"""Tables about TURN: where credentials come from, and what clients are told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.settings import forms
from bridge.settings.keys import file_name, listing, number, table, text, words
from bridge.settings.managed_turn import ManagedSettings
from bridge.settings.turn_names import ExperimentSettings, NameSettings
from bridge.settings.turn_servers import ProviderSettings


class ProviderKind(StrEnum):
    """Who makes TURN credentials; each word is also the name of its table in [turn]."""

    COTURN = "coturn"
    STATIC = "static"
    CLOUDFLARE = "cloudflare"
    TWILIO = "twilio"
    METERED = "metered"
    XIRSYS = "xirsys"
    MANAGED = "managed"


LONGEST_TTL_SECONDS = {ProviderKind.CLOUDFLARE: 172_800, ProviderKind.TWILIO: 86_400}
"""The longest lifetime that a provider grants, where it publishes one."""


@dataclass(frozen=True, slots=True)
class CoturnSettings(ProviderSettings):
    """A coturn server with `use-auth-secret`."""

    secret_files: tuple[str, ...] = file_name(
        ("turn.secret",),
        "Files with static-auth-secret. The first signs; in a rotation the old one follows.",
        form=forms.file,
        max_items=10,
    )


@dataclass(frozen=True, slots=True)
class StaticSettings(ProviderSettings):
    """One user name and password for everybody."""

    username_file: str = file_name("turn.username", "File with the user name.", form=forms.file)
    password_file: str = file_name("turn.password", "File with the password.", form=forms.file)


@dataclass(frozen=True, slots=True)
class CloudflareSettings(ProviderSettings):
    """A TURN key of Cloudflare Realtime."""

    key_id: str = text("", "Id of the TURN key.", form=forms.optional_name)
    token_file: str = file_name("cloudflare.token", "File with the API token of the TURN key.", form=forms.file)
    endpoint: str = text("https://rtc.live.cloudflare.com", "Where its API is.", form=forms.api_url)


@dataclass(frozen=True, slots=True)
class TwilioSettings(ProviderSettings):
    """Twilio's Network Traversal Service."""

    account_sid: str = text("", "The account's SID (AC…).", form=forms.optional_name)
    key_sid: str = text("", "SID of an API key (SK…); empty: the account's own token.", form=forms.optional_name)
    token_file: str = file_name(
        "twilio.token", "File with the API key's secret, or the account's token.", form=forms.file
    )
    endpoint: str = text("https://api.twilio.com", "Where its API is.", form=forms.api_url)


@dataclass(frozen=True, slots=True)
class MeteredSettings(ProviderSettings):
    """An app at Metered."""

    secret_key_file: str = file_name("metered.secret", "File with the app's secret key.", form=forms.file)
    endpoint: str = text(
        "", 'Where the app\'s API is, such as "https://yourapp.metered.live".', form=forms.optional_api_url
    )


@dataclass(frozen=True, slots=True)
class XirsysSettings(ProviderSettings):
    """A channel at Xirsys."""

    channel: str = text("", "Path of the channel.", form=forms.optional_name)
    ident: str = text("", "The account's ident.", form=forms.optional_name)
    secret_file: str = file_name("xirsys.secret", "File with the account's secret.", form=forms.file)
    endpoint: str = text("https://global.xirsys.net", "Where its API is.", form=forms.api_url)


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """How long providers have, and when the next takes over."""

    deadline_seconds: float = number(10, "Time that all providers together have to answer.", least=0.1, most=600)
    provider_seconds: float = number(
        4,
        "Time that one provider has from when it is asked, all attempts together; then the next takes over.",
        least=0.1,
        most=600,
    )
    attempts: int = number(
        2, "How often a provider is asked when the network or its own fault (5xx) was in the way.", least=1, most=10
    )
    retry_seconds: float = number(
        0.25, "Longest wait before the second attempt, twice as long before each further one.", least=0.01, most=60
    )
    max_concurrent: int = number(16, "Requests on their way to one provider.", least=1, most=1000)
    max_concurrent_each: int = number(
        2, "Of them, those of one account; of the callers that wait, it may be the same share.", least=1, most=1000
    )
    max_waiting: int = number(
        256, "Callers that wait for their turn at one provider; further ones go to the next.", least=0, most=100_000
    )
    breaker_calls: int = number(
        10, "Latest calls by which a provider is judged; half of them suffice.", least=1, most=10_000
    )
    breaker_failure_percent: float = number(
        50, "Per cent of them that have to fail for a provider to be left alone.", least=1, most=100
    )
    breaker_open_seconds: float = number(
        10, "How long it is left alone before it is tried again, by one request at a time.", least=0.1, most=3600
    )
    breaker_probes: int = number(
        2, "Tries that must succeed one after the other before all requests go there again.", least=1, most=100
    )


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Credentials that are fetched before anybody asks."""

    size: int = number(
        0,
        "Credentials kept ready of each provider that is asked over HTTP; 0: each is fetched when somebody asks.",
        least=0,
        most=10_000,
    )
    max_age_seconds: float = number(
        3600,
        "Older ones are thrown away, as are those whose lifetime no longer covers ttl_seconds.",
        least=1,
        most=604_800,
    )
    max_concurrent: int = number(4, "Requests that fill the pool of one provider at once.", least=1, most=100)


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """Relay credentials for calls."""

    providers: tuple[ProviderKind, ...] = words(
        (),
        "Who makes credentials. The first is asked; when it fails, the next; each has its table below. Empty: a coturn "
        "that the bridge runs itself, where turnserver is installed.",
    )
    ttl_seconds: int = number(43200, "How long clients are told to keep credentials.", least=60, most=2_592_000)
    requested_ttl_seconds: int = number(
        86400, "How long credentials are really accepted; not less than ttl_seconds.", least=60, most=2_592_000
    )
    stun_urls: tuple[str, ...] = listing(
        (), 'STUN addresses for clients, such as "stun:turn.example.org:3478".', form=forms.stun_url, max_items=20
    )
    chain: ChainSettings = table(ChainSettings(), "How long providers have, and when the next takes over.")
    pool: PoolSettings = table(PoolSettings(), "Credentials that are fetched before anybody asks.")
    names: NameSettings = table(NameSettings(), "How host names become the addresses in urls_with_ips.")
    experiment: ExperimentSettings = table(ExperimentSettings(), "Other TURN addresses for a part of the accounts.")
    coturn: CoturnSettings = table(CoturnSettings(), 'A coturn server with use-auth-secret; "coturn" in providers.')
    static: StaticSettings = table(StaticSettings(), 'One account for everybody; "static" in providers.')
    cloudflare: CloudflareSettings = table(CloudflareSettings(), 'Cloudflare Realtime; "cloudflare" in providers.')
    twilio: TwilioSettings = table(TwilioSettings(), 'Twilio\'s Network Traversal; "twilio" in providers.')
    metered: MeteredSettings = table(MeteredSettings(), 'Metered; "metered" in providers.')
    xirsys: XirsysSettings = table(XirsysSettings(), 'Xirsys; "xirsys" in providers.')
    managed: ManagedSettings = table(
        ManagedSettings(), 'A coturn that the bridge runs itself; "managed" in providers, or nothing there.'
    )

    def of(self, kind: ProviderKind) -> ProviderSettings:
        """Return the table of a provider."""
        table_of_kind: ProviderSettings = getattr(self, kind.value)
        return table_of_kind
