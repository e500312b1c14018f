"""Clients with a key, who come, ask, listen and leave; what they share of the run."""

from __future__ import annotations

import asyncio
import json
import random
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from client.entropy import draw_key
from client.envelope import write_request
from client.wrapping import wrap_rumor
from nips import kinds
from nips.errors import NipError
from nips.event import VerifiedEvent, parse_event, verify_event
from nips.keys import PublicKey, SecretKey
from nips.nip59 import Rumor, make_rumor, open_wrap
from tests.soak.connection import CLOCK, DEADLINE_SECONDS, ENTROPY, Connection, Mishap
from tests.soak.ledger import Kept, Requests, Tally

MAX_OPENED = 1000
"""Wraps that a visitor knows to have opened."""


@dataclass(slots=True, kw_only=True)
class World:
    """What all clients of a run share."""

    url: str
    port: int
    bridge: PublicKey
    chance: random.Random
    requests: Requests
    kept: Mapping[str, Kept]
    begun: int = 0
    """Visits, of whatever outcome."""
    done: Tally = field(default_factory=Tally)
    mishaps: Tally = field(default_factory=Tally)
    visitors: list[Visitor] = field(default_factory=list)
    authors: list[SecretKey] = field(default_factory=list)


class Visitor:
    """A key, and its connection while it is here."""

    def __init__(self, world: World) -> None:
        self.secret = draw_key(ENTROPY)
        self.at_work = asyncio.Lock()
        """Held by whoever needs the connection to stay."""
        self._world = world
        self._connection: Connection | None = None
        self._told: set[str] = set()
        """Events that came on this connection's only subscription."""
        self._opened: OrderedDict[str, None] = OrderedDict()
        self._awaited: dict[str, asyncio.Future[str]] = {}
        """By the id of a request's rumor or of a wrap."""

    @property
    def connection(self) -> Connection:
        """The open connection."""
        if self._connection is None:
            raise Mishap("not connected")
        return self._connection

    @property
    def is_here(self) -> bool:
        """Tell whether it is connected."""
        return self._connection is not None and self._connection.is_open

    async def come(self) -> None:
        """Connect, prove the key, and read what waits."""
        if self.is_here:
            return
        self._told.clear()
        self._connection = await Connection.open(self._world.url, self._hear)
        if not await self._connection.authenticate(self.secret):
            raise Mishap("AUTH was refused")
        words = await self._connection.request("mine", {"kinds": [1059, 21059], "#p": [self.secret.public_key]})
        if words is not None:
            raise Mishap(f"REQ was refused: {words}")

    async def leave(self) -> None:
        """Disconnect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    def vanish(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def rumor(self, method: str) -> Rumor:
        """Return a new request."""
        return make_rumor(
            self.secret.public_key,
            created_at=CLOCK.now(),
            kind=kinds.BRIDGE_REQUEST,
            tags=[("p", self._world.bridge)],
            content=write_request(ENTROPY.draw(16).hex(), method, {}),
        )

    def wrap(self, rumor: Rumor, kind: int) -> VerifiedEvent:
        """Return a fresh wrap of a request."""
        return wrap_rumor(rumor, self.secret, self._world.bridge, kind=kind, clock=CLOCK, entropy=ENTROPY)

    async def publish(self, rumor: Rumor, wrap: VerifiedEvent) -> bool:
        """Publish a request and keep the books; tell whether it was acknowledged."""
        world = self._world
        world.requests.ask(rumor.id, CLOCK.monotonic())
        accepted, words = await self.connection.publish(wrap)
        if not accepted:
            world.done.add(f"refused by the relay: {words.partition(':')[0]}")
            return False
        world.requests.acknowledge(rumor.id)
        for table in ("seen", "responses", "gift_wraps" if wrap.kind == kinds.GIFT_WRAP else "outbox"):
            world.kept[table].add(CLOCK.now())
        return True

    async def ask(self, method: str, kind: int) -> None:
        """Ask and wait for the answer."""
        rumor = self.rumor(method)
        if await self.publish(rumor, self.wrap(rumor, kind)):
            self._world.done.add(await self.wait_for(rumor.id))

    async def wait_for(self, identity: str) -> str:
        """Wait for the answer to a rumor, or for a wrap; return what it was."""
        future = self._awaited.setdefault(identity, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                return await future
        finally:
            self._awaited.pop(identity, None)

    def expect(self, identity: str) -> None:
        """Have something remembered that may come before it is waited for."""
        self._awaited[identity] = asyncio.get_running_loop().create_future()

    def _hear(self, event: Mapping[str, Any]) -> None:
        wrap_id = str(event["id"])
        if wrap_id in self._told:
            self._world.mishaps.add("an event came twice on one subscription")
            return
        self._told.add(wrap_id)
        if (expected := self._awaited.get(wrap_id)) is not None:
            self._fulfil(expected, "relayed wrap read")
        elif self._is_news(wrap_id):
            self._open(event)

    def _is_news(self, wrap_id: str) -> bool:
        if wrap_id in self._opened:
            return False
        self._opened[wrap_id] = None
        if len(self._opened) > MAX_OPENED:
            self._opened.popitem(last=False)
        return True

    def _open(self, event: Mapping[str, Any]) -> None:
        try:
            wrap = verify_event(parse_event(event))
            rumor = open_wrap(wrap, self.secret)
        except NipError as error:
            self._world.mishaps.add(f"a wrap that does not open: {error}")
            return
        if rumor.pubkey != self._world.bridge:
            return
        asked = next(tag[1] for tag in rumor.tags if tag[0] == "e")
        self._world.requests.answer(asked, wrap.id)
        content = json.loads(rumor.content)
        word = "answered with a result" if "result" in content else f"answered with {content['error']['code']}"
        self._fulfil(self._awaited.setdefault(asked, asyncio.get_running_loop().create_future()), word)
        while len(self._awaited) > 1000:
            self._awaited.pop(next(iter(self._awaited)))

    @staticmethod
    def _fulfil(future: asyncio.Future[str], word: str) -> None:
        if not future.done():
            future.set_result(word)
