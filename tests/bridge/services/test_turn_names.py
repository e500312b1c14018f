"""`turn.get_credentials` with addresses from the DNS and with experiments, against a name server on this machine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.settings.turn import ProviderKind
from bridge.settings.turn_names import AddressFamily
from bridge.turn.static import StaticProvider
from nips.nip19 import encode_npub
from tests.support.edges import TURN_URLS
from tests.support.name_server import NameServer, a_name_server, lines
from tests.support.pipeline import STUN_URLS, Client, Json, Pipeline, a_pipeline, settings_with

ALICE, BOB, CAROL = Client("alice"), Client("bob"), Client("carol")
METHOD = "turn.get_credentials"
PATTERNS = ("turn:%s", "turn:%s:80?transport=tcp", "turns:%s:443?transport=tcp")
NAME = "turn.example.org"
V4, V6 = "9.9.9.9", "2620:fe::fe"
FILLED_V4 = [pattern % V4 for pattern in PATTERNS]
FILLED_V6 = [pattern % f"[{V6}]" for pattern in PATTERNS]
ZONE = (f"{NAME} 60 A {V4}", f"{NAME} 60 AAAA {V6}")

TOLD_SETTINGS = {
    "turn.stun_urls": STUN_URLS,
    "turn.providers": (ProviderKind.COTURN,),
    "turn.coturn.urls": TURN_URLS,
}

BETA_URLS = ("turn:beta.example.org:3478", "turns:beta.example.org:443?transport=tcp")
BETA = {"turn.experiment.name": "beta", "turn.experiment.urls": BETA_URLS}


@asynccontextmanager
async def a_bridge(folder: Path, *zone: str, **changes: object) -> AsyncIterator[tuple[Pipeline, NameServer]]:
    """Run a pipeline beside a name server; `__` in a change's name stands for a dot."""
    async with a_name_server("127.0.0.1", *(zone or ZONE)) as server:
        figures: Json = {
            "turn.names.resolvers": ("{}:{}".format(*server.address),),
            "turn.coturn.urls_with_ips": PATTERNS,
            **{name.replace("__", "."): value for name, value in changes.items()},
        }
        provider = figures.pop("provider", None)
        async with a_pipeline(folder, changes=figures, provider=provider) as bridge:
            yield bridge, server


# --- host names become addresses


async def test_three_patterns_and_both_families_give_six_urls_ipv4_first(tmp_path: Path) -> None:
    zone = (f"{NAME} 60 A 127.0.0.1", f"{NAME} 60 AAAA ::1")
    fixed = StaticProvider(username="fixed", password="word", urls=TURN_URLS)
    changes = {"turn__names__allow_private": True, "turn__static__urls_with_ips": PATTERNS, "turn__ttl_seconds": 600}
    async with a_bridge(tmp_path, *zone, provider=fixed, **changes) as (bridge, _):
        result = (await bridge.ask(ALICE, METHOD)).result
    assert result["turn_urls_with_ips"] == [
        "turn:127.0.0.1",
        "turn:127.0.0.1:80?transport=tcp",
        "turns:127.0.0.1:443?transport=tcp",
        "turn:[::1]",
        "turn:[::1]:80?transport=tcp",
        "turns:[::1]:443?transport=tcp",
    ]
    assert (result["turn_username"], result["turn_password"]) == ("fixed", "word")
    assert (result["turn_ttl_seconds"], result["turn_hostname"]) == (600, NAME)


async def test_the_operator_chooses_which_family_stands_first(tmp_path: Path) -> None:
    async with a_bridge(tmp_path, turn__names__first_family=AddressFamily.IPV6) as (bridge, _):
        assert (await bridge.ask(ALICE, METHOD)).result["turn_urls_with_ips"] == FILLED_V6 + FILLED_V4


@pytest.mark.parametrize(("line", "filled"), [(0, FILLED_V4), (1, FILLED_V6)])
async def test_one_family_is_enough(tmp_path: Path, line: int, filled: list[str]) -> None:
    async with a_bridge(tmp_path, ZONE[line]) as (bridge, _):
        assert (await bridge.ask(ALICE, METHOD)).result["turn_urls_with_ips"] == filled


async def test_a_peer_connection_is_given_names_only(tmp_path: Path) -> None:
    async with a_bridge(tmp_path) as (bridge, _):
        result = (await bridge.ask(ALICE, METHOD)).result
    assert result["turn_urls_with_ips"] == FILLED_V4 + FILLED_V6
    assert [server["urls"] for server in result["ice_servers"]] == [list(STUN_URLS), list(TURN_URLS)]


async def test_relay_only_changes_nothing_about_addresses(tmp_path: Path) -> None:
    async with a_bridge(tmp_path) as (bridge, _):
        result = (await bridge.ask(ALICE, METHOD, {"relay_only": True})).result
    assert result["turn_urls_with_ips"] == FILLED_V4 + FILLED_V6
    assert "stun" not in json.dumps(result)


