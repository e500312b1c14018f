"""One HTTP request to a relay's address, with what comes along: headers, certificate, and the time of the answer.

Not for anything that needs redirects, cookies or a proxy. The body is bounded, and nothing of it is trusted.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from client.clock import Clock

MAX_PAGE_BYTES = 262_144
_PORTS = {"ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Page:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: str
    seconds: float
    """How long it took."""
    asked_at: float
    """Our clock at the middle of that time, in seconds since the epoch."""
    certificate_ends: int | None
    """When the certificate of a TLS server ends, in seconds since the epoch."""


class PageFailed(Exception):
    """No page came; the reason and the fix are for the operator."""

    def __init__(self, reason: str, fix: str, *, is_there: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix
        self.is_there = is_there
        """Whether something listens, which speaks another language."""


async def fetch(url: str, *, accept: str, clock: Clock, seconds: float) -> Page:
    """Ask for the page at the address of a relay (ws or wss); raise `PageFailed`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    begun, began_ms = clock.monotonic(), clock.now_ms()
    try:
        async with asyncio.timeout(seconds):
            raw, certificate_ends = await _exchange(
                _request(parts.path or "/", parts.query, parts.netloc, accept), host, port, is_tls=parts.scheme == "wss"
            )
    except TimeoutError:
        raise PageFailed(
            f"no answer within {seconds:g} seconds", "see whether the server runs and no firewall drops packets"
        ) from None
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        raise explained(error, host) from None
    took = clock.monotonic() - begun
    response = _parsed(raw)
    headers = {name.lower(): value for name, value in response.getheaders()}
    body = response.read(MAX_PAGE_BYTES).decode(errors="replace")
    return Page(response.status, headers, body, took, began_ms / 1000 + took / 2, certificate_ends)


async def certificate_end(host: str, port: int, *, name: str, seconds: float) -> int | None:
    """Return when a server's certificate ends, if it is accepted for a name; raise `PageFailed`."""
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(
                host, port, ssl=ssl.create_default_context(), server_hostname=name
            )
    except OSError as error:  # TimeoutError is one
        raise explained(error, name) from None
    try:
        return _end_of(writer)
    finally:
        writer.close()


def explained(error: Exception, host: str) -> PageFailed:
    """Say in words why a server could not be asked."""
    match error:
        case socket.gaierror():
            return PageFailed(f"the name {host} does not resolve", "correct the name, or its records in the DNS")
        case ssl.SSLCertVerificationError():
            return PageFailed(
                f"its certificate is not accepted: {error.verify_message}",
                f"renew the certificate for {host}, and have the server send the whole chain",
            )
        case ssl.SSLError():
            return PageFailed(
                f"TLS fails ({(error.reason or 'unknown').lower().replace('_', ' ')})",
                "see that the server speaks TLS on this port",
            )
        case ConnectionRefusedError():
            return PageFailed("nobody listens there", "start the server, or correct host and port")
        case ConnectionError():
            return PageFailed(
                "what listens there closes the connection at once",
                "see that it speaks TLS where the address says so (wss, turns), and only there",
                is_there=True,
            )
        case OSError() if error.strerror:
            return PageFailed(f"it cannot be reached ({error.strerror})", "look at the network of this machine")
        case _:
            return PageFailed("what listens there does not speak HTTP", "correct host and port", is_there=True)


def _request(path: str, query: str, host: str, accept: str) -> bytes:
    target = f"{path}?{query}" if query else path
    return (
        f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\nUser-Agent: nostr-switchboard\r\n"
        "Connection: close\r\n\r\n"
    ).encode()


async def _exchange(request: bytes, host: str, port: int, *, is_tls: bool) -> tuple[bytes, int | None]:
    context = ssl.create_default_context() if is_tls else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        certificate_ends = _end_of(writer)
        writer.write(request)
        raw = bytearray()
        while len(raw) < MAX_PAGE_BYTES and (chunk := await reader.read(65_536)):
            raw += chunk
    finally:
        writer.close()
    return bytes(raw), certificate_ends


def _end_of(writer: asyncio.StreamWriter) -> int | None:
    certificate = writer.get_extra_info("peercert")
    return int(ssl.cert_time_to_seconds(certificate["notAfter"])) if certificate else None


class _Received:
    """Bytes that `http.client` takes for a socket."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, mode: str) -> io.BytesIO:
        """Return what was received as a file."""
        return io.BytesIO(self._raw)


def _parsed(raw: bytes) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(_Received(raw))  # type: ignore[arg-type]
    try:
        response.begin()
    except (http.client.HTTPException, ValueError):
        raise PageFailed("what listens there does not speak HTTP", "correct host and port", is_there=True) from None
    return response
