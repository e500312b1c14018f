"""A web server that says exactly what a test has written for it, byte by byte, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
"""Is given a whole request and writes what it likes."""

SLOW: Final = None
"""A server that takes requests and never answers."""


class RawServer:
    """Keeps every request, head and body, as it came."""

    def __init__(self, answer: Answer | bytes | None) -> None:
        self.requests: list[bytes] = []
        self.url = ""
        self._answer = answer
        self._changed = asyncio.Condition()

    async def wait_asked(self, amount: int) -> None:
        """Wait until so many requests came."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= amount)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request and answer it; the connection is used for no other."""
        try:
            request = await _read(reader)
            self.requests.append(request)
            async with self._changed:
                self._changed.notify_all()
            if self._answer is None:
                await reader.read()
            elif isinstance(self._answer, bytes):
                writer.write(self._answer)
                await writer.drain()
            else:
                await self._answer(request, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away, which is its right
        finally:
            writer.close()


def reply(body: bytes | str, *, status: str = "200 OK", headers: str = "") -> bytes:
    """Return a whole reply."""
    content = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n{headers}\r\n"
    return head.encode() + content


async def _read(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return head + await reader.readexactly(int(value))
    return head


@asynccontextmanager
async def raw_server(answer: Answer | bytes | None, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Run a server on a free port of this machine."""
    served = RawServer(answer)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=tls)
    served.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.close()
