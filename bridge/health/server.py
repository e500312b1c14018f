"""Metrics and health over HTTP, on a port of their own: three addresses, one answer for each connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from bridge.conditions import Conditions
from bridge.errors import StartupError
from bridge.health.metrics import CONTENT_TYPE
from nips.strict_json import dump

CONNECTION_SECONDS: Final = 10.0
"""How long a connection may last in all, however slowly its other end reads or writes."""


CLOSING_SECONDS: Final = 0.1
"""How long an answer that is being made at the end may take."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    status: int
    content_type: str
    body: bytes


class HealthServer:
    """Listens from entering its context to leaving it."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        max_connections: int,
        metrics: Callable[[], bytes],
        conditions: Conditions,
        connection_seconds: float = CONNECTION_SECONDS,
    ) -> None:
        """Take 0 as any free port."""
        self.port = port
        self.is_stopping = False
        """Tells whoever sends requests here to send them elsewhere."""
        self._host = host
        self._max_connections = max_connections
        self._connection_seconds = connection_seconds
        self._pages: Mapping[str, Callable[[], Page]] = {
            "/metrics": lambda: Page(200, CONTENT_TYPE, metrics()),
            "/healthz": lambda: Page(200, "text/plain; charset=utf-8", b"ok\n"),
            "/readyz": lambda: readiness(conditions, is_stopping=self.is_stopping),
        }

    async def __aenter__(self) -> Self:
        self._http = web.Server(self._answer, access_log=None)
        try:
            self._server = await asyncio.get_running_loop().create_server(self._connection, self._host, self.port)
        except OSError as error:
            raise StartupError(
                f"metrics.host = {self._host!r}, metrics.port = {self.port}: cannot listen there "
                f"({error.strerror or error}); write another host or port, or enabled = false"
            ) from None
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        # To this library 0 seconds are for ever.
        await self._http.shutdown(timeout=CLOSING_SECONDS)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where it listens."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    def _connection(self) -> asyncio.Protocol:
        if len(self._http.connections) >= self._max_connections:
            return _Refused()
        protocol = self._http()
        asyncio.get_running_loop().call_later(self._connection_seconds, _abort, protocol)
        return protocol

    async def _answer(self, request: BaseRequest) -> web.Response:
        make = self._pages.get(request.path)
        if make is None:
            page = Page(404, "text/plain; charset=utf-8", b"there are /metrics, /healthz and /readyz\n")
        elif request.method not in ("GET", "HEAD"):
            page = Page(405, "text/plain; charset=utf-8", b"use GET\n")
        else:
            page = make()
        response = web.Response(status=page.status, body=page.body, headers={"Content-Type": page.content_type})
        if page.status == 405:
            response.headers["Allow"] = "GET, HEAD"
        # The next question comes in a connection of its own, with time of its own.
        response.force_close()
        return response


def readiness(conditions: Conditions, *, is_stopping: bool = False) -> Page:
    """Return 503 while something keeps requests from being answered; either way name what is degraded."""
    down = sorted(conditions.down)
    is_ready = not down and not is_stopping
    facts = {"ready": is_ready, "stopping": is_stopping, "down": down, "problems": dict(conditions.problems)}
    return Page(200 if is_ready else 503, "application/json", dump(facts).encode() + b"\n")


def _abort(protocol: RequestHandler) -> None:
    if protocol.transport is not None:
        protocol.transport.abort()


class _Refused(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.abort()
