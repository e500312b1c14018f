"""One client's socket: who is let in, what may wait for a client, and when it is dropped.

What waits for a client lies in its transport's buffer and nowhere else. Three things fill it: answers, which wait for
the buffer to empty before more is read from the client; live events, which never wait; and pongs, which `websockets`
writes by itself. A client that lets more pile up than `max_unsent_bytes`, or lies still for `stall_seconds` with the
buffer above its high-water mark, is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.protocol import OPEN

from bridge.relay.limits import ServerLimits

log = logging.getLogger(__name__)


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

    def push(self, text: str) -> bool:
        """Send without waiting; return False when the client is gone or has just been dropped."""
        if self.state is not OPEN or self.transport.is_closing():
            return False
        broadcast([self], text)
        return self._check_unsent()

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
        if self.transport.get_write_buffer_size() > self._limits.max_unsent_bytes:
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
