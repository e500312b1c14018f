"""What names mean, and who can reach that."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address

from bridge.turn.addresses import is_public


async def resolved(host: str, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[str]:
    """Return the addresses of a name, of one family or both, as this machine sees them; none when there are none."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, family=family, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def is_for_everybody(address: str) -> bool:
    """Tell whether the Internet routes to an address: not private, loopback, link-local or otherwise special."""
    return is_public(ip_address(address))
