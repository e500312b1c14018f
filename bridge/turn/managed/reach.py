"""What this machine is called from outside, and whether a place on it is free. Nothing here sends anything."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from ipaddress import ip_address

from bridge.turn.managed.configuration import Plan
from bridge.turn.managed.peers import Address, is_private

# Documentation addresses: on the default route, and nobody's.
_FAR_AWAY = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))

_IPV6_ADDR_PREFERENCES, _PREFER_PUBLIC = 72, 2
"""linux/in6.h. Otherwise the kernel prefers addresses that it changes every day (RFC 5014 §3)."""


NO_ROUTE = "this machine has no default route: coturn starts once there is, or name turn.managed.addresses"


def route_addresses() -> tuple[Address, ...]:
    """Return the machine's own addresses on its default routes: IPv4, and IPv6 if others reach it there."""
    found = (address for family, target in _FAR_AWAY if (address := _source(family, target)) is not None)
    return tuple(address for address in found if address.version == 4 or not is_private(address))


def _source(family: socket.AddressFamily, target: str) -> Address | None:
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        try:
            if family is socket.AF_INET6:
                asking.setsockopt(socket.IPPROTO_IPV6, _IPV6_ADDR_PREFERENCES, _PREFER_PUBLIC)
            asking.connect((target, 9))
        except OSError:
            return None
        address = ip_address(asking.getsockname()[0])
        return None if address.is_loopback or address.is_link_local else address


def trouble_with(plan: Plan) -> str | None:
    """Return what keeps coturn from listening where it should, with the fix; None when all is free.

    coturn itself would not say: it shares a port with whoever of the same user shares it (SO_REUSEPORT), and half of
    the clients would come to the other.
    """
    if not plan.addresses:
        return NO_ROUTE
    for address, port, kind in _places(plan):
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        with socket.socket(family, kind) as trial:
            if kind is socket.SOCK_STREAM:
                # Connections of before that are still in TIME_WAIT are no hindrance; a listener is.
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((str(address), port))
            except OSError as error:
                return _explained(error, address, port, "TCP" if kind is socket.SOCK_STREAM else "UDP")
    return None


def _places(plan: Plan) -> Iterator[tuple[Address, int, socket.SocketKind]]:
    for address in plan.addresses:
        yield address, plan.port, socket.SOCK_DGRAM
        yield address, plan.port, socket.SOCK_STREAM
        if plan.certificate is not None:
            yield address, plan.tls_port, socket.SOCK_STREAM


def _explained(error: OSError, address: Address, port: int, protocol: str) -> str:
    place = f"{protocol} port {port} of {address}"
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"{place} is taken: end the program that has it (of Debian's package: systemctl disable --now "
                "coturn), or write another turn.managed.port"
            )
        case errno.EADDRNOTAVAIL:
            return f"{address} is no address of this machine: write one that is into turn.managed.addresses"
        case errno.EACCES:
            return (
                f"{place} is for privileged programs: AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit, "
                "or another port"
            )
    return f"{place} cannot be used: {error.strerror}"


def free_port(address: Address) -> int:
    """Return a port that is free for UDP and TCP at the moment."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    while True:
        with socket.socket(family, socket.SOCK_DGRAM) as datagrams, socket.socket(family) as connections:
            datagrams.bind((str(address), 0))
            port: int = datagrams.getsockname()[1]
            try:
                connections.bind((str(address), port))
            except OSError:
                continue
            return port
