"""Where no relay of ours sends anything: addresses that are not out on the internet, or mean something to a host alone.

A TURN server that forwards there is a way into the network that it stands in (CVE-2020-26262 and many others). coturn
itself refuses very little of this; what it is told here it refuses with 403 (RFC 8656 §19.7).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DENIED: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this host (RFC 1122)
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers, and metadata of some clouds
        "127.0.0.0/8",
        "168.63.129.16/32",  # a public number that Azure answers inside each machine
        "169.254.0.0/16",  # link-local, and metadata of nearly every cloud
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocols, and metadata of some clouds
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        # Of IPv6 only 2000::/3 is given out. The rest holds ::1, addresses with an IPv4 address inside (mapped,
        # compatible, NAT64), unique local, link-local and multicast ones.
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",  # IETF protocols, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",
    )
)


def coturn_range(network: Network) -> str:
    """Return a network as coturn wants it: the first address and the last.

    It takes an unspecified first address for "from the very first of any family", and refuses that address anyway.
    """
    first = network[1] if network[0].is_unspecified else network[0]
    return f"{first}-{network[-1]}"


def is_private(address: Address) -> bool:
    """Tell whether nobody outside reaches an address as it stands."""
    return any(address in network for network in DENIED)


def all_loopback(addresses: Iterable[Address]) -> bool:
    """Tell whether these addresses lead no further than this machine."""
    return all(address.is_loopback for address in addresses)
