"""Addresses of STUN and TURN servers (RFC 7064, RFC 7065)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Address, IPv6Address

_URL = re.compile(
    r"(?P<scheme>stuns?|turns?):(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:?/@#\s]+))"
    r"(?::(?P<port>[0-9]{1,5}))?(?:\?transport=(?P<transport>udp|tcp))?"
)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_ALL_NUMERIC = re.compile(r"[0-9.]+")


@dataclass(frozen=True, slots=True)
class IceUrl:
    """An ICE server's address, in parts."""

    scheme: str
    """stun, stuns, turn or turns."""
    host: str
    """A name, or an address without brackets."""
    port: int | None
    transport: str | None
    """udp, tcp, or None: the client chooses."""

    @property
    def is_turn(self) -> bool:
        """Whether it relays; a STUN server does not."""
        return self.scheme in ("turn", "turns")

    @property
    def has_address(self) -> bool:
        """Whether the host is an address already, so that there is nothing to resolve."""
        return is_address(self.host)

    def at(self, host: str) -> IceUrl:
        """Return the same with another name or address for host."""
        return replace(self, host=host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        transport = "" if self.transport is None else f"?transport={self.transport}"
        return f"{self.scheme}:{host}{port}{transport}"


def parse_ice_url(text: str) -> IceUrl:
    """Take an address apart; ValueError tells what is wrong with it."""
    match = _URL.fullmatch(text)
    if match is None:
        raise ValueError("not of the form turn:host:port?transport=udp")
    host = match["address"] or match["host"]
    if match["address"] and not (":" in host and is_address(host)):
        raise ValueError("the brackets hold no IPv6 address")
    if not is_host(host):
        raise ValueError("the host is neither a name nor an address")
    port = None if match["port"] is None else int(match["port"])
    if port is not None and not 1 <= port <= 65535:
        raise ValueError("the port is not between 1 and 65535")
    url = IceUrl(match["scheme"], host, port, match["transport"])
    if url.transport is not None and not url.is_turn:
        raise ValueError("a STUN address takes no transport")
    return url


def is_address(host: str) -> bool:
    """Tell whether a host is an IPv4 or IPv6 address."""
    for family in (IPv4Address, IPv6Address):
        try:
            family(host)
        except AddressValueError:
            continue
        return "%" not in host
    return False


def is_host(host: str) -> bool:
    """Tell whether this may stand for a host: an address, or a name of the DNS."""
    if is_address(host):
        return True
    labels = host.removesuffix(".").split(".")
    return (
        len(host) <= 253
        and _ALL_NUMERIC.fullmatch(host) is None
        and all(_LABEL.fullmatch(label) is not None for label in labels)
    )
