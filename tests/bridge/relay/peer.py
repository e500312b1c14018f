"""A client of the relay, on the real `websockets` client and our own reading of messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from nips.event import Event
from nips.filter import Filter
from nips.keys import SecretKey
from nips.messages import (
    Challenge,
    Closed,
    Delivered,
    EndOfStored,
    Ok,
    RelayMessage,
    write_authenticate,
    write_publish,
    write_request,
)
from tests.bridge.relay.builders import an_auth, heard
from tests.support.deadline import within


class Peer:
    """One connection."""

    def __init__(self, socket: ClientConnection, url: str) -> None:
        self.socket = socket
        self.url = url
        self.challenge = ""

    async def say(self, frame: str | bytes) -> None:
        """Send a frame."""
        async with within():
            await self.socket.send(frame)

    async def hear(self) -> RelayMessage:
        """Return the next message."""
        async with within():
            text = await self.socket.recv()
        assert isinstance(text, str)
        return heard(text)

    async def greeted(self) -> None:
        """Take the challenge, which comes first."""
        message = await self.hear()
        assert isinstance(message, Challenge)
        self.challenge = message.challenge

    async def prove(self, who: SecretKey) -> Ok:
        """Authenticate; return the verdict."""
        return await self._verdict(write_authenticate(an_auth(who, challenge=self.challenge, relay_url=self.url)))

    async def publish(self, event: Event) -> Ok:
        """Publish; return the verdict."""
        return await self._verdict(write_publish(event))

    async def request(self, *filters: Filter, identity: str = "s") -> Sequence[str] | Closed:
        """Open a subscription; return the ids of its stored events in their order, or how it was refused."""
        await self.say(write_request(identity, filters))
        found: list[str] = []
        while isinstance(message := await self.hear(), Delivered):
            assert message.subscription == identity
            found.append(message.event.id)
        assert isinstance(message, EndOfStored | Closed)
        assert message.subscription == identity
        return message if isinstance(message, Closed) else found

    async def delivered(self) -> tuple[str, str]:
        """Return subscription and event id of the next message, which must be a live event."""
        message = await self.hear()
        assert isinstance(message, Delivered)
        return message.subscription, message.event.id

    async def closed(self) -> tuple[int | None, str | None]:
        """Wait until the relay closes the connection; return code and reason. What it sends until then is not read."""
        async with within():
            try:
                while True:
                    await self.socket.recv()
            except ConnectionClosed:
                return self.socket.close_code, self.socket.close_reason

    async def _verdict(self, frame: str) -> Ok:
        await self.say(frame)
        message = await self.hear()
        assert isinstance(message, Ok)
        return message


@asynccontextmanager
async def peer(url: str, **options: Any) -> AsyncIterator[Peer]:
    """Connect and take the challenge."""
    async with connect(url, compression=None, ping_interval=None, **options) as socket:
        client = Peer(socket, url)
        await client.greeted()
        yield client
