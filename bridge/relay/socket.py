"""One client's socket: who is let in, what may wait for a client, and when it is dropped.

What waits for a client lies in its transport's buffer, into which each turn of the event loop puts all it has in one
piece. Three things fill it: answers, which wait for the buffer to empty before more is read from the client; live
events, which never wait; and pongs, which `websockets` writes by itself. A client that lets more pile up than
`max_unsent_bytes`, or lies still for `stall_seconds` with the buffer above its high-water mark, is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.protocol import OPEN

from bridge.relay.limits import ServerLimits

log = logging.getLogger(__name__)

HIGH_WATER_BYTES = 65_536
"""Waiting bytes from which on the sender of an answer waits."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Everybody who is connected, and those of them who have opened a websocket."""

    all: set[ClientSocket] = field(default_factory=set)
    clients: set[ClientSocket] = field(default_factory=set)


class ClientSocket(ServerConnection):
    """A websocket that drops a client which does not read."""

    def __init__(self, *arguments: Any, crowd: Crowd, limits: ServerLimits, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._crowd = crowd
        self._limits = limits
        self._stall: asyncio.TimerHandle | None = None
        self._flush: asyncio.Handle | None = None
        self._gathered_bytes = 0

    def push(self, text: str) -> bool:
        """Send without waiting; return False when the client is gone or has just been dropped."""
        if self.state is not OPEN or self.transport.is_closing():
            return False
        data = text.encode()
        self.protocol.send_text(data)
        self._gathered_bytes += len(data)
        if self._gathered_bytes >= HIGH_WATER_BYTES:
            self.send_data()
        elif self._flush is None:
            self._flush = self.loop.call_soon(self.send_data)
        return self._check_unsent()

    async def room(self) -> None:
        """Wait until nearly all that was sent is with the client; raise `ConnectionClosed` when it is gone."""
        if self.state is OPEN and not self.paused:
            return
        async with self.send_context():
            pass  # leaving it writes what was gathered, and waits

    def send_data(self) -> None:
        """Write what was gathered in one piece: each write is a call to the kernel."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        self._gathered_bytes = 0
        frames = self.protocol.data_to_send()
        if self.transport.is_closing():
            return
        self.transport.write(b"".join(frames))
        # An empty one stands for the end.
        if frames and not frames[-1] and self.transport.can_write_eof():
            with suppress(OSError, RuntimeError):
                self.transport.write_eof()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._crowd.all.add(self)
        # As many again may be opening, or asking for a page; past that nobody is even listened to.
        if len(self._crowd.all) > 2 * self._limits.max_connections:
            self.transport.abort()

    def admit(self) -> bool:
        """Count this one among the clients, if there is room."""
        if len(self._crowd.clients) >= self._limits.max_connections:
            return False
        self._crowd.clients.add(self)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.all.discard(self)
        self._crowd.clients.discard(self)
        self._end_stall()
        if self._flush is not None:
            self._flush.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._check_unsent()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(self._limits.stall_seconds, self._drop, "reads nothing")

    def resume_writing(self) -> None:
        super().resume_writing()
        self._end_stall()

    def _check_unsent(self) -> bool:
        if self.transport.get_write_buffer_size() + self._gathered_bytes > self._limits.max_unsent_bytes:
            self._drop("reads too slowly")
        return not self.transport.is_closing()

    def _end_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _drop(self, reason: str) -> None:
        # No close frame: it would have to wait behind what the client does not read.
        if not self.transport.is_closing():
            log.info("client dropped", extra={"facts": {"reason": reason}})
            self.transport.abort()
