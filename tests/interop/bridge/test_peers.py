"""The programs of others share no code with us, and what they say when they fail is seen."""

from __future__ import annotations

import socket

import pytest

from tests.interop.bridge.exchange import LIVE
from tests.interop.bridge.peers import HERE, PeerFailed, imported_packages, run_script

SCRIPTS = {
    "nostr_tools_client.mjs": {"nostr-tools", "ws"},
    "buildit_client.mjs": {"nostr-tools", "ws"},
    "nostr_sdk_client.py": {"nostr_sdk"},
    "local_relay.py": {"nostr_sdk"},
    "pynostr_client.py": {"pynostr"},
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_program_of_others_imports_nothing_of_ours(script: str) -> None:
    assert imported_packages(HERE / script) == SCRIPTS[script]


@pytest.mark.parametrize("script", ["nostr_tools_client.mjs", "nostr_sdk_client.py"])
async def test_program_that_fails_shows_why(script: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(PeerFailed, match=r"ended with status (.|\n)*Error"):
            await run_script(script, relay=url, kind=LIVE, requests=[])
