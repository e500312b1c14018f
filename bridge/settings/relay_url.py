"""Addresses of relays: when two that are written differently are the same."""

from __future__ import annotations

from urllib.parse import urlsplit

_PORTS = {"ws": 80, "wss": 443}


def relay_identity(url: str) -> tuple[str, str, int | None, str, str]:
    """Return what makes a relay's address this one (RFC 3986 §6.2): case of the host, usual port and `/` do not.

    Unlike the address that AUTH proves a key for (NIP-42), the path counts: one host may serve several relays.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".")
    return parts.scheme, host, parts.port or _PORTS.get(parts.scheme), parts.path or "/", parts.query
