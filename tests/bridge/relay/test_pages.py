"""What plain HTTP gets."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest

from bridge.relay.pages import Page, Pages, Question, too_many
from nips.nip11 import MEDIA_TYPE, RelayInformation

PAGES = Pages(RelayInformation(name="Switchboard", description="A bridge."), "wss://relay.example/nostr")


def ask(method: str = "GET", path: str = "/", accept: str = "", *, websocket: bool = False) -> Page | None:
    return PAGES.answer(Question(method, path, accept, wants_websocket=websocket))


def page(method: str = "GET", path: str = "/", accept: str = "") -> Page:
    answer = ask(method, path, accept)
    assert answer is not None
    return answer


@pytest.mark.parametrize("accept", [MEDIA_TYPE, f"text/html, {MEDIA_TYPE};q=0.9", MEDIA_TYPE.upper()])
def test_who_accepts_the_document_gets_it(accept: str) -> None:
    document = page(accept=accept)
    assert document.status is HTTPStatus.OK
    assert document.media_type == MEDIA_TYPE
    assert json.loads(document.text)["name"] == "Switchboard"
    assert ("Access-Control-Allow-Origin", "*") in document.headers


@pytest.mark.parametrize("accept", ["", "*/*", "text/html"])
def test_anybody_else_reads_what_this_is_and_how_to_use_it(accept: str) -> None:
    words = page(accept=accept)
    assert words.media_type.startswith("text/plain")
    assert "Nostr relay" in words.text
    assert "wss://relay.example/nostr" in words.text
    assert ("Vary", "Accept") in words.headers


def test_browser_may_ask_first() -> None:
    preflight = page("OPTIONS")
    assert preflight.status is HTTPStatus.NO_CONTENT
    assert dict(preflight.headers).keys() >= {
        "Access-Control-Allow-Origin",
        "Access-Control-Allow-Headers",
        "Access-Control-Allow-Methods",
    }


def test_head_is_a_get_without_body() -> None:
    assert page("HEAD").text == page("GET").text
    assert not page("HEAD").has_body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "CONNECT", "get"])
def test_nothing_can_be_done_over_http(method: str) -> None:
    refused = page(method)
    assert refused.status is HTTPStatus.METHOD_NOT_ALLOWED
    assert ("Allow", "GET, HEAD, OPTIONS") in refused.headers


@pytest.mark.parametrize(("wait", "told"), [(0.001, "1"), (1.5, "2"), (30, "30")])
def test_who_is_sent_away_is_told_when_to_come_again(wait: float, told: str) -> None:
    refused = too_many(wait)
    assert refused.status is HTTPStatus.TOO_MANY_REQUESTS
    assert ("Retry-After", told) in refused.headers


@pytest.mark.parametrize("path", ["/", "/nostr", "/?x=1", "/nostr?x"])
def test_relay_is_at_the_root_and_at_its_public_path(path: str) -> None:
    assert ask(path=path, websocket=True) is None
    assert page(path=path).status is HTTPStatus.OK


@pytest.mark.parametrize("path", ["/other", "/nostr/", "//", "//[", "*", ""])
def test_nothing_is_anywhere_else(path: str) -> None:
    for websocket in (True, False):
        answer = ask(path=path, websocket=websocket)
        assert answer is not None
        assert answer.status is HTTPStatus.NOT_FOUND
