"""Memory of idle connections."""

from __future__ import annotations

import subprocess
import sys

from bench import idle
from bench.machine import Cores, resident_bytes
from bench.peers.relays import ECHO
from bench.scope import TINY

HOLDING = "import sys; held = bytes(int(sys.argv[1])) * 1; print(flush=True); sys.stdin.read()"


def test_both_states_stand_beside_a_bare_server(cores: Cores) -> None:
    figures = list(idle.measure(TINY, cores))
    assert [(figure.peer, figure.unit, figure.aim) for figure in figures] == [(ECHO, "KiB", 40.0)] * 2


def test_memory_that_a_process_holds_is_seen() -> None:
    sizes = []
    for held in (0, 50_000_000):
        with subprocess.Popen(
            [sys.executable, "-c", HOLDING.replace("bytes(", "bytearray(b'x') * ("), str(held)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            sizes.append(resident_bytes(process.pid))
            process.communicate()
    assert 45_000_000 < sizes[1] - sizes[0] < 55_000_000
