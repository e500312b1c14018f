"""A small relay that does what some relays do wrong: as much of NIP-01, 11 and 42 as a wrap's way there and back takes.

Without oddities it is a good one: it keeps wraps for who has proved their key, and passes live ones on likewise.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from client.clock import SystemClock
from nips import kinds
from nips.event import Event, parse_event
from nips.filter import Filter, parse_filter
from nips.nip11 import MEDIA_TYPE

NO_SERVICE_URL = "ERROR: auth failed: relay needs serviceUrl to be configured before AUTH can work"
"""What a strfry says to AUTH whose `serviceUrl` is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddities:
    """What is not as it should be."""

    protected: frozenset[int] = kinds.WRAPS
    """Kinds that only their recipient may read, once it has proved its key."""
    challenges: bool = True
    """Whether a refusal comes with a challenge."""
    auth_notice: str = ""
    """Answers AUTH with this notice, and not with OK."""
    auth_refusal: str = ""
    """Refuses AUTH with these words."""
    refusals: Mapping[int, str] = field(default_factory=dict)
    """Refuses events of a kind with these words."""
    lost: frozenset[int] = frozenset()
    """Kinds that are taken, and never seen again."""
    silent: bool = False
    """Says nothing to anything."""
    clock_skew: int = 0
    """How far its `Date` is ahead."""
    document: Mapping[str, Any] = field(default_factory=dict)
    no_upgrade: bool = False
    """Answers the opening of a websocket with its page, as a proxy does that knows no upgrade."""
    status: int | None = None
    """Answers everything with this, also the opening of a websocket."""


class _Client:
    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.subscriptions: dict[str, list[Filter]] = {}
        self.keys: set[str] = set()
        self.was_challenged = False

    async def say(self, *message: Any) -> None:
        await self.socket.send(json.dumps(message))


class OddRelay:
    """The relay, on a free port of this machine, from entering to leaving."""

    def __init__(self, **oddities: Any) -> None:
        self._odd = Oddities(**oddities)
        self.events: list[Event] = []
        """What is stored."""
        self._clients: set[_Client] = set()
        self._server: Server | None = None
        self._news = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def keep(self, event: Event) -> None:
        """Have an event stored."""
        self.events.append(event)
        self._news.set()

    async def changed(self) -> None:
        """Wait until one more event is stored."""
        self._news.clear()
        await self._news.wait()

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._serve, "127.0.0.1", 0, compression=None, ping_interval=None, process_request=self._page
        )
        self.port = int(next(iter(self._server.sockets)).getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def _page(self, connection: ServerConnection, request: Request) -> Response | None:
        wants_websocket = "Upgrade" in request.headers and not self._odd.no_upgrade
        if wants_websocket and self._odd.status is None:
            return None
        response = connection.respond(HTTPStatus(self._odd.status or 200), json.dumps(dict(self._odd.document)))
        del response.headers["Date"]
        response.headers["Date"] = formatdate(SystemClock().now() + self._odd.clock_skew, usegmt=True)
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = MEDIA_TYPE
        return response

    async def _serve(self, socket: ServerConnection) -> None:
        client = _Client(socket)
        self._clients.add(client)
        answers: dict[str, Callable[..., Awaitable[None]]] = {
            "EVENT": self._take,
            "REQ": self._ask,
            "AUTH": self._prove,
            "CLOSE": self._forget,
        }
        with suppress(ConnectionClosed):
            async for text in socket:
                verb, *rest = json.loads(text)
                if not self._odd.silent:
                    await answers[verb](client, *rest)
        self._clients.discard(client)

    async def _take(self, client: _Client, value: Any) -> None:
        event = parse_event(value)
        if refusal := self._odd.refusals.get(event.kind):
            await client.say("OK", event.id, False, refusal)
            return
        if event.kind not in self._odd.lost:
            if not kinds.is_ephemeral(event.kind):
                self.keep(event)
            for listener in tuple(self._clients):
                for name, filters in listener.subscriptions.items():
                    if any(wanted.matches(event) for wanted in filters) and self._may_read(listener, event):
                        await listener.say("EVENT", name, event.to_dict())
        await client.say("OK", event.id, True, "")

    async def _ask(self, client: _Client, name: str, *values: Any) -> None:
        filters = [parse_filter(value, max_values=100, max_tag_conditions=3) for value in values]
        asked = set().union(*(wanted.kinds or () for wanted in filters))
        if asked and asked <= self._odd.protected and not client.keys:
            if self._odd.challenges and not client.was_challenged:
                client.was_challenged = True
                await client.say("AUTH", "challenge")
            await client.say("CLOSED", name, "auth-required: gift wraps are for their recipients")
            return
        client.subscriptions[name] = filters
        for event in self.events:
            if any(wanted.matches(event) for wanted in filters) and self._may_read(client, event):
                await client.say("EVENT", name, event.to_dict())
        await client.say("EOSE", name)

    async def _prove(self, client: _Client, value: Any) -> None:
        event = parse_event(value)
        if self._odd.auth_notice:
            await client.say("NOTICE", self._odd.auth_notice)
            return
        if not self._odd.auth_refusal:
            client.keys.add(event.pubkey)
        await client.say("OK", event.id, not self._odd.auth_refusal, self._odd.auth_refusal)

    async def _forget(self, client: _Client, name: str) -> None:
        client.subscriptions.pop(name, None)

    def _may_read(self, client: _Client, event: Event) -> bool:
        return event.kind not in self._odd.protected or bool(client.keys & set(event.tag_values("p")))
