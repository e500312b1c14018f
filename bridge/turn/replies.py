"""What TURN providers answer over HTTP, read strictly: bounded, of the right types, and nothing odd let through.

No reply, and nothing of one, is in a failure's text: replies hold passwords, and those that refuse may repeat a secret
that they were sent. All providers write their servers in one of two shapes, one object or a list of them, and `urls` as
one text or several; some still have `url`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.errors import ProviderFailed
from bridge.http import Fetch, HttpFailed, HttpReply, HttpRequest
from bridge.settings.ice_url import parse_ice_url
from bridge.turn.provider import TurnCredentials
from nips.errors import InvalidJson
from nips.strict_json import parse

MAX_REPLY_BYTES = 65_536
MAX_TEXT_BYTES = 512
"""Of a user name (RFC 8489 §14.3 has less than 509), a password or an address."""
MAX_URLS = 50

_MAX_DEPTH = 8
_CONNECT_SHARE = 0.5
"""Of a request's time, for its connection: a server that is not there leaves time to ask again."""
_BLOCKED_PORT = 53
"""Browsers do not connect to it, and wait until it times out."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What all providers over HTTP are asked for, and what is told."""

    http: Fetch = field(repr=False)
    urls: tuple[str, ...]
    """Told instead of the provider's own, unless empty."""
    requested_seconds: int
    told_seconds: int
    """The least lifetime that is of use."""
    deadline_seconds: float


class Answer:
    """One provider's reply; each method takes out one thing or raises `ProviderFailed`."""

    def __init__(self, reply: HttpReply, *, status: int) -> None:
        self._status = reply.status
        if reply.status != status:
            raise self.failed(f"its answer has status {reply.status} instead of {status}")
        try:
            self.value: Any = parse(reply.body.decode(), max_bytes=MAX_REPLY_BYTES, max_depth=_MAX_DEPTH)
        except UnicodeDecodeError:
            raise self.failed("its answer is not UTF-8") from None
        except InvalidJson:
            raise self.failed("its answer is not JSON as it should be") from None

    def failed(self, reason: str) -> ProviderFailed:
        """Return a failure with this reply's status."""
        return ProviderFailed(self._status, reason)

    def table(self, value: object, name: str) -> Mapping[str, Any]:
        """Return a value that has to be an object."""
        if not isinstance(value, dict):
            raise self.failed(f"its {name} is not an object")
        return value

    def text(self, value: object, name: str) -> str:
        """Return a value that has to be text for people and headers: short, nothing invisible."""
        if not isinstance(value, str):
            raise self.failed(f"its {name} is not text")
        if not value or len(value.encode()) > MAX_TEXT_BYTES or not value.isprintable():
            raise self.failed(f"its {name} is empty, too long or has control characters")
        return value

    def seconds(self, value: object, terms: Terms) -> int:
        """Return a lifetime, a number or its digits, that is what was asked for or still enough."""
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.failed("its lifetime is not a number of seconds")
        if value > terms.requested_seconds:
            raise self.failed("it grants more than turn.requested_ttl_seconds")
        if value < terms.told_seconds:
            raise self.failed("it grants less than turn.ttl_seconds")
        return value

    def servers(self, value: object) -> Sequence[Mapping[str, Any]]:
        """Return the ICE servers in either shape."""
        listed = value if isinstance(value, list) else [value]
        if len(listed) > MAX_URLS:
            raise self.failed("it lists too many servers")
        return [self.table(server, "ICE server") for server in listed]

    def login(self, servers: Iterable[Mapping[str, Any]]) -> tuple[str, str]:
        """Return user name and password of the first server that has them."""
        for server in servers:
            if "username" in server or "credential" in server:
                return self.text(server.get("username"), "user name"), self.text(server.get("credential"), "password")
        raise self.failed("it lists no server with a user name")

    def turn_urls(self, servers: Iterable[Mapping[str, Any]], login: tuple[str, str]) -> tuple[str, ...]:
        """Return the addresses to which a login belongs, as far as clients can use them; there has to be one."""
        urls: dict[str, None] = {}
        for server in servers:
            if (server.get("username"), server.get("credential")) == login:
                urls.update((url, None) for url in self._urls_of(server) if _is_useful(url))
        if not urls:
            raise self.failed("it names no TURN server of use")
        if len(urls) > MAX_URLS:
            raise self.failed("it lists too many servers")
        return tuple(urls)

    def _urls_of(self, server: Mapping[str, Any]) -> Iterator[str]:
        value = server.get("urls", server.get("url"))
        listed = value if isinstance(value, list) else [value]
        if len(listed) > MAX_URLS:
            raise self.failed("it lists too many servers")
        for url in listed:
            yield self.text(url, "address")


async def fetched(terms: Terms, request: HttpRequest) -> HttpReply:
    """Return the reply to a request, or raise `ProviderFailed` without a status."""
    try:
        return await terms.http.fetch(replace(request, connect_seconds=request.seconds * _CONNECT_SHARE))
    except HttpFailed as failed:
        raise ProviderFailed(None, str(failed)) from None


def granted(answer: Answer, terms: Terms, value: object, valid_seconds: int) -> TurnCredentials:
    """Return credentials from a list of ICE servers in either shape."""
    servers = answer.servers(value)
    login = answer.login(servers)
    return TurnCredentials(*login, terms.urls or answer.turn_urls(servers, login), valid_seconds)


def basic_auth(user: str, password: str) -> str:
    """Return the value of an Authorization header (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode('ascii')}"


def _is_useful(text: str) -> bool:
    try:
        url = parse_ice_url(text)
    except ValueError:
        return False
    return url.is_turn and url.port != _BLOCKED_PORT
