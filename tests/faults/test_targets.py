"""One fault in a hundred at the DNS, at the TURN providers and on the disk, while ten thousand requests are answered.

The bridge is the real program on a disk that fails at one commit in a hundred (`tests.faults.faulty_disk`). The name
server and both providers fail one time in a hundred, each time in another way. Requests come from the client library
over websockets; it repeats what was not acknowledged, and nobody else does anything.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from dnslib import RCODE, DNSRecord

from bridge.home import write_secret
from bridge.settings.accounts import LimiterSettings
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from client.bridge import BridgeClient, BridgeLimits
from client.clock import SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy, draw_key
from client.errors import CallFailed
from tests.faults.faulty_disk import FAULT, ONE_IN
from tests.support.deadline import SCALE, within
from tests.support.entropy import SeededEntropy
from tests.support.name_server import NameServer, a_name_server
from tests.support.process import LogLine, Switchboard

REQUESTS = 10_000
ASKERS = 8
AT_ONCE = 2
"""Requests of each asker that wait for their answer at the same time."""
PATIENCE = BridgeLimits(retry_seconds=2 * SCALE)

LEAST_SUCCESS, LEAST_RECOVERY = 0.995, 0.95

HOST = "127.0.0.1"
NAME = "turn.example.org"
ADDRESSES = ("9.9.9.9", "2620:fe::fe")
URL = f"turn:{NAME}:3478?transport=udp"
FAULTY_BRIDGE = (sys.executable, "-m", "tests.faults.faulty_disk")

CLOCK, ENTROPY = SystemClock(), SystemEntropy()


@dataclass
class Faults:
    """Decides what fails, the same in each run, and counts it."""

    seed: str
    ways: Sequence[str]
    asked: int = 0
    met: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._chance = SeededEntropy(self.seed)

    def next(self) -> str | None:
        """Return the way in which the next one fails; None for one that does not."""
        self.asked += 1
        if self._chance.below(ONE_IN):
            return None
        way = self.ways[self.met.total() % len(self.ways)]
        self.met[way] += 1
        return way


class FaultyProvider:
    """A TURN provider's API over HTTP: answers as Cloudflare and Metered do, or fails."""

    def __init__(self, seed: str) -> None:
        self.faults = Faults(seed, ("refused", "overloaded", "cut", "garbage", "another form", "silent"))
        self.url = ""
        self._is_over = asyncio.Event()

    async def cloudflare(self, request: web.Request) -> web.StreamResponse:
        """Answer as the first of the chain."""
        login = {"username": "cloudflare-user", "credential": "word"}
        return await self._answer(request, 201, {"iceServers": [{"urls": [URL], **login}]})

    async def metered(self, request: web.Request) -> web.StreamResponse:
        """Answer as the second."""
        body = await request.json()
        login = {"username": "metered-user", "password": "word", "apiKey": "key", "label": ""}
        return await self._answer(request, 200, {**login, "expiryInSeconds": body["expiryInSeconds"]})

    async def _answer(self, request: web.Request, status: int, body: dict[str, Any]) -> web.StreamResponse:
        match self.faults.next():
            case "refused":
                return web.Response(status=401)
            case "overloaded":
                return web.Response(status=503)
            case "cut":
                assert request.transport is not None
                request.transport.abort()
            case "garbage":
                return web.Response(status=status, text='{"iceServers":[')
            case "another form":
                return web.json_response([body], status=status)
            case "silent":
                await self._is_over.wait()
        return web.json_response(body, status=status)

    @asynccontextmanager
    async def serving(
        self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> AsyncIterator[FaultyProvider]:
        """Answer on a free port while the block runs."""
        app = web.Application()
        app.router.add_post("/{path:.*}", handler)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        self.url = f"http://{HOST}:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            self._is_over.set()
            await runner.cleanup()


def spoil(faults: Faults) -> Callable[[DNSRecord, str], DNSRecord | bytes | None]:
    """Return what makes a name server fail."""

    def alter(answer: DNSRecord, transport: str) -> DNSRecord | bytes | None:
        match faults.next():
            case "refused":
                answer.rr = []
                answer.header.rcode = RCODE.SERVFAIL
            case "silent":
                return None
            case "garbage":
                packed: bytes = answer.pack()
                return packed[:20] + b"\xff" * 20
        return answer

    return alter


@dataclass
class Tally:
    """What became of the requests."""

    results: int = 0
    with_addresses: int = 0
    """Results that name the servers' addresses too, for which the DNS had to answer at least lately."""
    from_second: int = 0
    """Results of the second provider of the chain."""
    failures: Counter[str] = field(default_factory=Counter)

    async def ask(self, client: BridgeClient) -> None:
        """Ask once and take note; the library repeats by itself what was not acknowledged."""
        try:
            credentials = await client.turn_credentials(timeout_seconds=30 * SCALE)
        except CallFailed as failed:
            self.failures[f"{type(failed).__name__}: {failed}"] += 1
            return
        self.results += 1
        self.with_addresses += bool(credentials.urls_with_ips)
        self.from_second += credentials.username == "metered-user"


@dataclass(frozen=True)
class Figures:
    """How it went."""

    tally: Tally
    faults: dict[str, int]
    seconds: float

    @property
    def success(self) -> float:
        """The share of requests that got their result."""
        return self.tally.results / REQUESTS

    @property
    def recovery(self) -> float:
        """The share of faults that cost no request its result; one that failed counts against one fault."""
        return 1 - (REQUESTS - self.tally.results) / sum(self.faults.values())

    def __str__(self) -> str:
        tally = self.tally
        return "\n".join(
            (
                f"{REQUESTS} requests in {self.seconds:.0f} s, one fault in {ONE_IN} at each of: "
                + ", ".join(f"{place} ({count})" for place, count in self.faults.items()),
                f"success   {self.success:.2%} (aim {LEAST_SUCCESS:.1%})",
                f"recovered {self.recovery:.2%} of {sum(self.faults.values())} faults, by nobody's hand "
                f"(aim {LEAST_RECOVERY:.0%})",
                f"with addresses {tally.with_addresses}, by the second provider {tally.from_second}, "
                f"failures {dict(tally.failures)}",
            )
        )


def faulty_settings(settings: Settings, server: NameServer, first: str, second: str) -> Settings:
    """Return settings with which every request needs the name server, a provider and the disk, and no rate counts."""
    plenty = LimiterSettings(burst=REQUESTS * 10, refill_seconds=0.001)
    turn = settings.turn
    patterns = ("turn:%s:3478?transport=udp",)
    return replace(
        settings,
        turn=replace(
            turn,
            providers=(ProviderKind.CLOUDFLARE, ProviderKind.METERED),
            chain=replace(turn.chain, provider_seconds=1 * SCALE),
            # An answer is good for no time at all, so that each request has the next one asked for.
            names=replace(
                turn.names,
                resolvers=("{}:{}".format(*server.address),),
                min_cache_seconds=0,
                timeout_seconds=0.2 * SCALE,
                failure_seconds=0.1,
            ),
            cloudflare=replace(turn.cloudflare, key_id="key", endpoint=first, urls_with_ips=patterns),
            metered=replace(turn.metered, endpoint=second, urls=(URL,), urls_with_ips=patterns),
        ),
        permits=replace(settings.permits, turn=plenty, free=plenty, free_together=plenty),
        # Few writes share a commit, so that there are many commits to fail.
        storage=replace(settings.storage, max_batch=8),
        relay=replace(settings.relay, events_per_second=100_000, events_burst=100_000),
    )


@asynccontextmanager
async def asking(url: str, program: Switchboard) -> AsyncIterator[BridgeClient]:
    """Connect somebody with a new key."""
    secret = draw_key(ENTROPY)
    link = RelayConnection(url, keys=[secret], clock=CLOCK, entropy=ENTROPY)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(link.run())
        client = BridgeClient(secret, program.public_key, [link], clock=CLOCK, entropy=ENTROPY, limits=PATIENCE)
        await link.wait_ready()
        yield client
        await link.close()


async def ask_all(program: Switchboard) -> Tally:
    """Have all requests made, some at once, each a new one."""
    tally, numbers = Tally(), iter(range(REQUESTS))

    async def keep_asking(client: BridgeClient) -> None:
        for _ in numbers:
            await tally.ask(client)

    async with AsyncExitStack() as connected, asyncio.TaskGroup() as tasks:
        for _ in range(ASKERS):
            client = await connected.enter_async_context(asking(program.url, program))
            for _ in range(AT_ONCE):
                tasks.create_task(keep_asking(client))
    return tally


async def measure(home: Path) -> Figures:
    """Run everything and return how it went."""
    names = Faults("dns", ("refused", "silent", "garbage"))
    disk: Counter[str] = Counter()

    def keeps(line: LogLine) -> bool:
        disk.update([line["message"]])
        return bool(line["message"] == "ready")

    zone = (f"{NAME} 0 A {ADDRESSES[0]}", f"{NAME} 0 AAAA {ADDRESSES[1]}")
    cloudflare, metered = FaultyProvider("first"), FaultyProvider("second")
    async with (
        within(280),
        a_name_server(HOST, *zone) as server,
        cloudflare.serving(cloudflare.cloudflare) as first,
        metered.serving(metered.metered) as second,
    ):
        server.alter = spoil(names)
        program = Switchboard(
            home,
            change=lambda settings: faulty_settings(settings, server, first.url, second.url),
            keeps=keeps,
            program=FAULTY_BRIDGE,
        )
        for secret in ("cloudflare.token", "metered.secret"):
            write_secret(home / secret, "token")
        begun = CLOCK.monotonic()
        async with program:
            pid = program.pid
            tally = await ask_all(program)
            assert program.pid == pid
        seconds = CLOCK.monotonic() - begun
    faults = {
        "DNS": names.met.total(),
        "providers": first.faults.met.total() + second.faults.met.total(),
        "disk": disk[FAULT],
    }
    assert set(names.met) == set(names.ways)
    assert set(first.faults.met) == set(first.faults.ways)
    return Figures(tally, faults, seconds)


def test_with_one_fault_in_a_hundred_requests_are_answered_and_nobody_has_to_help(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    # Not on pytest's loop, which watches itself (`asyncio_debug`) and takes most of the time for it.
    figures = asyncio.run(measure(home))
    with capfd.disabled():
        sys.stdout.write(f"\n{figures}\n")
    assert min(figures.faults.values()) >= 5, figures
    assert figures.success >= LEAST_SUCCESS, figures
    assert figures.recovery >= LEAST_RECOVERY, figures
