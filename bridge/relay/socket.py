"""One client's socket: who is let in, what may wait for a client, and when it is dropped.

What waits for a client lies in its transport's buffer, into which each turn of the event loop puts all it has in one
piece. Three things fill it: answers, which wait for the buffer to empty before more is read from the client; live
events, which never wait; and pongs, which `websockets` writes by itself. A client that lets more pile up than
`max_unsent_bytes`, or lies still for `stall_seconds` with the buffer above its high-water mark, is dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CTRL_OPCODES, Frame
from websockets.protocol import CLOSING, OPEN, Event

from bridge.relay.addresses import Addresses, Origin
from bridge.relay.limits import ServerLimits
from bridge.relay.pages import FULL, Page, too_many
from bridge.relay.rates import Rate

log = logging.getLogger(__name__)

HIGH_WATER_BYTES = 65_536
"""Waiting bytes from which on the sender of an answer waits."""

# What is read from one client at once.
_READ_BYTES = 16_384

# What a client may still have had on its way when we closed.
_LATE_BYTES = 4 * _READ_BYTES

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

# How long somebody is sent away whose address has as many connections as it may have.
_CROWDED_SECONDS = 30


@dataclass(slots=True)
class Crowd:
    """Everybody who is connected, those of them who have opened a websocket, and where they come from."""

    addresses: Addresses
    all: set[ClientSocket] = field(default_factory=set)
    clients: set[ClientSocket] = field(default_factory=set)
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(_READ_BYTES)))
    has_hinted: bool = False
    """The operator was told that a proxy seems to be there which no setting names."""


class ClientSocket(ServerConnection, asyncio.BufferedProtocol):
    """A websocket that drops a client which does not read, or makes work for us alone.

    All sockets read into one buffer, whose length bounds what one client can have parsed before others have their turn,
    and how many frames can wait for it. By itself asyncio reads up to 256 KiB: forty thousand empty frames.
    """

    def __init__(self, *arguments: Any, crowd: Crowd, limits: ServerLimits, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._crowd = crowd
        self._limits = limits
        self._stall: asyncio.TimerHandle | None = None
        self._controls = Rate(limits.controls)
        self._request_bytes = 0
        self._late_bytes = 0
        self._flush: asyncio.Handle | None = None
        self._gathered_bytes = 0
        self._origin: Origin | None = None
        self._wait = 0.0
        self._is_unnamed_proxy = False
        self._leaving: asyncio.TimerHandle | None = None
        self.patience: asyncio.Timeout | None = None
        """Of whoever waits for the client's next frame."""

    @property
    def origin(self) -> Origin:
        """Where the client comes from; known once it has asked for something."""
        if self._origin is None:
            raise RuntimeError("the client has not asked for anything yet")
        return self._origin

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

    @property
    def has_frames(self) -> bool:
        """Tell whether `recv` returns without waiting."""
        return len(self.recv_messages.frames) > 0

    async def room(self) -> None:
        """Wait until nearly all that was sent is with the client; raise `ConnectionClosed` when it is gone."""
        if self.state is OPEN and not self.paused:
            return
        async with self.send_context():
            pass  # leaving it writes what was gathered, and waits

    def interrupt(self) -> None:
        """Have nobody wait for the client's next frame; it is dropped if it is still there when closing takes long."""
        if self.patience is not None and not self.patience.expired():
            self.patience.reschedule(0)
        if self._leaving is None:
            # Twice: whoever sends it away may wait so long for its answers, and again for its close.
            self._leaving = self.loop.call_later(2 * self._limits.close_seconds, self._drop, "does not leave")

    async def dismiss(self, code: int, reason: str) -> None:
        """Close, and read on meanwhile: the client's own close comes behind what it sent ahead."""
        # The client may be closing by itself in this moment, and was answered; then what is left is to wait.
        if self.state is OPEN:
            self.protocol.send_close(code, reason)
            self.send_data()
        with suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(self._limits.close_seconds):
                while True:
                    await self.recv()
        self.transport.abort()

    def send_data(self) -> None:
        """Write what was gathered in one piece: each write is a call to the kernel."""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        self._gathered_bytes = 0
        frames = self.protocol.data_to_send()
        if self.transport.is_closing():
            return
        # After the end not even nothing may be written.
        if data := b"".join(frames):
            self.transport.write(data)
        # An empty one stands for the end.
        if frames and not frames[-1] and self.transport.can_write_eof():
            with suppress(OSError, RuntimeError):
                self.transport.write_eof()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._crowd.all.add(self)
        addresses, peer = self._crowd.addresses, self._peer()
        if not addresses.is_proxy(peer):
            self._enter(peer)
        # As many again may be opening, or asking for a page; past that nobody is even listened to.
        is_crowded = self._origin is not None and self._origin.connections > 2 * addresses.limits.max_connections
        if is_crowded or len(self._crowd.all) > 2 * self._limits.max_connections:
            self.transport.abort()

    def arrive(self, forwarded: Sequence[str]) -> Page | None:
        """Find out where the client comes from; return a refusal if too much does."""
        if self.transport.is_closing():
            return FULL  # nobody reads it, and nobody would count the end of a connection that is over
        if self._origin is None:
            self._enter(self._crowd.addresses.caller(self._peer(), forwarded))
        else:
            self._is_unnamed_proxy = bool(forwarded)
        return self._send_away(self._wait) if self._wait else None

    def admit(self) -> Page | None:
        """Count this one among the clients, or return the refusal if there is no room."""
        if self.origin.clients >= self._crowd.addresses.limits.max_connections:
            return self._send_away(_CROWDED_SECONDS)
        if len(self._crowd.clients) >= self._limits.max_connections:
            return FULL
        self._crowd.clients.add(self)
        self.origin.clients += 1
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.all.discard(self)
        if self in self._crowd.clients:
            self._crowd.clients.discard(self)
            self.origin.clients -= 1
        if self._origin is not None:
            self._crowd.addresses.leave(self._origin)
        self._end_stall()
        for waiting in (self._flush, self._leaving):
            if waiting is not None:
                waiting.cancel()
        super().connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read to."""
        return self._crowd.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read, before another socket reads."""
        self.data_received(bytes(self._crowd.buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        if self.request is None:
            self._request_bytes += len(data)
            if self._request_bytes > self._limits.max_request_bytes:
                self.transport.write(_TOO_LARGE)
                return self.transport.close()
        if self.state is CLOSING:
            # What comes now is parsed to find the answer to our close, and is not held up by anything.
            self._late_bytes += len(data)
            if self._late_bytes > _LATE_BYTES:
                return self._drop("goes on after our close")
        super().data_received(data)
        self._check_unsent()

    def process_event(self, event: Event) -> None:
        super().process_event(event)
        # Each is answered, or looked up, at once, where no other rate counts.
        is_control = isinstance(event, Frame) and event.opcode in CTRL_OPCODES
        if is_control and self._controls.take(self.loop.time()):
            self._drop("sends too many pings")

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall = self.loop.call_later(self._limits.stall_seconds, self._drop, "reads nothing")

    def resume_writing(self) -> None:
        super().resume_writing()
        self._end_stall()

    def _peer(self) -> str:
        name = self.transport.get_extra_info("peername")
        # Whoever comes by anything but IP has no address, and is one with all others like that.
        return str(name[0]) if isinstance(name, tuple) else ""

    def _enter(self, address: str) -> None:
        self._origin = self._crowd.addresses.enter(address)
        self._wait = self._origin.arrivals.take(self.loop.time())

    def _send_away(self, wait_seconds: float) -> Page:
        if self._is_unnamed_proxy and not self._crowd.has_hinted:
            self._crowd.has_hinted = True
            log.warning("clients refused that a proxy seems to speak for: name the proxy in relay.trusted_proxies")
        return too_many(wait_seconds)

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