@pytest.mark.parametrize("code", ["SERVFAIL", "NXDOMAIN", "REFUSED"])
async def test_a_dns_that_fails_costs_the_addresses_and_nothing_else(tmp_path: Path, code: str) -> None:
    async with a_bridge(tmp_path) as (bridge, server):
        server.refuse(NAME, code)
        result = (await bridge.ask(ALICE, METHOD)).result
        assert bridge.counts == {"call_relay.credentials_issued": 1}
    assert result["turn_urls_with_ips"] == []
    assert (result["turn_urls"], result["turn_hostname"]) == (list(TURN_URLS), NAME)


async def test_a_dns_that_is_silent_keeps_one_request_waiting_and_no_other(tmp_path: Path) -> None:
    async with a_bridge(tmp_path, turn__names__timeout_seconds=0.1) as (bridge, server):
        server.gate.clear()
        assert (await bridge.ask(ALICE, METHOD)).result["turn_urls_with_ips"] == []
        asked = len(server.asked)
        assert (await bridge.ask(ALICE, METHOD)).result["turn_urls_with_ips"] == []
        assert len(server.asked) == asked


async def test_private_addresses_in_a_public_name_are_not_handed_out(tmp_path: Path) -> None:
    zone = (f"{NAME} 60 A 10.0.0.1", f"{NAME} 60 A 169.254.169.254", f"{NAME} 60 AAAA ::ffff:a00:1")
    async with a_bridge(tmp_path, *zone) as (bridge, _):
        result = (await bridge.ask(ALICE, METHOD)).result
    assert result["turn_urls_with_ips"] == []
    assert result["turn_urls"] == list(TURN_URLS)


async def test_a_name_that_turns_private_is_handed_out_no_more(tmp_path: Path) -> None:
    async with a_bridge(tmp_path) as (bridge, server):
        assert (await bridge.ask(ALICE, METHOD)).result["turn_urls_with_ips"] == FILLED_V4 + FILLED_V6
        server.serve(f"{NAME} 60 A 127.0.0.1", f"{NAME} 60 AAAA ::1")
        bridge.clock.advance(60)
        await bridge.ask(ALICE, METHOD)
        await server.wait_asked(4)
        entry = bridge.core.names._entries[NAME]
        if entry.under_way is not None:
            await entry.under_way.wait()
        assert (await bridge.ask(ALICE, METHOD)).result["turn_urls_with_ips"] == []


async def test_without_patterns_nobody_asks_the_dns(tmp_path: Path) -> None:
    async with a_bridge(tmp_path, turn__coturn__urls_with_ips=()) as (bridge, server):
        assert (await bridge.ask(ALICE, METHOD)).result["turn_urls_with_ips"] == []
        assert server.asked == []


async def test_a_host_name_that_is_an_address_needs_no_dns(tmp_path: Path) -> None:
    async with a_bridge(tmp_path, turn__coturn__hostname="10.1.2.3") as (bridge, server):
        result = (await bridge.ask(ALICE, METHOD)).result
        assert server.asked == []
    assert result["turn_urls_with_ips"] == [pattern % "10.1.2.3" for pattern in PATTERNS]
    assert result["turn_hostname"] == "10.1.2.3"


async def test_the_addresses_are_those_of_the_host_name_in_the_settings(tmp_path: Path) -> None:
    zone = (*ZONE, "tls.example.org 60 A 1.1.1.1")
    async with a_bridge(tmp_path, *zone, turn__coturn__hostname="tls.example.org") as (bridge, _):
        result = (await bridge.ask(ALICE, METHOD)).result
    assert result["turn_urls_with_ips"] == [pattern % "1.1.1.1" for pattern in PATTERNS]
    assert result["turn_hostname"] == "tls.example.org"


async def test_the_longest_answer_fits_into_a_wrap(tmp_path: Path) -> None:
    addresses = [f"2620:fe:ffff:ffff:ffff:ffff:ffff:{number}" for number in range(1000, 1030)]
    zone = (*lines(NAME, "AAAA", addresses), *lines(NAME, "A", [f"198.20.100.{number}" for number in range(100, 130)]))
    patterns = tuple(f"turns:%s:{10_000 + number}?transport=tcp" for number in range(20))
    changes = {"turn__names__max_addresses": 8, "turn__coturn__urls_with_ips": patterns}
    async with a_bridge(tmp_path, *zone, **changes) as (bridge, _):
        answer = await bridge.ask(ALICE, METHOD)
        assert len(answer.wrap.to_json()) < bridge.settings.relay.max_event_bytes
    assert len(answer.result["turn_urls_with_ips"]) == 2 * 8 * 20


# --- experiments


def reload(bridge: Pipeline, changes: Json) -> None:
    """Adopt settings as a reload does."""
    settings = settings_with({**TOLD_SETTINGS, **changes})
    for adopt in [part.prepare(settings) for part in bridge.core.live]:
        adopt()


async def told(bridge: Pipeline, client: Client) -> list[str]:
    urls: list[str] = (await bridge.ask(client, METHOD)).result["turn_urls"]
    return urls


