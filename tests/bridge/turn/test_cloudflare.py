"""Cloudflare Realtime."""

from __future__ import annotations

import json

import pytest

from bridge.errors import ProviderFailed
from bridge.http import HttpClient
from tests.bridge.turn.providers import USER, a_provider, terms
from tests.support.raw_http import raw_server, reply
from tests.support.turn_apis import CLOUDFLARE_URLS, KEY_ID, SECRET, Account, cloudflare, good_replies, serving

TURN = {"urls": "turn:a.example", "username": "user", "credential": "word"}


async def test_credentials_are_those_of_the_answer_and_live_as_long_as_asked(http: HttpClient) -> None:
    account = Account()
    async with serving(cloudflare(account)) as url:
        given = await a_provider("cloudflare", url, terms(http)).credentials(user=USER, now=1)
    assert (given.username, given.password, given.valid_seconds) == ("user-1", "planted-password-1", 2000)
    assert given.urls == CLOUDFLARE_URLS


async def test_request_is_a_post_with_the_token_and_the_lifetime(http: HttpClient) -> None:
    async with raw_server(good_replies("cloudflare")[0]) as server:
        await a_provider("cloudflare", server.url, terms(http)).credentials(user=USER, now=1)
        (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(f"POST /v1/turn/keys/{KEY_ID}/credentials/generate-ice-servers HTTP/1.1\r\n".encode())
    assert f"\r\nAuthorization: Bearer {SECRET}\r\n".encode() in head + b"\r\n"
    assert b"\r\nContent-Type: application/json\r\n" in head + b"\r\n"
    assert json.loads(body) == {"ttl": 2000}


@pytest.mark.parametrize("servers", [TURN, [TURN], [{"urls": ["stun:a.example"]}, TURN]])
async def test_servers_come_as_one_or_as_a_list(http: HttpClient, servers: object) -> None:
    body = json.dumps({"iceServers": servers})
    async with raw_server(reply(body, status="201 Created")) as server:
        given = await a_provider("cloudflare", server.url, terms(http)).credentials(user=USER, now=1)
    assert (given.username, given.password, given.urls) == ("user", "word", ("turn:a.example",))


async def test_200_is_not_201(http: HttpClient) -> None:
    async with raw_server(reply(json.dumps({"iceServers": TURN}))) as server:
        with pytest.raises(ProviderFailed, match="status 200 instead of 201") as failed:
            await a_provider("cloudflare", server.url, terms(http)).credentials(user=USER, now=1)
    assert (failed.value.http_status, failed.value.may_pass) == (200, False)


async def test_token_that_is_wrong_is_told_without_it(http: HttpClient) -> None:
    async with serving(cloudflare(Account())) as url:
        with pytest.raises(ProviderFailed) as failed:
            await a_provider("cloudflare", url, terms(http), secret="planted-other").credentials(user=USER, now=1)
    assert failed.value.http_status == 401
    assert "planted" not in str(failed.value)
