"""One client's connection to the relay under load: what it says, and who waits for what the relay says to that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from client.clock import SystemClock
from client.entropy import SystemEntropy
from nips.event import Event
from nips.keys import SecretKey
from nips.nip42 import make_auth

DEADLINE_SECONDS = 30.0
"""Generous: the machine may have other work."""

ADDRESSES = 5_000
"""So many addresses clients come from, as the proxy says that the driver plays: more than the relay remembers."""

CLOCK, ENTROPY = SystemClock(), SystemEntropy()

Json = Mapping[str, Any]


def some_address() -> str:
    """Return an address that a client may come from."""
    number = ENTROPY.below(ADDRESSES)
    return f"10.0.{number // 250}.{number % 250}"


class Mishap(Exception):
    """The relay did something else than it should."""


class Connection:
    """A websocket and its reader."""

    def __init__(self, socket: ClientConnection, url: str, on_event: Callable[[Json], None]) -> None:
        self.socket = socket
        self.notices = 0
        self._url = url
        self._on_event = on_event
        self._expected: dict[tuple[str, str], asyncio.Future[Sequence[Any]]] = {}
        self._reading = asyncio.create_task(self._read())
        self._challenge = self._expect("AUTH", "")

    @classmethod
    async def open(cls, url: str, on_event: Callable[[Json], None] = lambda event: None) -> Connection:
        """Connect; events of all subscriptions go to `on_event`."""
        socket = await connect(
            url,
            compression=None,
            max_size=None,
            open_timeout=DEADLINE_SECONDS,
            additional_headers={"X-Forwarded-For": some_address()},
        )
        return cls(socket, url, on_event)

    @property
    def is_open(self) -> bool:
        """Tell whether the relay still listens."""
        return not self._reading.done()

    async def close(self) -> None:
        """Say goodbye."""
        await self.socket.close()
        await self._reading

    def abort(self) -> None:
        """Vanish without a word."""
        self.socket.transport.abort()

    async def authenticate(self, secret: SecretKey, *, challenge: str | None = None) -> bool:
        """Prove a key; tell whether the relay took it."""
        given = str((await self._answer(self._challenge))[1])
        auth = make_auth(
            secret,
            relay_url=self._url,
            challenge=challenge or given,
            created_at=CLOCK.now(),
            aux=ENTROPY.draw(32),
        )
        verdict = self._expect("OK", auth.id)
        await self.say(["AUTH", auth.to_dict()])
        return bool((await self._answer(verdict))[2])

    async def publish(self, event: Event) -> tuple[bool, str]:
        """Publish; return the verdict and its words."""
        verdict = self._expect("OK", event.id)
        await self.socket.send(f'["EVENT",{event.to_json()}]')
        _, _, accepted, words = await self._answer(verdict)
        return bool(accepted), str(words)

    async def request(self, name: str, *filters: Json) -> str | None:
        """Open a subscription; return None after its EOSE, or the words with which it was refused."""
        end = self._expect("END", name)
        await self.say(["REQ", name, *filters])
        said = await self._answer(end)
        return None if said[0] == "EOSE" else str(said[2])

    async def count(self, name: str, *filters: Json) -> int | None:
        """Return how many stored events match, or None when that is not told."""
        end = self._expect("END", name)
        await self.say(["COUNT", name, *filters])
        said = await self._answer(end)
        return int(said[2]["count"]) if said[0] == "COUNT" else None

    async def say(self, message: Sequence[object]) -> None:
        """Send a message."""
        await self.socket.send(json.dumps(message, separators=(",", ":")))

    async def closed(self) -> int | None:
        """Wait until the relay closes the connection; return the code."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await asyncio.shield(self._reading)
        return self.socket.close_code

    def _expect(self, verb: str, subject: str) -> asyncio.Future[Sequence[Any]]:
        future: asyncio.Future[Sequence[Any]] = asyncio.get_running_loop().create_future()
        self._expected[verb, subject] = future
        if self._reading.done():
            future.set_exception(Mishap("the relay closed the connection"))
        return future

    async def _answer(self, future: asyncio.Future[Sequence[Any]]) -> Sequence[Any]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await asyncio.shield(future)

    async def _read(self) -> None:
        with suppress(WebSocketException, OSError):
            async for text in self.socket:
                self._take(json.loads(text))
        for future in self._expected.values():
            if not future.done():
                future.set_exception(Mishap("the relay closed the connection"))
                future.exception()  # nobody may wait for it any more

    def _take(self, message: Sequence[Any]) -> None:
        match message:
            case ["EVENT", _, event]:
                self._on_event(event)
            case ["OK", event_id, *_]:
                self._fulfil("OK", event_id, message)
            case ["EOSE" | "CLOSED" | "COUNT", name, *_]:
                self._fulfil("END", name, message)
            case ["AUTH", _]:
                self._fulfil("AUTH", "", message)
            case ["NOTICE", _]:
                self.notices += 1
            case _:
                raise Mishap(f"a message of an unknown form: {message[:1]}")

    def _fulfil(self, verb: str, subject: str, message: Sequence[Any]) -> None:
        future = self._expected.get((verb, subject)) if verb == "AUTH" else self._expected.pop((verb, subject), None)
        if future is not None and not future.done():
            future.set_result(message)
