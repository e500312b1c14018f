"""`turn.get_credentials` with a provider over HTTP, from the request to its answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.http import HttpClient
from tests.bridge.turn.providers import a_provider, terms
from tests.support.pipeline import Client, a_pipeline
from tests.support.raw_http import raw_server, reply
from tests.support.turn_apis import CLOUDFLARE_URLS, SECRET, Account, cloudflare, good_replies, serving

ALICE, BOB = Client("alice"), Client("bob")
METHOD = "turn.get_credentials"
GOOD_BODY = good_replies("cloudflare")[0].partition(b"\r\n\r\n")[2]


async def test_every_account_gets_credentials_of_its_own_and_the_provider_learns_of_none(tmp_path: Path) -> None:
    account = Account()
    async with HttpClient() as http, serving(cloudflare(account)) as url:
        provider = a_provider("cloudflare", url, terms(http, urls=CLOUDFLARE_URLS, requested=86_400, told=43_200))
        async with a_pipeline(tmp_path, provider=provider) as bridge:
            given = [(await bridge.ask(client, METHOD)).result for client in (ALICE, BOB)]
    assert [one["turn_username"] for one in given] == account.issued
    assert [one["turn_ttl_seconds"] for one in given] == [43_200, 43_200]
    assert account.asked[0] == account.asked[1]


@pytest.mark.parametrize(
    ("said", "http_status"),
    [
        (reply(GOOD_BODY), 200),
        (reply(GOOD_BODY, status="400 Bad"), 400),
        (reply(SECRET, status="403 Forbidden"), 403),
        (reply(SECRET, status="503 Down"), 503),
        (reply(b'{"iceServers":', status="201 Created"), 201),
        (b"", None),
    ],
)
async def test_provider_that_misbehaves_is_one_error_to_try_again_and_takes_no_permit(
    tmp_path: Path, said: bytes, http_status: int | None
) -> None:
    async with HttpClient() as http, raw_server(said) as server:
        provider = a_provider("cloudflare", server.url, terms(http, requested=86_400, told=43_200))
        async with a_pipeline(tmp_path, provider=provider) as bridge:
            error = (await bridge.ask(ALICE, METHOD)).error
            assert (error["code"], error["status"], error["retry"]) == ("CALL_RELAY_PROVIDER_ERROR", 500, True)
            ((name, payload),) = bridge.events
            assert (name, payload["http_status"]) == ("call_relay.provider_error", http_status)
            assert await bridge.remaining(ALICE, "turn") == 100
            assert "planted" not in f"{error} {bridge.events}"
