"""Ports of this machine that are free at the moment."""

from __future__ import annotations

import socket


def a_free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
