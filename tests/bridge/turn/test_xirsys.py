"""Xirsys."""

from __future__ import annotations

import json

import pytest

from bridge.errors import ProviderFailed
from bridge.http import HttpClient
from tests.bridge.turn.providers import USER, a_provider, terms
from tests.support.raw_http import raw_server, reply
from tests.support.turn_apis import CHANNEL, Account, serving, xirsys

TURN = {"urls": ["turn:a.example"], "username": "user", "credential": "word"}


async def test_credentials_are_those_of_the_answer(http: HttpClient) -> None:
    account = Account()
    async with serving(xirsys(account)) as url:
        given = await a_provider("xirsys", url, terms(http)).credentials(user=USER, now=1)
    assert (given.username, given.password, given.valid_seconds) == ("user-1", "planted-password-1", 2000)
    assert given.urls == ("turn:eu-turn1.xirsys.com:80?transport=udp",)
    assert account.asked == [("PUT", f"/_turn/{CHANNEL}", '{"format":"urls","expire":"2000"}')]


@pytest.mark.parametrize(
    "servers",
    [
        TURN,
        [TURN],
        [{"url": "stun:a.example"}, {"url": "turn:a.example", "username": "user", "credential": "word"}],
    ],
)
async def test_servers_come_as_one_or_as_a_list(http: HttpClient, servers: object) -> None:
    async with raw_server(reply(json.dumps({"s": "ok", "v": {"iceServers": servers}}))) as server:
        given = await a_provider("xirsys", server.url, terms(http)).credentials(user=USER, now=1)
    assert (given.username, given.password, given.urls) == ("user", "word", ("turn:a.example",))


@pytest.mark.parametrize("said", ["error", "OK", "", None, True])
async def test_200_is_a_failure_unless_the_answer_says_ok(http: HttpClient, said: object) -> None:
    async with raw_server(reply(json.dumps({"s": said, "v": {"iceServers": TURN}}))) as server:
        with pytest.raises(ProviderFailed, match="says that it failed") as failed:
            await a_provider("xirsys", server.url, terms(http)).credentials(user=USER, now=1)
    assert failed.value.http_status == 200


async def test_what_it_says_about_a_wrong_secret_is_not_repeated(http: HttpClient) -> None:
    async with serving(xirsys(Account())) as url:
        with pytest.raises(ProviderFailed) as failed:
            await a_provider("xirsys", url, terms(http), secret="planted-other").credentials(user=USER, now=1)
    assert str(failed.value) == "its answer says that it failed"
