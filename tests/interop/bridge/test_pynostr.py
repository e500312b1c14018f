"""pynostr 0.7 publishes and reads what is public on our relay; it cannot authenticate, so it sees no gift wrap."""

from __future__ import annotations

import asyncio
from pathlib import Path

from client.clock import SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy, draw_key
from nips import kinds
from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.keys import SecretKey
from tests.interop.bridge.peers import run_script
from tests.support.deadline import within
from tests.support.fake_relay import running
from tests.support.process import Switchboard


async def test_pynostr_publishes_and_reads_what_is_public_and_no_gift_wrap(tmp_path: Path) -> None:
    secret = draw_key(SystemEntropy())
    async with Switchboard(tmp_path / "home") as bridge:
        told = await run_script("pynostr_client.py", relay=bridge.url, secret=secret.reveal().hex())
        kept = await _first_wrap(bridge.url, secret)
    assert list(told["published"].values()) == [True] * 4
    assert told["wraps"] == []
    contents = {event["kind"]: (event["content"], event["tags"]) for event in told["everything"]}
    assert len(told["everything"]) == 2
    assert contents == {0: ('{"name":"new"}', []), 10002: ("", [["r", "wss://relay.example.org"]])}
    # It was there all the time, for whoever proves the key.
    assert kept.id == told["wrap"]


async def _first_wrap(url: str, secret: SecretKey) -> VerifiedEvent:
    arrived: asyncio.Queue[VerifiedEvent] = asyncio.Queue()
    connection = RelayConnection(url, keys=[secret], clock=SystemClock(), entropy=SystemEntropy())
    wanted = Filter(kinds=frozenset({kinds.GIFT_WRAP}), tags={"p": frozenset({secret.public_key})})
    connection.subscribe("wraps", lambda _: [wanted], arrived.put)
    async with within(), running(connection):
        return await arrived.get()
