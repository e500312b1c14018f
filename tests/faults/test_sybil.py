"""Ten thousand fresh keys against an open bridge: the budget holds exactly, the rest is asked for work, and whoever has
an account notices nothing but that it takes a little longer.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from bridge.settings.accounts import LimiterSettings
from bridge.settings.tree import Settings
from client.bridge import BridgeClient, BridgeLimits
from client.clock import SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy, draw_key
from client.lifetime import linked
from nips import kinds
from nips.event import parse_event, verify_event
from nips.keys import SecretKey
from nips.nip42 import make_auth
from nips.nip59 import open_wrap
from tests.support.crowd import frames_of_fresh_keys
from tests.support.deadline import within
from tests.support.process import Switchboard

CLOCK, ENTROPY = SystemClock(), SystemEntropy()

KEYS = 10_000
CONNECTIONS = 50
"""Each from an address of its own, with as many wraps as a connection may send at once."""
WINDOW = 64

ACCOUNTS = 6
BUDGET = 40
LEAST_WORK = 12


def settings(given: Settings) -> Settings:
    """Return the settings of `init` with a small budget that does not come back, and addresses that we choose."""
    work = replace(given.accounts.work, min_bits=LEAST_WORK)
    budget = LimiterSettings(burst=BUDGET, refill_seconds=31_536_000)
    plenty = LimiterSettings(burst=1_000_000, refill_seconds=0.001)
    return replace(
        given,
        accounts=replace(given.accounts, budget=budget, work=work),
        permits=replace(given.permits, info=plenty),
        relay=replace(given.relay, trusted_proxies=("127.0.0.1",), events_per_second=1000),
    )


@dataclass
class Flood:
    """What the connections of the flood were told."""

    accepted: int = 0
    turned_away: int = 0

    async def run(self, url: str, address: int, frames: Sequence[str]) -> None:
        """Send frames from one address as fast as they are acknowledged, and those again that find no room."""
        headers = {"X-Forwarded-For": f"198.51.100.{address}"}
        async with connect(url, additional_headers=headers, max_queue=None) as socket:
            await socket.recv()
            waiting, on_the_way = deque(frames), dict[str, str]()
            while waiting or on_the_way:
                while waiting and len(on_the_way) < WINDOW:
                    frame = waiting.popleft()
                    on_the_way[json.loads(frame)[1]["id"]] = frame
                    await socket.send(frame)
                verb, wrap_id, is_accepted, reason = json.loads(await socket.recv())
                frame = on_the_way.pop(wrap_id)
                assert verb == "OK"
                if is_accepted:
                    self.accepted += 1
                else:
                    assert reason.startswith("rate-limited:"), reason
                    self.turned_away += 1
                    waiting.append(frame)


class Caller:
    """Somebody with an account, who asks one request after the other."""

    def __init__(self, client: BridgeClient) -> None:
        self.client = client
        self.answered = 0

    async def ask_until(self, over: asyncio.Event) -> None:
        """Ask; whatever is not answered fails the test."""
        while not over.is_set():
            await self.client.account(timeout_seconds=60)
            self.answered += 1


@asynccontextmanager
async def client_of(program: Switchboard, *, limits: BridgeLimits | None = None) -> AsyncIterator[BridgeClient]:
    secret = draw_key(ENTROPY)
    connection = RelayConnection(program.url, keys=[secret], clock=CLOCK, entropy=ENTROPY)
    async with linked(connection):
        yield BridgeClient(secret, program.public_key, [connection], clock=CLOCK, entropy=ENTROPY, limits=limits)


async def answers_of(program: Switchboard, made: Sequence[tuple[SecretKey, str]]) -> list[str | None]:
    """Return the code of each stored answer to these keys, or None for a result."""
    secrets = [secret for secret, _ in made]
    keys = {str(secret.public_key): secret for secret in secrets}
    async with connect(program.url) as socket:
        challenge = json.loads(await socket.recv())[1]
        for secret in secrets:
            await prove(socket, secret, program.url, challenge)
        await socket.send(json.dumps(["REQ", "answers", {"kinds": [kinds.GIFT_WRAP], "#p": list(keys)}]))
        codes = []
        while (message := json.loads(await socket.recv()))[0] == "EVENT":
            wrap = verify_event(parse_event(message[2]))
            content = json.loads(open_wrap(wrap, keys[wrap.tag_values("p")[0]]).content)
            error = content.get("error", {})
            assert error.get("pow_bits", LEAST_WORK) >= LEAST_WORK
            codes.append(error.get("code"))
    return codes


async def prove(socket: ClientConnection, secret: SecretKey, url: str, challenge: str) -> None:
    auth = make_auth(secret, relay_url=url, challenge=challenge, created_at=CLOCK.now(), aux=ENTROPY.draw(32))
    await socket.send(json.dumps(["AUTH", auth.to_dict()]))
    assert json.loads(await socket.recv())[2] is True


def accounts_in(home: Path) -> int:
    with closing(sqlite3.connect(f"file:{home / 'switchboard.db'}?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT count(*) FROM accounts").fetchone()[0])


async def test_ten_thousand_fresh_keys_get_the_budget_and_keep_nobody_waiting(tmp_path: Path) -> None:
    async with within(180), AsyncExitStack() as stack:
        program = await stack.enter_async_context(Switchboard(tmp_path / "home", change=settings))
        callers = [Caller(await stack.enter_async_context(client_of(program))) for _ in range(ACCOUNTS)]
        for caller in callers:
            await caller.client.account()
        made = await asyncio.to_thread(frames_of_fresh_keys, program.public_key, KEYS, kind=kinds.GIFT_WRAP)
        over, flood = asyncio.Event(), Flood()
        async with asyncio.TaskGroup() as asking:
            for caller in callers:
                asking.create_task(caller.ask_until(over))
            async with asyncio.TaskGroup() as flooding:
                for number in range(CONNECTIONS):
                    frames = [frame for _, frame in made[number::CONNECTIONS]]
                    flooding.create_task(flood.run(program.url, number, frames))
            over.set()

        assert flood.accepted == KEYS
        assert min(caller.answered for caller in callers) > 1
        assert accounts_in(program.home) == BUDGET
        assert (await callers[0].client.info()).pow_bits == LEAST_WORK
        told = [code for first in range(0, 400, 8) for code in await answers_of(program, made[first : first + 8])]
        assert set(told) == {None, "BRIDGE_POW_REQUIRED"}

        limits = BridgeLimits(retry_seconds=1, max_pow_bits=20)
        newcomer = await stack.enter_async_context(client_of(program, limits=limits))
        await newcomer.account(timeout_seconds=60)
        assert accounts_in(program.home) == BUDGET + 1
        assert program.complaints == []
