"""Kill −9 amid requests: what got OK true is answered once and charged once, however often the bridge dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from bridge.settings.accounts import LimiterSettings
from bridge.settings.tree import Settings
from client.clock import SystemClock
from client.entropy import SystemEntropy, draw_key
from client.wrapping import wrap_rumor
from nips import kinds
from nips.event import VerifiedEvent, parse_event, verify_event
from nips.keys import PublicKey, SecretKey
from nips.nip42 import make_auth
from nips.nip59 import Rumor, make_rumor, open_wrap
from tests.support.deadline import within
from tests.support.entropy import SeededEntropy
from tests.support.process import Switchboard

KILLS = 20
BURST = 10_000
CLOCK, ENTROPY = SystemClock(), SystemEntropy()


@dataclass(frozen=True, slots=True)
class Load:
    """What the bridge is killed amid."""

    requests: int
    """Before each kill, at most."""
    workers: int

    def settings(self, settings: Settings) -> Settings:
        """Return settings in which nothing but the crash keeps a request from its answer, and no permit comes back."""
        plenty = LimiterSettings(burst=BURST, refill_seconds=0.001)
        permits = replace(
            settings.permits,
            turn=LimiterSettings(burst=BURST, refill_seconds=31_536_000),
            free=plenty,
            free_together=plenty,
        )
        relay = replace(
            settings.relay, events_per_second=10_000, events_burst=10_000, max_limit=BURST, default_limit=BURST
        )
        inbox = replace(settings.inbox, workers=self.workers)
        return replace(settings, permits=permits, relay=relay, inbox=inbox)


@dataclass
class Asker:
    """A client that keeps book: what it asked, what was acknowledged, what was answered how often."""

    bridge: PublicKey
    secret: SecretKey = field(default_factory=lambda: draw_key(ENTROPY))
    rumors: dict[str, Rumor] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    """Ids of rumors whose wrap got OK true."""
    wraps: set[str] = field(default_factory=set)
    """Ids of the answering wraps that were read."""
    answers: Counter[str] = field(default_factory=Counter)
    """Answering wraps, by the id of the rumor that they answer."""
    responses: dict[str, set[str]] = field(default_factory=dict)
    """Ids of the response rumors, by the same."""

    def ask(self, number: int) -> Rumor:
        """Return a new request."""
        content = {"_v": "1.0.0", "id": f"request {number}", "method": "turn.get_credentials", "params": {}}
        rumor = make_rumor(
            self.secret.public_key,
            created_at=CLOCK.now(),
            kind=kinds.BRIDGE_REQUEST,
            tags=[("p", self.bridge)],
            content=json.dumps(content),
        )
        self.rumors[rumor.id] = rumor
        return rumor

    def wrap(self, rumor: Rumor) -> VerifiedEvent:
        """Return a fresh stored wrap of a request."""
        return wrap_rumor(rumor, self.secret, self.bridge, kind=kinds.GIFT_WRAP, clock=CLOCK, entropy=ENTROPY)

    def read(self, event: dict[str, Any]) -> None:
        """Take note of an answer; the same wrap twice is one answer read twice."""
        if event["id"] in self.wraps:
            return
        wrap = verify_event(parse_event(event))
        self.wraps.add(wrap.id)
        response = open_wrap(wrap, self.secret)
        assert response.pubkey == self.bridge
        assert "result" in json.loads(response.content), response.content
        asked = next(tag[1] for tag in response.tags if tag[0] == "e")
        self.answers[asked] += 1
        self.responses.setdefault(asked, set()).add(response.id)

    async def connect(self, url: str) -> ClientConnection:
        """Connect and prove the key."""
        socket = await connect(url, compression=None, max_size=None)
        challenge = json.loads(await socket.recv())[1]
        now = CLOCK.now()
        auth = make_auth(self.secret, relay_url=url, challenge=challenge, created_at=now, aux=ENTROPY.draw(32))
        await socket.send(json.dumps(["AUTH", auth.to_dict()]))
        assert json.loads(await socket.recv())[2] is True
        return socket

    async def read_until(self, socket: ClientConnection, wanted: set[str]) -> None:
        """Read stored and live answers until each of these rumors has one."""
        await socket.send(json.dumps(["REQ", "answers", {"kinds": [1059], "#p": [self.secret.public_key]}]))
        is_stored_read = False
        while not (is_stored_read and wanted <= set(self.answers)):
            message = json.loads(await socket.recv())
            is_stored_read |= message[0] == "EOSE"
            if message[0] == "EVENT":
                self.read(message[2])


async def flood_until_killed(program: Switchboard, asker: Asker, numbers: range, kill_after: int) -> None:
    """Send requests as fast as they are acknowledged, and kill the bridge after so many OKs."""
    socket = await asker.connect(program.url)
    waiting = {}
    async with asyncio.TaskGroup() as tasks:

        async def send() -> None:
            with contextlib.suppress(WebSocketException, OSError):
                for number in numbers:
                    rumor = asker.ask(number)
                    wrap = asker.wrap(rumor)
                    waiting[wrap.id] = rumor.id
                    await socket.send(f'["EVENT",{wrap.to_json()}]')

        async def count() -> None:
            acknowledged = 0
            with contextlib.suppress(WebSocketException, OSError):
                while True:
                    verb, wrap_id, accepted, reason = json.loads(await socket.recv())
                    assert (verb, accepted) == ("OK", True), reason
                    asker.acknowledged.add(waiting[wrap_id])
                    acknowledged += 1
                    if acknowledged == kill_after:
                        tasks.create_task(program.kill())

        tasks.create_task(send())
        tasks.create_task(count())


async def remaining_permits(socket: ClientConnection, asker: Asker) -> int:
    """Ask for the account and return what is left of the turn limiter."""
    content = {"_v": "1.0.0", "id": "how many are left", "method": "account.get", "params": {}}
    rumor = make_rumor(
        asker.secret.public_key, created_at=CLOCK.now(), kind=kinds.BRIDGE_REQUEST, tags=[], content=json.dumps(content)
    )
    await socket.send(f'["EVENT",{asker.wrap(rumor).to_json()}]')
    while True:
        message = json.loads(await socket.recv())
        if message[0] != "EVENT":
            continue
        response = open_wrap(verify_event(parse_event(message[2])), asker.secret)
        if ("e", rumor.id) in response.tags:
            return int(json.loads(response.content)["result"]["limits"]["turn"]["remaining"])
        asker.read(message[2])


@pytest.mark.parametrize("load", [Load(200, workers=0), Load(400, workers=2)], ids=str)
async def test_acknowledged_requests_are_answered_once_and_charged_once_over_twenty_kills(
    tmp_path: Path, load: Load
) -> None:
    chance = SeededEntropy(7)
    options = ["--turn-host", "turn.example.org"]
    async with within(240), Switchboard(tmp_path / "home", *options, change=load.settings) as program:
        asker = Asker(program.public_key)
        for kill in range(KILLS):
            numbers = range(kill * load.requests, (kill + 1) * load.requests)
            await flood_until_killed(program, asker, numbers, 1 + chance.below(load.requests))
            await program.start()
            socket = await asker.connect(program.url)
            await asker.read_until(socket, asker.acknowledged)
            await socket.close()

        assert len(asker.acknowledged) > KILLS
        assert {asker.answers[rumor_id] for rumor_id in asker.acknowledged} == {1}
        assert max(asker.answers.values()) == 1, "an unacknowledged request was answered twice"

        # What was not acknowledged is asked again, each in a new wrap: now everything is answered, and charged once.
        socket = await asker.connect(program.url)
        for rumor_id in set(asker.rumors) - asker.acknowledged:
            await socket.send(f'["EVENT",{asker.wrap(asker.rumors[rumor_id]).to_json()}]')
        await asker.read_until(socket, set(asker.rumors))
        assert {len(responses) for responses in asker.responses.values()} == {1}
        assert await remaining_permits(socket, asker) == BURST - len(asker.rumors)
        await socket.close()
        assert program.complaints == []


async def test_no_worker_outlives_a_bridge_that_is_killed_amid_requests(tmp_path: Path) -> None:
    load = Load(200, workers=2)
    options = ["--turn-host", "turn.example.org"]
    async with within(60), Switchboard(tmp_path / "home", *options, change=load.settings) as program:
        while (await program.figures())["workers"] < load.workers:
            pass
        workers = [pid for pid in program.family if pid != program.pid]
        assert len(workers) == load.workers
        ended = [asyncio.create_task(wait_ended(pid)) for pid in workers]
        await flood_until_killed(program, Asker(program.public_key), range(load.requests), kill_after=20)
        await asyncio.gather(*ended)
        await program.start()


async def wait_ended(pid: int) -> None:
    """Return when a process has ended; it is nobody's to wait for when its parent is dead."""
    ended = asyncio.Event()
    descriptor = os.pidfd_open(pid)
    try:
        asyncio.get_running_loop().add_reader(descriptor, ended.set)
        await ended.wait()
        asyncio.get_running_loop().remove_reader(descriptor)
    finally:
        os.close(descriptor)
