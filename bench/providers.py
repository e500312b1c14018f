"""Credentials of a provider over HTTP, fetched when somebody asks and fetched ahead, beside those that are made here.

The provider is a server of this machine on the load generator's core; it answers as Cloudflare's documents say, after
the time that a provider on the same continent needs. Every answer is opened and counted, as everywhere.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from bench.figures import Better, Figure
from bench.machine import Cores
from bench.program import PATIENCE_SECONDS, Program, unhindered
from bench.scope import Scope
from bench.turn import KNOWN, Rates, askers
from bridge.home import write_secret
from bridge.settings.tree import Settings
from bridge.settings.turn import CloudflareSettings, ProviderKind
from nips import kinds

LATENCY_SECONDS = 0.03
"""Between a request's end and its answer's begin."""

LOCAL = "coturn's, made here"
FETCHED = "a provider's over HTTP, 30 ms away"
AHEAD = "the same, fetched ahead"


class ProviderApi:
    """Gives other credentials to each request, over connections that stay open."""

    def __init__(self) -> None:
        self.url = ""
        self.issued = 0
        self._loop = asyncio.new_event_loop()
        self._enough = threading.Condition()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve in a thread of its own."""
        server = self._loop.run_until_complete(asyncio.start_server(self._converse, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._stop, server)
            thread.join()
            self._loop.close()

    def wait_issued(self, amount: int) -> None:
        """Wait until so many credentials were given."""
        with self._enough:
            if not self._enough.wait_for(lambda: self.issued >= amount, PATIENCE_SECONDS):
                raise TimeoutError(f"{self.issued} credentials of {amount} were asked for")

    def _stop(self, server: asyncio.Server) -> None:
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        # The tasks end in the next turn.
        self._loop.call_soon(self._loop.call_soon, self._loop.stop)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = (line.partition(b":") for line in head.split(b"\r\n"))
                length = next(int(value) for name, _, value in lines if name.lower() == b"content-length")
                await reader.readexactly(length)
                await asyncio.sleep(LATENCY_SECONDS)
                writer.write(self._reply())
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    def _reply(self) -> bytes:
        with self._enough:
            self.issued += 1
            self._enough.notify_all()
        turn = {"urls": ["turn:turn.example.org:3478"], "username": f"{self.issued:064x}", "credential": "0" * 64}
        body = json.dumps({"iceServers": [turn]}).encode()
        return b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@dataclass(frozen=True, slots=True)
class _Case:
    """A bridge, and how many credentials it has ready before it is asked."""

    program: Program
    ahead: int = 0


def measure(scope: Scope, cores: Cores) -> Iterator[Figure]:
    """Yield both rates of both ways beside credentials that are made here."""
    api = ProviderApi()
    with ExitStack() as stack:
        stack.enter_context(api.serving())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ahead = scope.requests + KNOWN
        cases = {
            LOCAL: _Case(stack.enter_context(Program(folder / "local", cores=cores.measured))),
            FETCHED: _Case(stack.enter_context(_over_http(folder / "fetched", api, cores, size=0))),
            AHEAD: _Case(stack.enter_context(_over_http(folder / "ahead", api, cores, size=ahead)), ahead),
        }
        taken: dict[str, list[Rates]] = {name: [] for name in cases}
        given = 0
        for _ in range(scope.rounds):
            for name, case in cases.items():
                if case.ahead:
                    api.wait_issued(given + case.ahead)
                with askers(case.program, KNOWN) as crowd:
                    crowd.run(KNOWN, kind=kinds.EPHEMERAL_GIFT_WRAP)
                    taken[name].append(crowd.run(scope.requests, kind=kinds.EPHEMERAL_GIFT_WRAP))
                given += 0 if name == LOCAL else KNOWN + scope.requests
    yield from _beside(taken)


def _beside(taken: Mapping[str, list[Rates]]) -> Iterator[Figure]:
    for name in (FETCHED, AHEAD):
        for how, rate in (("by CPU time", "per_core_second"), ("by the wall clock", "per_second")):
            value, peer = (median(getattr(each, rate) for each in taken[which]) for which in (name, LOCAL))
            yield Figure(f"credentials: {name}, {how}", value, "1/s per core", Better.HIGHER, LOCAL, peer)


def _over_http(home: Path, api: ProviderApi, cores: Cores, *, size: int) -> Program:
    home.mkdir(mode=0o700)
    write_secret(home / CloudflareSettings().token_file, "token")

    def change(settings: Settings) -> Settings:
        turn = settings.turn
        turn = replace(
            turn,
            providers=(ProviderKind.CLOUDFLARE,),
            cloudflare=replace(turn.cloudflare, key_id="key", endpoint=api.url),
            chain=replace(turn.chain, max_concurrent=64, max_concurrent_each=64),
            pool=replace(turn.pool, size=size, max_concurrent=32),
        )
        return unhindered(replace(settings, turn=turn))

    return Program(home, cores=cores.measured, change=change)
