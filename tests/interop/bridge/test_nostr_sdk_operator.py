"""A messenger on nostr-sdk shows the operator what the bridge has to tell, as any private message (NIP-17)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bridge.health.memory import IncidentMemory, Told
from bridge.settings.tree import Settings
from nips.nip19 import encode_npub
from tests.interop.bridge.peers import run_script
from tests.support.process import Switchboard
from tests.support.wraps import AUTHOR


def watched(settings: Settings) -> Settings:
    notices = replace(settings.notices, operator=encode_npub(AUTHOR.public_key), calm_seconds=1)
    return replace(settings, notices=notices)


async def test_notice_is_a_private_message_of_the_bridges_key(tmp_path: Path) -> None:
    async with Switchboard(tmp_path / "home", change=watched) as bridge:
        await bridge.stop()
        IncidentMemory(bridge.home).keep("turn", Told(began_at=1_700_000_000, returns=0))
        await bridge.start()
        told = await run_script("nostr_sdk_operator.py", relay=bridge.url, secret=AUTHOR.reveal().hex())
        assert told == {
            "sender": bridge.public_key,
            "kind": 14,
            "content": "Switchboard: turn is well again, after trouble since 2023-11-14 22:13 UTC.",
            "recipients": [AUTHOR.public_key],
        }