async def test_without_an_experiment_all_are_told_the_same(tmp_path: Path) -> None:
    async with a_bridge(tmp_path) as (bridge, _):
        assert await told(bridge, ALICE) == await told(bridge, BOB) == list(TURN_URLS)


@pytest.mark.parametrize(("share", "urls"), [(0, TURN_URLS), (100, BETA_URLS)])
async def test_shares_of_nobody_and_everybody_are_exact(tmp_path: Path, share: float, urls: tuple[str, ...]) -> None:
    async with a_pipeline(tmp_path, changes={**BETA, "turn.experiment.share": share}) as bridge:
        for client in (ALICE, BOB, CAROL):
            assert await told(bridge, client) == list(urls)


async def test_excluded_goes_before_listed_and_listed_before_the_share(tmp_path: Path) -> None:
    lists = {
        "turn.experiment.listed": (encode_npub(ALICE.key), BOB.key),
        "turn.experiment.excluded": (encode_npub(BOB.key),),
    }
    async with a_pipeline(tmp_path, changes={**BETA, **lists}) as bridge:
        assert await told(bridge, ALICE) == list(BETA_URLS)
        assert await told(bridge, BOB) == list(TURN_URLS)
        assert await told(bridge, CAROL) == list(TURN_URLS)


async def test_who_takes_part_gets_addresses_of_its_own_and_the_providers_credentials(tmp_path: Path) -> None:
    zone = (*ZONE, "beta.example.org 60 A 1.1.1.1")
    changes = {
        "turn__experiment__name": "beta",
        "turn__experiment__urls": BETA_URLS,
        "turn__experiment__urls_with_ips": ("turn:%s:3478",),
        "turn__experiment__listed": (ALICE.key,),
    }
    async with a_bridge(tmp_path, *zone, **changes) as (bridge, _):
        alice, bob = (await bridge.ask(ALICE, METHOD)).result, (await bridge.ask(BOB, METHOD)).result
    assert alice["turn_urls_with_ips"] == ["turn:1.1.1.1:3478"]
    assert alice["turn_hostname"] == "beta.example.org"
    assert alice["ice_servers"][1]["urls"] == list(BETA_URLS)
    assert alice["turn_username"].partition(":")[0] == bob["turn_username"].partition(":")[0]
    assert bob["turn_urls_with_ips"] == FILLED_V4 + FILLED_V6
    assert bob["turn_hostname"] == NAME


async def test_an_experiment_does_not_touch_the_servers_of_another_provider(tmp_path: Path) -> None:
    providers = (ProviderKind.COTURN, ProviderKind.STATIC)
    changes = {**BETA, "turn.providers": providers, "turn.experiment.share": 100, "turn.experiment.provider": "static"}
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        assert await told(bridge, ALICE) == list(TURN_URLS)


async def test_a_reload_counts_from_the_next_request_on(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        assert await told(bridge, ALICE) == list(TURN_URLS)
        reload(bridge, {**BETA, "turn.experiment.share": 100})
        assert await told(bridge, ALICE) == list(BETA_URLS)
        reload(bridge, {**BETA, "turn.experiment.share": 100, "turn.experiment.excluded": (ALICE.key,)})
        assert await told(bridge, ALICE) == list(TURN_URLS)
        assert await told(bridge, BOB) == list(BETA_URLS)


async def test_a_reload_may_take_the_addresses_back_and_keeps_what_is_known(tmp_path: Path) -> None:
    async with a_bridge(tmp_path) as (bridge, server):
        resolvers = bridge.settings.turn.names.resolvers
        assert (await bridge.ask(ALICE, METHOD)).result["turn_urls_with_ips"] == FILLED_V4 + FILLED_V6
        reload(bridge, {"turn.names.resolvers": resolvers})
        assert (await bridge.ask(ALICE, METHOD)).result["turn_urls_with_ips"] == []
        reload(bridge, {"turn.names.resolvers": resolvers, "turn.coturn.urls_with_ips": PATTERNS[:1]})
        assert (await bridge.ask(ALICE, METHOD)).result["turn_urls_with_ips"] == [FILLED_V4[0], FILLED_V6[0]]
        assert len(server.asked) == 2


async def test_stun_servers_that_are_taken_out_take_the_method_along(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, has_provider=False) as bridge:
        assert (await bridge.ask(ALICE, METHOD)).code is None
        reload(bridge, {"turn.stun_urls": ()})
        assert (await bridge.ask(ALICE, METHOD)).code == "BRIDGE_UNKNOWN_METHOD"


async def test_who_takes_part_does_so_after_a_restart_too(tmp_path: Path) -> None:
    clients = [Client(f"client {number}") for number in range(12)]
    changes = {**BETA, "turn.experiment.share": 50}
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        first = [await told(bridge, client) for client in clients]
    async with a_pipeline(tmp_path, changes=changes, run=2) as bridge:
        assert [await told(bridge, client) for client in clients] == first
    assert len({tuple(urls) for urls in first}) == 2
