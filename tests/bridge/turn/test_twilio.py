"""Twilio's Network Traversal Service."""

from __future__ import annotations

import json

import pytest

from bridge.errors import ProviderFailed
from bridge.http import HttpClient
from bridge.turn.twilio import TwilioProvider
from tests.bridge.turn.providers import USER, a_provider, terms
from tests.support.raw_http import raw_server, reply
from tests.support.turn_apis import ACCOUNT_SID, KEY_SID, SECRET, Account, basic, serving, twilio

TURN = {"urls": "turn:a.example", "username": "user", "credential": "word"}
GOOD = {"username": "user", "password": "word", "ttl": "2000", "ice_servers": [TURN]}


async def test_credentials_are_those_of_the_answer(http: HttpClient) -> None:
    account = Account()
    async with serving(twilio(account)) as url:
        given = await a_provider("twilio", url, terms(http)).credentials(user=USER, now=1)
    assert (given.username, given.password, given.valid_seconds) == ("user-1", "planted-password-1", 2000)
    assert given.urls == ("turn:global.turn.twilio.com:3478?transport=udp",)
    assert account.asked == [("POST", f"/2010-04-01/Accounts/{ACCOUNT_SID}/Tokens.json", "Ttl=2000")]


@pytest.mark.parametrize(("key_sid", "user"), [(KEY_SID, KEY_SID), ("", ACCOUNT_SID)])
async def test_key_opens_the_account_or_else_its_own_token(http: HttpClient, key_sid: str, user: str) -> None:
    async with raw_server(reply(json.dumps(GOOD), status="201 Created")) as server:
        provider = TwilioProvider(
            terms=terms(http), endpoint=server.url, account_sid=ACCOUNT_SID, key_sid=key_sid, token=SECRET
        )
        await provider.credentials(user=USER, now=1)
        assert f"Authorization: {basic(user)}\r\n".encode() in server.requests[0]


@pytest.mark.parametrize("ttl", ["1000", "2000", 1500])
async def test_lifetime_is_a_number_or_its_digits(http: HttpClient, ttl: object) -> None:
    async with raw_server(reply(json.dumps({**GOOD, "ttl": ttl}), status="201 Created")) as server:
        given = await a_provider("twilio", server.url, terms(http)).credentials(user=USER, now=1)
    assert given.valid_seconds == int(str(ttl))


@pytest.mark.parametrize(
    "ttl", ["999", 999, "2001", 2001, "0", -5, "-5", "1e3", "٣٠٠٠", " 1500", "9" * 11, 1500.5, True, None, [1500]]
)
async def test_lifetime_that_is_none_or_not_what_was_asked_for_is_refused(http: HttpClient, ttl: object) -> None:
    async with raw_server(reply(json.dumps({**GOOD, "ttl": ttl}), status="201 Created")) as server:
        with pytest.raises(ProviderFailed, match=r"lifetime|grants") as failed:
            await a_provider("twilio", server.url, terms(http)).credentials(user=USER, now=1)
    assert (failed.value.http_status, failed.value.may_pass) == (201, False)


async def test_old_spelling_of_addresses_is_read(http: HttpClient) -> None:
    old = {"url": "turn:b.example", "username": "user", "credential": "word"}
    async with raw_server(reply(json.dumps({**GOOD, "ice_servers": [old]}), status="201 Created")) as server:
        given = await a_provider("twilio", server.url, terms(http)).credentials(user=USER, now=1)
    assert given.urls == ("turn:b.example",)
