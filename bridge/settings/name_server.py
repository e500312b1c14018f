"""Addresses of name servers: an IP address, with a port where it is not 53."""

from __future__ import annotations

import re

from bridge.settings.ice_url import is_address

DNS_PORT = 53

_FORM = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+))(?::(?P<port>[0-9]{1,5}))?", re.ASCII)


def parse_name_server(text: str) -> tuple[str, int]:
    """Return address and port of `127.0.0.1`, `127.0.0.1:5353`, `::1` or `[::1]:5353`; ValueError if it is none."""
    if is_address(text):
        return text, DNS_PORT
    match = _FORM.fullmatch(text)
    address = "" if match is None else match["v6"] or match["v4"]
    if match is None or not is_address(address) or (match["v6"] is not None) != (":" in address):
        raise ValueError("not an address, nor an address with a port")
    port = DNS_PORT if match["port"] is None else int(match["port"])
    if not 1 <= port <= 65535:
        raise ValueError("the port is not between 1 and 65535")
    return address, port
