"""Metered."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from bridge.errors import ProviderFailed
from bridge.http import HttpClient
from tests.bridge.turn.providers import USER, a_provider, terms
from tests.support.raw_http import raw_server, reply
from tests.support.turn_apis import SECRET, Account, metered, serving

GOOD = {"username": "user", "password": "word", "expiryInSeconds": 2000, "apiKey": "key"}


async def test_credentials_and_servers_come_by_two_requests(http: HttpClient) -> None:
    account = Account()
    async with serving(metered(account)) as url:
        given = await a_provider("metered", url, terms(http)).credentials(user=USER, now=1)
    assert (given.username, given.password, given.valid_seconds) == ("user-1", "planted-password-1", 2000)
    assert given.urls == ("turn:global.relay.metered.ca:80", "turns:global.relay.metered.ca:443?transport=tcp")
    create, listing = account.asked
    assert create == ("POST", f"/api/v1/turn/credential?secretKey={quote(SECRET, safe='')}", '{"expiryInSeconds":2000}')
    assert listing == ("GET", "/api/v1/turn/credentials?apiKey=key-user-1", "")


async def test_configured_addresses_save_the_second_request(http: HttpClient) -> None:
    account = Account()
    async with serving(metered(account)) as url:
        provider = a_provider("metered", url, terms(http, urls=("turn:own.example",)))
        assert (await provider.credentials(user=USER, now=1)).urls == ("turn:own.example",)
    assert len(account.asked) == 1


async def test_credential_without_a_lifetime_is_good_for_ever_and_refused(http: HttpClient) -> None:
    for expiry in ({}, {"expiryInSeconds": None}, {"expiryInSeconds": 0}):
        body = {key: value for key, value in GOOD.items() if key != "expiryInSeconds"} | expiry
        async with raw_server(reply(json.dumps(body))) as server:
            with pytest.raises(ProviderFailed, match=r"lifetime|grants less"):
                await a_provider("metered", server.url, terms(http)).credentials(user=USER, now=1)


@pytest.mark.parametrize("key", ["", "a\nb", "k" * 513, 7, None])
async def test_api_key_that_is_odd_is_not_sent(http: HttpClient, key: object) -> None:
    async with raw_server(reply(json.dumps({**GOOD, "apiKey": key}))) as server:
        with pytest.raises(ProviderFailed, match="API key"):
            await a_provider("metered", server.url, terms(http)).credentials(user=USER, now=1)
        assert len(server.requests) == 1


async def test_api_key_cannot_add_to_the_address(http: HttpClient) -> None:
    async with raw_server(reply(json.dumps({**GOOD, "apiKey": "a&secretKey=b#c/d"}))) as server:
        with pytest.raises(ProviderFailed):
            await a_provider("metered", server.url, terms(http)).credentials(user=USER, now=1)
        assert (
            server.requests[1].split(b"\r\n")[0]
            == b"GET /api/v1/turn/credentials?apiKey=a%26secretKey%3Db%23c%2Fd HTTP/1.1"
        )


async def test_secret_in_the_address_is_in_no_failure(http: HttpClient) -> None:
    async with serving(metered(Account())) as url:
        with pytest.raises(ProviderFailed) as failed:
            await a_provider("metered", url, terms(http), secret="planted-other").credentials(user=USER, now=1)
    assert failed.value.http_status == 401
    assert "planted" not in str(failed.value)
