"""Memory for a connection that does nothing: what the server grew by, divided by how many there are.

Once just connected, and once as clients really wait: key proved, one subscription for their wraps. Beside it stands
what the library under our relay needs for a bare connection.
"""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.channel import Channel
from bench.figures import Better, Figure
from bench.machine import Cores, resident_bytes
from bench.peers.relays import ECHO, echo_server
from bench.program import Program
from bench.scope import Scope
from client.entropy import SystemEntropy, draw_key
from nips import kinds

AIM_KIB = 40.0
WARMING = 20
"""Connections that come and go first, so that what is made once is not counted."""

_ENTROPY = SystemEntropy()


def measure(scope: Scope, cores: Cores) -> Iterator[Figure]:
    """Yield KiB for each connection."""
    _allow_descriptors(scope.idle + 100)
    with tempfile.TemporaryDirectory() as folder, echo_server(cores.measured) as (echo_pid, echo_url):
        bare = _growth(echo_pid, echo_url, scope.idle, listens=False)
        for name, listens in (("connected", False), ("proved and subscribed", True)):
            home = Path(folder) / name.replace(" ", "-")
            with Program(home, cores=cores.measured) as program:
                ours = _growth(program.pid, program.url, scope.idle, listens=listens)
            yield Figure(
                name=f"memory for an idle connection, {name}",
                value=ours / 1024,
                unit="KiB",
                better=Better.LOWER,
                peer=ECHO,
                peer_value=bare / 1024,
                aim=AIM_KIB,
            )


def _growth(pid: int, url: str, amount: int, *, listens: bool) -> float:
    with ExitStack() as stack:
        for _ in range(WARMING):
            _connect(stack, url, listens=listens)
    before = resident_bytes(pid)
    with ExitStack() as stack:
        for _ in range(amount):
            _connect(stack, url, listens=listens)
        return (resident_bytes(pid) - before) / amount


def _connect(stack: ExitStack, url: str, *, listens: bool) -> None:
    channel = stack.enter_context(Channel(url))
    if listens:
        key = draw_key(_ENTROPY)
        channel.prove([key])
        channel.say("REQ", "inbox", {"kinds": [kinds.GIFT_WRAP, kinds.EPHEMERAL_GIFT_WRAP], "#p": [key.public_key]})
        channel.wait_for("EOSE")


def _allow_descriptors(amount: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < amount:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(amount, hard) if hard > 0 else amount, hard))
