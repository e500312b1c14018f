"""A whole bridge, as its operator's machines see it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.health.memory import IncidentMemory, Told
from bridge.operation import sizes_of
from bridge.settings.rendering import render
from bridge.settings.tree import Settings
from nips import kinds
from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.keys import PublicKey
from nips.nip19 import encode_npub
from nips.nip59 import open_wrap
from tests.bridge.relay.peer import peer
from tests.bridge.test_revocation import ALICE, LAPTOP, PHONE, listening
from tests.support.bridges import a_bridge, a_client, a_home, bridge_settings
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.wraps import AUTHOR, NOW


async def read(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


def metric(text: str, name: str, **labels: str) -> float:
    (found,) = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"switchboard_{name}" and sample.labels == labels
    ]
    return found


async def test_what_happens_shows_in_the_metrics(tmp_path: Path) -> None:
    settings = bridge_settings()
    home = await a_home(tmp_path, settings)
    async with within(30), a_bridge(home, settings) as bridge:
        assert bridge.metrics_url is not None
        async with a_client(bridge, AUTHOR) as client:
            await client.turn_credentials()
            status, text = await read(f"{bridge.metrics_url}/metrics")
            assert status == 200
            assert metric(text, "events_total", event="call_relay.credentials_issued") == 1
            assert metric(text, "request_seconds_count", method="turn.get_credentials", outcome="ok") == 1
            assert metric(text, "relay_events_total", verdict="accepted") == 1
            assert metric(text, "provider_requests_total", provider="coturn", outcome="granted") == 1
            assert metric(text, "in_memory", kind="connections") == 1
            assert (
                metric(text, "storage_bytes", file="database") == sizes_of(tmp_path / "switchboard.db")["database"] > 0
            )
        assert AUTHOR.public_key not in text
        status, body = await read(f"{bridge.metrics_url}/readyz")
        assert (status, json.loads(body)["ready"]) == (200, True)


@pytest.mark.parametrize("is_enabled", [True, False])
async def test_metrics_are_there_as_the_setting_says(tmp_path: Path, is_enabled: bool) -> None:
    metrics = replace(Settings().metrics, enabled=is_enabled, port=0)
    settings = bridge_settings(metrics=metrics)
    home = await a_home(tmp_path, settings)
    async with within(30), a_bridge(home, settings) as bridge:
        assert (bridge.metrics_url is not None) == is_enabled


async def test_keys_that_the_settings_block_are_closed_with_all_devices_and_others_stay(tmp_path: Path) -> None:
    settings, clock = bridge_settings(), FixedClock(NOW)
    home = await a_home(tmp_path, settings)
    async with within(30), a_bridge(home, settings, clock=clock) as bridge:
        async with a_client(bridge, ALICE, clock=clock) as alice:
            await alice.register_device(PHONE, name="phone")
        async with peer(bridge.url) as own, peer(bridge.url) as device, peer(bridge.url) as other:
            for client, key in ((own, ALICE), (device, PHONE), (other, LAPTOP)):
                await listening(client, key)
            blocked = replace(settings.accounts, blocked=(encode_npub(ALICE.public_key),))
            home.settings_file.write_text(render(replace(settings, accounts=blocked)))
            await bridge.reload()
            assert await own.closed() == await device.closed() == (1008, "this key is blocked")
            await bridge.reload()
            assert await other.request(Filter(kinds=frozenset({3}))) == []


def test_files_that_are_not_there_have_no_size(tmp_path: Path) -> None:
    assert sizes_of(tmp_path / "a.db") == {"database": 0, "log": 0}


async def test_incidents_that_the_operator_knows_of_are_told_to_be_over_after_a_restart(tmp_path: Path) -> None:
    """A real bridge, a real client of the operator: the notice comes as a wrap that only the operator's key opens."""
    settings = bridge_settings()
    notices = replace(settings.notices, operator=encode_npub(AUTHOR.public_key), calm_seconds=1)
    settings = replace(settings, notices=notices)
    home = await a_home(tmp_path, settings)
    IncidentMemory(tmp_path).keep("turn", Told(began_at=1_700_000_000, returns=0))
    came: asyncio.Queue[VerifiedEvent] = asyncio.Queue()
    async with within(30), a_bridge(home, settings) as bridge, a_client(bridge, AUTHOR) as client:
        link = next(iter(client._connections))
        link.subscribe("mine", lambda now: [wraps_for(AUTHOR.public_key)], came.put)
        rumor = open_wrap(await came.get(), AUTHOR)
    assert (rumor.kind, rumor.pubkey) == (14, bridge.public_key)
    assert rumor.content == "Switchboard: turn is well again, after trouble since 2023-11-14 22:13 UTC."
    assert IncidentMemory(tmp_path).told == {}


def wraps_for(key: PublicKey) -> Filter:
    return Filter(kinds=frozenset({kinds.GIFT_WRAP}), tags={"p": frozenset({key})})
