"""Requests over HTTP to others: one session, bounded in every direction, and silent about what it carries.

A request may hold secrets in its address, its headers and its body, and so may the reply. So a failure is one of a few
fixed words, and neither side has a repr. Nothing is followed, unpacked, remembered or taken from the environment:
a redirect would carry a secret elsewhere, a compressed body may be a thousand times as large as it looks, and a proxy
or a password file that the environment names is not in the settings.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from bridge.errors import BridgeError
from bridge.settings.forms import is_private

MAX_CONNECTIONS = 100
"""Connections at once to all servers together; further requests wait, under their own deadline."""

_READ_BYTES = 16_384
_HEADERS = {"User-Agent": "Switchboard", "Accept-Encoding": "identity"}


class HttpFault(StrEnum):
    """Why there is no reply."""

    LATE = "no answer in time"
    UNREACHABLE = "cannot be reached"
    CERTIFICATE = "no TLS with a certificate that this machine trusts"
    BROKEN = "its answer broke off or is not HTTP"
    TOO_LARGE = "its answer is too large"
    EXPOSED = "it is not https, and not this machine"


class HttpFailed(BridgeError):
    """A request got no reply; the text is only the fault, since all else about a request may be secret."""

    def __init__(self, fault: HttpFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What is sent. Address, headers and body have no repr: each may hold a secret."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    seconds: float = 10
    """Time for all of it: name, connection, request and whole reply."""
    connect_seconds: float | None = None
    """Time for a new connection within that, so that some is left for another attempt; None: all of it."""
    max_bytes: int = 65_536
    """Bytes of the reply's body."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back, whatever its status; a redirect is a reply like any other."""

    status: int
    body: bytes = field(repr=False)


class Fetch(Protocol):
    """Sends a request and returns the reply."""

    async def fetch(self, request: HttpRequest) -> HttpReply:
        """Return the reply, or raise `HttpFailed`."""
        ...


class HttpClient:
    """Sends requests while it is entered. Certificates are checked against those that the machine trusts."""

    def __init__(self, *, trusted: ssl.SSLContext | None = None) -> None:
        self._trusted = trusted
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, ssl=self._trusted or True),
            # A jar that keeps nothing: a cookie would let a provider tell our requests apart.
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def fetch(self, request: HttpRequest) -> HttpReply:
        """Return the reply of any status, or raise `HttpFailed`."""
        if self._session is None:
            raise RuntimeError("the client is not entered")
        where = urlsplit(request.url)
        if not is_private(where.scheme, where.hostname or ""):
            raise HttpFailed(HttpFault.EXPOSED)
        try:
            async with asyncio.timeout(request.seconds):
                return await _exchange(self._session, request)
        except TimeoutError:
            raise HttpFailed(HttpFault.LATE) from None
        except aiohttp.ClientSSLError:
            raise HttpFailed(HttpFault.CERTIFICATE) from None
        except aiohttp.ClientConnectorError:
            raise HttpFailed(HttpFault.UNREACHABLE) from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise HttpFailed(HttpFault.BROKEN) from None


async def _exchange(session: aiohttp.ClientSession, request: HttpRequest) -> HttpReply:
    async with session.request(
        request.method,
        URL(request.url, encoded=True),
        headers=request.headers,
        data=request.body,
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=request.connect_seconds),
    ) as reply:
        body = bytearray()
        async for part in reply.content.iter_chunked(_READ_BYTES):
            body += part
            if len(body) > request.max_bytes:
                # Closed, so that the rest of it is neither read nor waited for.
                reply.close()
                raise HttpFailed(HttpFault.TOO_LARGE)
        return HttpReply(reply.status, bytes(body))
