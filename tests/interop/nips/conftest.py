"""One nostr-tools for the whole run, since starting it takes longer than most of what it is asked."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.nips.peer import NostrTools

HERE = Path(__file__).resolve().parent
NODE_MODULES = HERE.parent / "node_modules"
OLDEST_NODE = 20


@pytest.fixture(scope="session")
def nostr_tools() -> Iterator[NostrTools]:
    """Start nostr-tools under Node, or skip and say what is missing."""
    node = shutil.which("node")
    if node is None or _major(node) < OLDEST_NODE:
        pytest.skip(f"no Node {OLDEST_NODE} or later on the PATH: run ./test, which brings one")
    if not (NODE_MODULES / "nostr-tools").is_dir():
        pytest.skip("no nostr-tools: run ./test, or npm ci in tests/interop")
    command = [node, str(HERE / "nostr_tools_peer.mjs")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        peer = NostrTools(process)
        try:
            yield peer
        finally:
            peer.close()


def _major(node: str) -> int:
    version = subprocess.run([node, "--version"], capture_output=True, encoding="utf-8", check=True).stdout
    found = re.match(r"v(\d+)\.", version)
    return int(found[1]) if found else 0
