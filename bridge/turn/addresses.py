"""Where clients find a TURN server: by name, and by address for those that want no DNS of their own.

A pattern such as `turns:%s:443?transport=tcp` has one place for an address. The addresses are the outer loop and the
patterns the inner one, so a client that goes down the list tries every way to one address before the next address.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

from bridge.settings.ice_url import parse_ice_url

Address = IPv4Address | IPv6Address

PLACE = "%s"
"""Where a pattern takes an address."""

# `is_global` of the standard library leaves these out, on all versions of Python or on some.
_SPECIAL_V4 = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
_UNICAST_V6 = IPv6Network("2000::/3")
# IETF protocols with Teredo and ORCHID, 6to4, documentation.
_SPECIAL_V6 = (IPv6Network("2001::/23"), IPv6Network("2002::/16"), IPv6Network("3fff::/20"))


@dataclass(frozen=True, slots=True)
class RelayAddresses:
    """What an operator says about the servers of one provider."""

    urls: tuple[str, ...] = ()
    """Empty: those that the provider names."""
    patterns: tuple[str, ...] = ()
    """Addresses with a place for an IP address."""
    hostname: str | None = None
    """Name in the servers' certificate, which stands for the addresses; None: there is none."""

    def with_urls_of(self, provider: Sequence[str]) -> RelayAddresses:
        """Return the same with everything filled in that was left to the provider."""
        return self if self.urls else relay_addresses(provider, self.patterns, self.hostname)


def relay_addresses(urls: Sequence[str], patterns: Sequence[str], hostname: str | None) -> RelayAddresses:
    """Return addresses in which the URLs name the host, if nobody else does."""
    return RelayAddresses(tuple(urls), tuple(patterns), hostname or first_name(urls))


def first_name(urls: Iterable[str]) -> str | None:
    """Return the first host in these URLs that is a name; None when all are addresses."""
    return next((url.host for url in map(parse_ice_url, urls) if not url.has_address), None)


def fill(patterns: Sequence[str], addresses: Iterable[Address]) -> list[str]:
    """Return every pattern with every address in its place, IPv6 in brackets."""
    return [pattern.replace(PLACE, _bracketed(address)) for address in addresses for pattern in patterns]


def literal_address(host: str) -> Address | None:
    """Return the address that a host is, or None for a name."""
    for family in (IPv4Address, IPv6Address):
        try:
            return family(host)
        except AddressValueError:
            continue
    return None


def is_public(address: Address) -> bool:
    """Tell whether everybody on the internet means the same machine by an address.

    Addresses that carry an IPv4 address inside (NAT64, 6to4, Teredo, mapped) do not count, whatever is inside: they
    depend on somebody's gateway, and the IPv4 address itself says the same.
    """
    if address.is_multicast or not address.is_global:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    return address in _UNICAST_V6 and not any(address in network for network in _SPECIAL_V6)


def _bracketed(address: Address) -> str:
    return f"[{address}]" if isinstance(address, IPv6Address) else str(address)
