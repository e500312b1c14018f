"""Relays that others wrote, each started for the time that somebody talks to it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

from tests.interop.bridge.peers import PeerFailed as ScriptFailed
from tests.interop.bridge.peers import running_script
from tests.support.peers import PeerFailed, nostr_relay


@asynccontextmanager
async def _local_relay(sort: str) -> AsyncIterator[str]:
    async with running_script("local_relay.py") as urls:
        yield urls[sort]


@asynccontextmanager
async def _nostr_relay() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        async with nostr_relay(Path(folder)) as url:
            yield url


OTHERS: Final[Mapping[str, Callable[[], AbstractAsyncContextManager[str]]]] = {
    "local-relay": lambda: _local_relay("open"),
    "local-relay-auth-dm": lambda: _local_relay("protected"),
    "nostr-relay": _nostr_relay,
}
"""What runs each, and yields its URL."""

NOT_STARTED: Final = (ScriptFailed, PeerFailed)
"""What is raised by one that does not start; the text ends with what it said."""
