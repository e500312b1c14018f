"""`turn.get_credentials`."""

from __future__ import annotations

import base64
import hmac
import json
from pathlib import Path

import pytest

from bridge.callers import AnonymousCaller
from bridge.conditions import Conditions
from bridge.errors import ProviderFailed, Unauthorized
from bridge.pseudonyms import Pseudonyms
from bridge.services.turn import TurnGetCredentials
from bridge.settings.tree import Settings
from bridge.turn.chain import ChainRules, ProviderChain
from bridge.turn.names import Names
from bridge.turn.rules import name_rules, relay_rules
from bridge.turn.static import StaticProvider
from tests.support.clock import FixedClock
from tests.support.edges import TURN_URLS, ScriptedProvider
from tests.support.entropy import SeededEntropy
from tests.support.pipeline import COTURN_SECRET, STUN_URLS, Client, Json, a_coturn, a_pipeline

ALICE, BOB = Client("alice"), Client("bob")
METHOD = "turn.get_credentials"


def user_of(result: Json) -> str:
    username: str = result["turn_username"]
    return username.partition(":")[2]


async def test_credentials_are_those_that_coturn_computes(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        result = (await bridge.ask(ALICE, METHOD)).result
        expiry = bridge.clock.now() + 86_400
    username = result["turn_username"]
    assert username.partition(":")[0] == str(expiry)
    expected = base64.b64encode(hmac.digest(COTURN_SECRET, username.encode(), "sha1")).decode()
    assert result["turn_password"] == expected


async def test_the_same_credentials_stand_ready_for_a_peer_connection(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        result = (await bridge.ask(ALICE, METHOD)).result
    turn = {"urls": list(TURN_URLS), "username": result["turn_username"], "credential": result["turn_password"]}
    assert result["ice_servers"] == [{"urls": list(STUN_URLS)}, turn]
    assert result["turn_urls"] == list(TURN_URLS)
    assert result["ice_transport_policy"] == "all"
    assert result["turn_hostname"] == "turn.example.org"


async def test_relay_only_hides_the_peers_from_each_other(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        result = (await bridge.ask(ALICE, METHOD, {"relay_only": True})).result
    assert result["ice_transport_policy"] == "relay"
    assert "stun" not in json.dumps(result)
    assert [server["urls"] for server in result["ice_servers"]] == [list(TURN_URLS)]


async def test_relay_only_may_be_said_to_be_false(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        result = (await bridge.ask(ALICE, METHOD, {"relay_only": False})).result
    assert result["ice_transport_policy"] == "all"
    assert len(result["ice_servers"]) == 2


async def test_without_stun_servers_there_is_no_empty_entry(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"turn.stun_urls": ()}) as bridge:
        result = (await bridge.ask(ALICE, METHOD)).result
    assert [list(server) for server in result["ice_servers"]] == [["urls", "username", "credential"]]


async def test_clients_are_told_less_time_than_the_provider_gives(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        result = (await bridge.ask(ALICE, METHOD)).result
        lasts = int(result["turn_username"].partition(":")[0]) - bridge.clock.now()
    assert result["turn_ttl_seconds"] == 43_200
    assert result["turn_ttl_seconds"] <= lasts


async def test_a_user_is_the_same_all_day_and_another_the_next(tmp_path: Path) -> None:
    noon = 1_799_971_200 + 43_200
    async with a_pipeline(tmp_path, clock=FixedClock(noon)) as bridge:
        first = user_of((await bridge.ask(ALICE, METHOD)).result)
        bridge.clock.advance(43_199)
        assert user_of((await bridge.ask(ALICE, METHOD)).result) == first
        bridge.clock.advance(1)
        assert user_of((await bridge.ask(ALICE, METHOD)).result) != first


async def test_a_user_is_the_same_after_a_restart(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        first = user_of((await bridge.ask(ALICE, METHOD)).result)
    async with a_pipeline(tmp_path, run=2) as bridge:
        assert user_of((await bridge.ask(ALICE, METHOD)).result) == first


async def test_a_user_is_opaque_and_another_for_each_account(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        one = user_of((await bridge.ask(ALICE, METHOD)).result)
        two = user_of((await bridge.ask(BOB, METHOD)).result)
        account = (await bridge.ask(ALICE, "account.get")).result["account"]
        log_name = bridge.identity.pseudonyms.of_account(ALICE.key)
    assert one != two
    for known in (ALICE.key, account["aci"].replace("-", ""), account["pni"].replace("-", ""), log_name):
        assert known[:8] not in one
        assert one[:8] not in known


async def test_the_provider_learns_the_opaque_name_and_nothing_else(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        result = (await bridge.ask(ALICE, METHOD, {"relay_only": True})).result
    assert provider.users == [user_of(result)]


async def test_a_rotated_secret_signs_from_the_next_start_on(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, provider=a_coturn(b"old")) as bridge:
        old = (await bridge.ask(ALICE, METHOD)).result
    async with a_pipeline(tmp_path, provider=a_coturn(b"new"), run=2) as bridge:
        new = (await bridge.ask(ALICE, METHOD)).result
    assert old["turn_username"] == new["turn_username"]
    assert old["turn_password"] != new["turn_password"]


async def test_a_fixed_account_is_handed_out_as_it_is(tmp_path: Path) -> None:
    provider = StaticProvider(username="fixed", password="word", urls=TURN_URLS)
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        result = (await bridge.ask(ALICE, METHOD)).result
    assert (result["turn_username"], result["turn_password"]) == ("fixed", "word")


@pytest.mark.parametrize(("valid_seconds", "told"), [(None, 43_200), (86_400, 43_200), (43_199, 43_199), (60, 60)])
async def test_clients_are_told_no_longer_time_than_the_credentials_are_good_for(
    tmp_path: Path, valid_seconds: int | None, told: int
) -> None:
    provider = ScriptedProvider(valid_seconds=valid_seconds)
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        assert (await bridge.ask(ALICE, METHOD)).result["turn_ttl_seconds"] == told
        assert bridge.events[0][1]["turn_ttl_seconds"] == told


# --- with STUN servers and nothing else


async def test_without_a_provider_clients_are_told_the_stun_servers(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, has_provider=False) as bridge:
        assert METHOD in (await bridge.ask(ALICE)).result["methods"]
        result = (await bridge.ask(ALICE, METHOD)).result
        assert bridge.counts == {}
    assert result == {
        "turn_username": "",
        "turn_password": "",
        "turn_ttl_seconds": 43_200,
        "turn_urls": [],
        "turn_urls_with_ips": [],
        "turn_hostname": None,
        "ice_servers": [{"urls": list(STUN_URLS)}],
        "ice_transport_policy": "all",
    }


async def test_without_a_provider_nobody_can_be_hidden(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, has_provider=False) as bridge:
        error = (await bridge.ask(ALICE, METHOD, {"relay_only": True})).error
        assert (error["code"], error["status"], error["retry"]) == ("CALL_RELAY_PROVIDER_ERROR", 500, True)
        assert not bridge.counts
        assert bridge.core.tallies.own_faults == 0
        assert await bridge.remaining(ALICE, "turn") == 100


async def test_with_neither_turn_nor_stun_there_is_no_such_method(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, has_provider=False, changes={"turn.stun_urls": ()}) as bridge:
        assert METHOD not in (await bridge.ask(ALICE)).result["methods"]
        assert (await bridge.ask(ALICE, METHOD)).code == "BRIDGE_UNKNOWN_METHOD"


# --- what operators count


async def test_credentials_that_are_issued_are_counted_once(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        rumor = bridge.request(ALICE, METHOD)
        for _ in range(3):
            await bridge.send(ALICE, rumor)
        assert bridge.counts == {"call_relay.credentials_issued": 1}


async def test_an_event_names_the_account_by_pseudonym_only(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        result = (await bridge.ask(ALICE, METHOD)).result
        (event,) = bridge.events
        assert event == (
            "call_relay.credentials_issued",
            {"account_id": bridge.identity.pseudonyms.of_account(ALICE.key), "turn_ttl_seconds": 43_200},
        )
        assert user_of(result)[:8] not in json.dumps(event)


@pytest.mark.parametrize("http_status", [None, 503])
async def test_a_provider_that_fails_is_a_fault_of_ours(tmp_path: Path, http_status: int | None) -> None:
    provider = ScriptedProvider(ProviderFailed(http_status, "planted reason"))
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        error = (await bridge.ask(ALICE, METHOD)).error
        assert error == {
            "code": "CALL_RELAY_PROVIDER_ERROR",
            "status": 500,
            "message": "Unable to obtain relay credentials at this time. Please try again.",
            "retry": True,
        }
        assert bridge.events == [
            (
                "call_relay.provider_error",
                {"account_id": bridge.identity.pseudonyms.of_account(ALICE.key), "http_status": http_status},
            )
        ]
        assert await bridge.remaining(ALICE, "turn") == 100


async def test_a_provider_that_does_not_answer_in_time_has_failed(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    async with a_pipeline(tmp_path, provider=provider, changes={"turn.chain.provider_seconds": 0.05}) as bridge:
        assert (await bridge.ask(ALICE, METHOD)).code == "CALL_RELAY_PROVIDER_ERROR"
        ((name, payload),) = bridge.events
        assert (name, payload["http_status"]) == ("call_relay.provider_error", None)
        assert await bridge.remaining(ALICE, "turn") == 100


async def test_when_the_provider_recovers_the_same_rumor_succeeds(tmp_path: Path) -> None:
    provider = ScriptedProvider(ProviderFailed(503, "down"))
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        rumor = bridge.request(ALICE, METHOD)
        assert (await bridge.answer(ALICE, rumor)).code == "CALL_RELAY_PROVIDER_ERROR"
        provider.failure = None
        assert (await bridge.answer(ALICE, rumor)).code is None
        assert await bridge.remaining(ALICE, "turn") == 99


async def test_an_account_without_permits_is_counted(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 1}) as bridge:
        await bridge.ask(ALICE, METHOD)
        error = (await bridge.ask(ALICE, METHOD)).error
        assert (error["code"], error["retry_after"]) == ("CALL_RELAY_RATE_LIMITED", 600)
        assert bridge.counts["call_relay.rate_limited"] == 1


async def test_an_anonymous_caller_gets_nothing() -> None:
    clock = FixedClock()
    service = TurnGetCredentials(
        relay_rules(Settings()),
        chain=ProviderChain(ChainRules(()), clock=clock, entropy=SeededEntropy(), conditions=Conditions()),
        names=Names(name_rules(Settings()), clock, Conditions()),
        pseudonyms=Pseudonyms(bytes(32)),
        clock=clock,
    )
    with pytest.raises(Unauthorized):
        await service({}, AnonymousCaller(ALICE.key))
