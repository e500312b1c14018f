"""The table of the coturn that the bridge runs itself."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.settings import forms
from bridge.settings.keys import choice, file_name, listing, number, text
from bridge.settings.turn_servers import ProviderSettings


@dataclass(frozen=True, slots=True)
class ManagedSettings(ProviderSettings):
    """A coturn that the bridge starts, watches and ends."""

    enabled: bool = choice(True, "Run it where turnserver is installed and turn.providers is empty.")
    addresses: tuple[str, ...] = listing(
        (),
        "Addresses of this machine to listen at and to relay from. Empty: those of its default routes, or 127.0.0.1 "
        "as long as there is neither bridge.public_url nor upstream.relays.",
        form=forms.own_address,
        max_items=8,
    )
    external_addresses: tuple[str, ...] = listing(
        (),
        "Addresses under which others reach those above, where a router or cloud translates them: one of IPv4, one "
        "of IPv6. Empty: the same.",
        form=forms.own_address,
        max_items=2,
    )
    discover_from: str = text(
        "",
        'STUN server to ask for our external address now and then, such as "stun:stun.example.org:3478", for one that '
        "changes. It learns that we are here. Empty: nobody is asked.",
        form=forms.optional_stun_url,
    )
    port: int = number(3478, "Port for UDP and TCP; 0: any that is free.", least=0, most=65535)
    tls_port: int = number(5349, "Port for TLS; 443 passes most firewalls.", least=1, most=65535)
    certificate_file: str = file_name(
        "", "Certificate for hostname with its chain (PEM). Empty: no TLS.", form=forms.optional_file
    )
    certificate_key_file: str = file_name("", "Its key (PEM, without a password).", form=forms.optional_file)
    min_relay_port: int = number(49152, "First port for relaying (UDP).", least=1024, most=65535)
    max_relay_port: int = number(65535, "Last port for relaying.", least=1024, most=65535)
    user_quota: int = number(12, "Allocations of one account at once; a call needs up to 3.", least=1, most=10_000)
    total_quota: int = number(1000, "Allocations at once.", least=1, most=60_000)
    max_bytes_per_second: int = number(
        1_250_000, "What one allocation carries each way; 0: as much as comes.", least=0, most=10**10
    )
    allowed_peers: tuple[str, ...] = listing(
        (),
        'Networks to relay to although they are private or special, such as "192.168.0.0/16" where callers are in one '
        "network with this machine.",
        form=forms.peer_network,
        max_items=64,
    )
    denied_peers: tuple[str, ...] = listing(
        (), "Networks not to relay to, besides all private and special ones.", form=forms.peer_network, max_items=64
    )
    rekey_seconds: int = number(
        604_800,
        "Age from which on the next start makes a new secret; the one before counts as long as its credentials do.",
        least=60,
        most=31_536_000,
    )
    probe_seconds: float = number(5, "Between questions whether it still answers.", least=0.1, most=600)
