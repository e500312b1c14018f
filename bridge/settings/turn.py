"""Tables about TURN: where credentials come from, and what clients are told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.settings import forms
from bridge.settings.ice_url import parse_ice_url
from bridge.settings.keys import choice, file_name, listing, number, table, text


class TurnProvider(StrEnum):
    """Where TURN credentials come from."""

    NONE = "none"
    COTURN = "coturn"
    STATIC = "static"


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
