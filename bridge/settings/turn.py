"""Tables about TURN: where credentials come from, and what clients are told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.settings import forms
from bridge.settings.keys import file_name, listing, number, table, words
from bridge.settings.managed_turn import ManagedSettings
from bridge.settings.turn_names import ExperimentSettings, NameSettings
from bridge.settings.turn_servers import ProviderSettings


class ProviderKind(StrEnum):
    """Who makes TURN credentials; each word is also the name of its table in [turn]."""

    COTURN = "coturn"
    STATIC = "static"
    MANAGED = "managed"


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
class ChainSettings:
    """How long providers have, and when the next takes over."""

    deadline_seconds: float = number(10, "Time that all providers together have to answer.", least=0.1, most=600)
    provider_seconds: float = number(
        4, "Time that one provider has, all attempts together; then the next takes over.", least=0.1, most=600
    )


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
    names: NameSettings = table(NameSettings(), "How host names become the addresses in urls_with_ips.")
    experiment: ExperimentSettings = table(ExperimentSettings(), "Other TURN addresses for a part of the accounts.")
    coturn: CoturnSettings = table(CoturnSettings(), 'A coturn server with use-auth-secret; "coturn" in providers.')
    static: StaticSettings = table(StaticSettings(), 'One account for everybody; "static" in providers.')
    managed: ManagedSettings = table(
        ManagedSettings(), 'A coturn that the bridge runs itself; "managed" in providers, or nothing there.'
    )

    def of(self, kind: ProviderKind) -> ProviderSettings:
        """Return the table of a provider."""
        table_of_kind: ProviderSettings = getattr(self, kind.value)
        return table_of_kind
