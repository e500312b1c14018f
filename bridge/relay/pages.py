"""What plain HTTP gets on the websocket's port: the NIP-11 document, a word to people, and CORS for browsers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from nips.nip11 import CORS_HEADERS, MEDIA_TYPE, RelayInformation

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """An HTTP response."""

    status: HTTPStatus
    media_type: str = TEXT
    text: str = ""
    headers: Sequence[tuple[str, str]] = ()
    has_body: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """The part of an HTTP request that matters."""

    method: str
    path: str
    accept: str
    wants_websocket: bool


class Pages:
    """Answers HTTP requests."""

    def __init__(self, information: RelayInformation, url: str) -> None:
        """Take the relay's URL: it is one endpoint, and other paths are nowhere (NIP-01)."""
        self._document = information.to_json()
        self._words = _words(information, url)
        # A proxy may strip the path that the outside knows.
        self._paths = {"/", urlsplit(url).path or "/"}

    def answer(self, question: Question) -> Page | None:
        """Return the response, or None when the request is the opening of a websocket."""
        if question.path.partition("?")[0] not in self._paths:
            return Page(HTTPStatus.NOT_FOUND, text="There is nothing here. The relay is at the root.\n")
        if question.method == "OPTIONS":
            return Page(HTTPStatus.NO_CONTENT, headers=CORS_HEADERS, has_body=False)
        if question.method not in ("GET", "HEAD"):
            allowed = (("Allow", "GET, HEAD, OPTIONS"),)
            return Page(HTTPStatus.METHOD_NOT_ALLOWED, text="This is a Nostr relay.\n", headers=allowed)
        if question.wants_websocket:
            return None
        # One URL, two documents: caches must not serve one for the other.
        headers = (*CORS_HEADERS, ("Vary", "Accept"))
        has_body = question.method == "GET"
        if MEDIA_TYPE in question.accept.lower():
            return Page(HTTPStatus.OK, MEDIA_TYPE, self._document, headers, has_body)
        return Page(HTTPStatus.OK, TEXT, self._words, headers, has_body)


def too_many(wait_seconds: float) -> Page:
    """Return the refusal of somebody whose address has too many connections, or opens them too fast."""
    wait = max(1, math.ceil(wait_seconds))
    return Page(
        HTTPStatus.TOO_MANY_REQUESTS,
        text="Too many connections from your address.\n",
        headers=(*CORS_HEADERS, ("Retry-After", str(wait))),
    )


FULL = Page(
    HTTPStatus.SERVICE_UNAVAILABLE, text="Too many clients, come back soon.\n", headers=(("Retry-After", "30"),)
)


def _words(information: RelayInformation, url: str) -> str:
    title = information.name or "A Nostr relay"
    return f"{title}\n\n{information.description}\n\nThis is a Nostr relay. Give a Nostr client this address: {url}\n"
