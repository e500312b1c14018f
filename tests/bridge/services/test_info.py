"""`bridge.info`."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.services.info import bucket_figures
from bridge.settings.accounts import Admission, LimiterSettings
from storage.permits import Bucket
from tests.support.edges import ScriptedPublisher
from tests.support.pipeline import OWN_URL, Client, a_pipeline

ALICE = Client("alice")
METHODS = [
    "account.delete",
    "account.get",
    "account.set_access_key",
    "bridge.info",
    "device.list",
    "device.register",
    "device.revoke",
    "turn.get_credentials",
]


async def test_a_stranger_learns_what_the_bridge_is(tmp_path: Path) -> None:
    other = "wss://other.example"
    async with a_pipeline(tmp_path, publishers={other: ScriptedPublisher()}) as bridge:
        result = (await bridge.ask(ALICE)).result
        assert result["pubkey"] == bridge.key
        assert result["relays"] == [OWN_URL, other]
        assert result["methods"] == METHODS
        assert (result["admission"], result["pow_bits"], result["zk"]) == ("open", 0, None)
        assert result["version"]


async def test_a_stranger_that_asks_leaves_no_account(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await bridge.ask(ALICE)
        assert await bridge.storage.accounts.find(ALICE.key) is None


async def test_limits_are_those_of_the_settings(tmp_path: Path) -> None:
    changes = {"permits.turn": LimiterSettings(burst=5, refill_seconds=0.25)}
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        assert (await bridge.ask(ALICE)).result["limits"] == {
            "turn": {"burst": 5, "refill_seconds": 0.25},
            "device": {"burst": 12, "refill_seconds": 120},
            "info": {"burst": 60, "refill_seconds": 1},
            "invalid": {"burst": 20, "refill_seconds": 30},
        }


async def test_under_an_allowlist_strangers_are_told_so(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"accounts.admission": Admission.ALLOWLIST}) as bridge:
        assert (await bridge.ask(ALICE)).result["admission"] == "allowlist"


async def test_an_account_pays_with_its_own_permits(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await bridge.ask(ALICE, "account.get")
        before = await bridge.remaining(ALICE, "info")
        await bridge.ask(ALICE)
        assert await bridge.remaining(ALICE, "info") == before - 1


@pytest.mark.parametrize(
    ("refill_ms", "seconds"), [(1000, 1), (600_000, 600), (100, 0.1), (1500, 1.5), (1, 0.001), (999, 0.999)]
)
def test_whole_seconds_stay_whole(refill_ms: int, seconds: float) -> None:
    figures = bucket_figures(Bucket(1, refill_ms))
    assert figures["refill_seconds"] == seconds
    assert type(figures["refill_seconds"]) is type(seconds)
