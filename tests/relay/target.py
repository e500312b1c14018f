"""The relay under test: where it is, and what was found out about it before the first check."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nips.keys import SecretKey

STORED_KINDS = (1, 10002, 10050, 0, 3, 30078)
"""Kinds that everybody may read, those first that leave content and tags to their author."""
EPHEMERAL_KINDS = (20001, 24133)
MOST_WORK = 16
"""Bits of work beyond which this suite would take too long."""
PATIENCE = 60.0
"""Seconds that a relay may have us wait before it lets us in, or takes more: it need not expect so much from one."""
PROBED_KINDS = (*STORED_KINDS, *EPHEMERAL_KINDS, 5, 62, 1059, 21059)


@dataclass(frozen=True, slots=True)
class Page:
    """What an HTTP request was answered with."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """A relay, and the facts that decide which rules apply to it."""

    url: str
    timeout: float = 5.0
    """Seconds that an answer may take."""
    member: SecretKey | None = None
    """A key that every connection proves first, for relays that serve members only."""
    information: Mapping[str, Any] | None = None
    """Its NIP-11 document."""
    refused: Mapping[int, str] = field(default_factory=dict)
    """Kinds of which a good event was refused, and with which words."""
    kept: frozenset[int] = frozenset()
    """Kinds of which a good event was taken and found again."""
    nothing: Mapping[str, Any] = field(default_factory=lambda: {"ids": ["0" * 64]})
    """A filter that finds nothing, and that it answers without more ado."""
    no_auth: str = ""
    """Why no key can be proved, where none can."""
    counts: bool = False
    """It answers COUNT."""
    hints: bool = False
    """Its EOSE has a third element (NIP-67)."""

    def claims(self, nip: int) -> bool:
        """Tell whether its document names a NIP."""
        nips = (self.information or {}).get("supported_nips")
        return isinstance(nips, list) and nip in nips

    def limit(self, name: str) -> int | None:
        """Return a number of its document's `limitation`."""
        limitation = (self.information or {}).get("limitation")
        value = limitation.get(name) if isinstance(limitation, dict) else None
        return value if type(value) is int else None

    @property
    def work(self) -> int:
        """Bits of work that every event is given, where the relay asks for a bearable amount (NIP-13)."""
        bits = self.limit("min_pow_difficulty") or 0
        return bits if bits <= MOST_WORK else 0

    async def fetch(self, method: str = "GET", **headers: str) -> Page:
        """Ask over HTTP on the URL of the websocket; names of headers have `_` for `-`."""
        request = urllib.request.Request(
            "http" + self.url.removeprefix("ws"),
            method=method,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        async with asyncio.timeout(PATIENCE):
            while True:
                page = await asyncio.to_thread(_fetch, request, self.timeout)
                if not (wait := wait_of(page.status, page.headers)):
                    return page
                await asyncio.sleep(wait)


def wait_of(status: int, headers: Mapping[str, str]) -> float:
    """Return how long a server that is too busy asks to wait, or 0."""
    said = headers.get("retry-after") or "1"
    return float(said) if status in (429, 503) and said.isdecimal() else 0


def _fetch(request: urllib.request.Request, timeout: float) -> Page:
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return Page(response.status, {k.lower(): v for k, v in response.headers.items()}, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Page(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


def document_of(page: Page) -> Mapping[str, Any] | None:
    """Return the relay information document, if that is what came."""
    try:
        document = json.loads(page.body)
    except ValueError:
        return None
    return document if page.status == 200 and isinstance(document, dict) else None
