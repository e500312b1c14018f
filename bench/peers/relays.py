"""Relays that others wrote, each in a process of its own, on the same core that ours has."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.machine import pinned

ROOT = Path(__file__).resolve().parents[2]

LOCAL_RELAY = "nostr-sdk LocalRelay (memory)"
NOSTR_RELAY = "nostr-relay (SQLite)"
ECHO = "a bare websockets server"


@contextmanager
def local_relay(cores: frozenset[int]) -> Iterator[str]:
    """Run nostr-sdk's LocalRelay, which keeps events in memory; yield its URL."""
    with _running("bench.peers.local_relay", cores) as (_, url):
        yield url


@contextmanager
def nostr_relay(cores: frozenset[int]) -> Iterator[str]:
    """Run PyPI's nostr-relay on an SQLite file; yield its URL."""
    with _running("bench.peers.nostr_relay", cores) as (_, url):
        yield url


@contextmanager
def echo_server(cores: frozenset[int]) -> Iterator[tuple[int, str]]:
    """Run a server that only sends back what it gets; yield its process id and its URL."""
    with _running("bench.peers.echo_server", cores) as (pid, url):
        yield pid, url


@contextmanager
def _running(module: str, cores: frozenset[int]) -> Iterator[tuple[int, str]]:
    command = [sys.executable, "-m", module]
    with pinned(cores):
        # Ctrl-C is for us; what we started ends when its stdin does.
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            cwd=ROOT,
            start_new_session=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{module} ended before it listened")
        yield process.pid, json.loads(line)["url"]
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()
