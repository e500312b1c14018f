"""Hold the relays of others: they serve on a free port, and nothing of them outlives the test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage

from tests.support.deadline import within
from tests.support.peers import PeerFailed, nostr_relay


async def test_nostr_relay_serves_and_is_gone_afterwards(tmp_path: Path) -> None:
    async with nostr_relay(tmp_path) as url, within(), connect(url) as client:
        await client.send('["REQ","all",{"limit":1}]')
        while (message := json.loads(await client.recv()))[0] != "EOSE":
            assert message[0] == "AUTH"
        assert message[1] == "all"
    with pytest.raises((OSError, InvalidMessage)):
        async with within(), connect(url):
            pass


async def test_relay_that_cannot_start_is_reported_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(PeerFailed, match=r"(?s)does not answer.*no_such_dialect"):
        async with within(60), nostr_relay(tmp_path, storage={"sqlalchemy.url": "no_such_dialect://"}):
            pass
