"""Tables of [turn] about addresses: how host names become addresses, and who is told others than the rest."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bridge.settings import forms
from bridge.settings.ice_url import parse_ice_url
from bridge.settings.keys import choice, listing, number, text


class AddressFamily(StrEnum):
    """The two kinds of addresses."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"


@dataclass(frozen=True, slots=True)
class NameSettings:
    """How the host names of TURN servers become addresses for urls_with_ips."""

    resolvers: tuple[str, ...] = listing(
        (),
        'Name servers to ask, such as "127.0.0.1:5353" or "[::1]:53"; none: those of the system.',
        form=forms.name_server,
        max_items=8,
    )
    timeout_seconds: float = number(
        2, "Time for a look-up; only the first one of a name keeps a request waiting.", least=0.05, most=60
    )
    min_cache_seconds: float = number(
        5, "An answer is used at least so long, whatever its time to live.", least=0, most=86_400
    )
    max_cache_seconds: float = number(
        3600, "An answer is used at most so long before a new one is asked for.", least=1, most=1_209_600
    )
    stale_seconds: float = number(
        86_400,
        "How long the last answer is told beyond its time, while a new one is on its way or cannot be had.",
        least=0,
        most=1_209_600,
    )
    failure_seconds: float = number(5, "Time until a look-up that failed is tried again.", least=0.1, most=3600)
    max_names: int = number(
        100, "Names that are remembered; the one used longest ago is forgotten first.", least=1, most=100_000
    )
    max_addresses: int = number(4, "Addresses of each family that clients are told.", least=1, most=8)
    first_family: AddressFamily = choice(AddressFamily.IPV4, "The family that stands first in urls_with_ips.")
    allow_private: bool = choice(
        False, "Tell clients private, loopback and other special addresses too, if the DNS says so."
    )


@dataclass(frozen=True, slots=True)
class ExperimentSettings:
    """Other TURN addresses for a part of the accounts; the credentials stay those of the provider."""

    name: str = text(
        "",
        "Decides, with the account, who takes part; another name draws anew. Empty: none.",
        form=forms.optional_label,
    )
    share: float = number(0, "Per cent of the accounts that take part; fractions are allowed.", least=0, most=100)
    listed: tuple[str, ...] = listing(
        (), "Accounts (npub or hex) that take part whatever the share is.", form=forms.account_key, max_items=100_000
    )
    excluded: tuple[str, ...] = listing(
        (),
        "Accounts (npub or hex) that never take part, not even if listed.",
        form=forms.account_key,
        max_items=100_000,
    )
    provider: str = text("", "Whose servers these are; empty: those of the only provider.", form=forms.optional_label)
    urls: tuple[str, ...] = listing((), "TURN addresses for those who take part.", form=forms.turn_url, max_items=20)
    urls_with_ips: tuple[str, ...] = listing(
        (), "The same as patterns in which %s becomes each address of hostname.", form=forms.turn_pattern, max_items=20
    )
    hostname: str = text(
        "", "Name in the TURN servers' certificate; empty: the first host name in urls.", form=forms.optional_host
    )

    @property
    def wants_members(self) -> bool:
        """Whether somebody is meant to take part."""
        return self.share > 0 or bool(self.listed)


class _Addresses(Protocol):
    """What each table about servers has."""

    @property
    def urls(self) -> tuple[str, ...]: ...
    @property
    def urls_with_ips(self) -> tuple[str, ...]: ...
    @property
    def hostname(self) -> str: ...


def lacks_hostname(table: _Addresses) -> bool:
    """Tell whether there are patterns and nothing that would give them addresses.

    Without URLs there may be: the provider names its own.
    """
    has_name = bool(table.hostname) or any(not parse_ice_url(url).has_address for url in table.urls)
    return bool(table.urls_with_ips and table.urls) and not has_name
