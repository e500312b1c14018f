"""What the tables of all TURN providers have in common."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.settings import forms
from bridge.settings.keys import listing, text


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What clients are told about the servers of one provider."""

    urls: tuple[str, ...] = listing(
        (),
        'TURN addresses for clients, such as "turn:turn.example.org:3478?transport=udp"; where the provider names its '
        "own and none are here, those are told.",
        form=forms.turn_url,
        max_items=20,
    )
    urls_with_ips: tuple[str, ...] = listing(
        (),
        'TURN addresses in which %s becomes each address of hostname, such as "turn:%s:3478?transport=udp".',
        form=forms.turn_pattern,
        max_items=20,
    )
    hostname: str = text(
        "", "Name in the TURN server's certificate; empty: the first host name in urls.", form=forms.optional_host
    )
