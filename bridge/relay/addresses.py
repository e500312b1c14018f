"""Where clients come from: what all connections of one address may do together, and whose word counts for an address.

An IPv4 address counts by itself. An IPv6 address counts with its network, since whoever gets one address gets 2⁶⁴ of
them. A proxy that the settings name tells in `X-Forwarded-For` whom it speaks for; each proxy appends the address that
it was called from, so the list is read from its end, past the trusted ones, and what stands further left is only
somebody's claim. From anybody else the header means nothing.

Addresses are in memory only, and neither logged nor stored.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from bridge.relay.limits import AddressLimits
from bridge.relay.rates import Rate
from bridge.relay.turns import Share

Address = IPv4Address | IPv6Address


class Origin:
    """What comes from one address: how many connections, and the rates that they share."""

    __slots__ = ("arrivals", "clients", "connections", "event_bytes", "events", "name", "queries", "share")

    def __init__(self, name: str, limits: AddressLimits) -> None:
        self.name = name
        self.connections = 0
        self.clients = 0
        """Those of the connections that have opened a websocket."""
        self.arrivals = Rate(limits.arrivals)
        self.events = Rate(limits.events)
        self.event_bytes = Rate(limits.event_bytes)
        self.queries = Rate(limits.queries)
        self.share = Share()
        """Of the reading of stored events."""


class Addresses:
    """The origins of one relay.

    Those with connections are bounded by the connections; of the others `max_tracked` are remembered with what they
    have used up, and the one longest away is forgotten first.
    """

    def __init__(self, limits: AddressLimits) -> None:
        self.limits = limits
        self._proxies = tuple(ip_network(proxy) for proxy in limits.trusted_proxies)
        self._present: dict[str, Origin] = {}
        self._absent: OrderedDict[str, Origin] = OrderedDict()

    def __len__(self) -> int:
        return len(self._present) + len(self._absent)

    def is_proxy(self, peer: str) -> bool:
        """Tell whether a peer speaks for others."""
        return self._trusts(_parse(peer))

    def caller(self, peer: str, forwarded: Sequence[str]) -> str:
        """Return the address of whoever a peer speaks for, given its `X-Forwarded-For` headers.

        A hop that is no address ends the list: what is left is then counted for the proxy that wrote it.
        """
        caller = _parse(peer)
        hops = ",".join(forwarded).split(",")
        while hops and self._trusts(caller):
            hop = _parse_hop(hops.pop().strip())
            if hop is None:
                break
            caller = hop
        return peer if caller is None else str(caller)

    def enter(self, address: str) -> Origin:
        """Count a connection from an address and return all that comes from there."""
        name = self._name(address)
        origin = self._present.get(name) or self._absent.pop(name, None) or Origin(name, self.limits)
        self._present[name] = origin
        origin.connections += 1
        return origin

    def leave(self, origin: Origin) -> None:
        """Count a connection that has ended."""
        origin.connections -= 1
        if not origin.connections:
            del self._present[origin.name]
            self._absent[origin.name] = origin
            if len(self._absent) > self.limits.max_tracked:
                self._absent.popitem(last=False)

    def _name(self, text: str) -> str:
        address = _parse(text)
        if isinstance(address, IPv6Address):
            return str(ip_network((address, self.limits.ipv6_prefix), strict=False))
        return str(address)

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in proxy for proxy in self._proxies)


def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _parse_hop(text: str) -> Address | None:
    """Return the address in `1.2.3.4`, `1.2.3.4:5678`, `2001:db8::1` or `[2001:db8::1]:5678`."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return _parse(text)
