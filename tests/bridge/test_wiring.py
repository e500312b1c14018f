"""Which figure of the settings goes where."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from bridge.settings.tree import Settings
from bridge.terms import bucket_of
from bridge.wiring import wrap_window
from nips.nip59 import WrapWindow
from protocol.catalogue import load_catalogue
from storage.permits import Bucket
from tests.support.edges import ScriptedPublisher
from tests.support.pipeline import LIVE, Client, Json, a_pipeline, settings_with

ALICE, BOB = Client("alice"), Client("bob")

# --- limits


def test_every_limiter_of_the_contract_has_figures() -> None:
    assert set(Settings().permits.by_limiter()) == set(load_catalogue().limiters)


@pytest.mark.parametrize("name", load_catalogue().limiters)
def test_the_default_figures_are_those_of_the_contract(name: str) -> None:
    limiter = load_catalogue().limiter(name)
    assert bucket_of(Settings().permits.by_limiter()[name]) == Bucket(
        limiter.burst, round(limiter.refill_seconds * 1000)
    )


def test_wraps_are_judged_by_the_windows_of_the_settings() -> None:
    changes = {"wraps.max_past_seconds": 1000, "wraps.max_future_seconds": 100, "wraps.ephemeral_window_seconds": 30}
    assert wrap_window(settings_with(changes)) == WrapWindow(1000, 100, 30)
    assert wrap_window(Settings()) == WrapWindow()


# --- figures that only show when the whole runs


async def test_the_version_told_is_that_of_the_distribution(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        assert (await bridge.ask(ALICE)).result["version"] == version("nostr-switchboard")


@pytest.mark.parametrize(
    ("changes", "envelope", "code"),
    [
        ({"inbox.max_age_seconds": 100}, {"created_at": 1_800_000_000 - 101}, "BRIDGE_EXPIRED"),
        ({"inbox.max_age_seconds": 100}, {"created_at": 1_800_000_000 - 100}, None),
        ({"inbox.max_future_seconds": 10}, {"created_at": 1_800_000_011}, "BRIDGE_INVALID_REQUEST"),
        ({"inbox.max_future_seconds": 10}, {"created_at": 1_800_000_010}, None),
    ],
)
async def test_freshness_is_that_of_the_settings(
    tmp_path: Path, changes: Json, envelope: Json, code: str | None
) -> None:
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        assert (await bridge.ask(ALICE, **envelope)).code == code


async def test_time_to_live_is_that_of_the_settings(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"turn.ttl_seconds": 77}) as bridge:
        assert (await bridge.ask(ALICE, "turn.get_credentials")).result["turn_ttl_seconds"] == 77
        assert bridge.events[-1][1]["turn_ttl_seconds"] == 77


async def test_retention_of_answers_is_that_of_the_settings(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"replies.retention_seconds": 600, "replies.live_seconds": 30}) as bridge:
        answer = await bridge.ask(ALICE)
        assert ("expiration", str(bridge.clock.now() + 600)) in answer.wrap.tags
        await bridge.give(bridge.wrap(bridge.request(ALICE), ALICE, LIVE))
        (row,) = await bridge.storage.outbox.waiting(destination="here", now=bridge.clock.now())
        assert row.expires_at == bridge.clock.now() + 30


async def test_content_longer_than_an_event_may_be_is_not_read(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"relay.max_event_bytes": 2048}) as bridge:
        answer = await bridge.ask(ALICE, shiny="x" * 2048)
        assert (answer.code, answer.error["field"]) == ("BRIDGE_INVALID_REQUEST", "")
        assert answer.content["id"] is None


@pytest.mark.parametrize(("past", "future", "ephemeral"), [(60, 0, 43_200), (43_200, 43_200, 30)])
async def test_a_wrap_is_remembered_for_as_long_as_the_wider_of_its_windows(
    tmp_path: Path, past: int, future: int, ephemeral: int
) -> None:
    changes = {
        "wraps.max_past_seconds": past,
        "wraps.max_future_seconds": future,
        "wraps.ephemeral_window_seconds": ephemeral,
    }
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        wrap = bridge.wrap(bridge.request(ALICE), ALICE, LIVE)
        await bridge.give(wrap)
        bridge.clock.advance(86_400)
        await bridge.storage.purge(now=bridge.clock.now(), buckets=bridge.core.buckets)
        assert await bridge.give(wrap) == ["duplicate"]


async def test_links_are_tried_again_at_the_pace_of_the_settings(tmp_path: Path) -> None:
    one = "wss://one.example"
    changes = {"upstream.backoff_first_seconds": 7.4, "upstream.backoff_max_seconds": 9.0}
    async with a_pipeline(tmp_path, changes=changes, publishers={one: ScriptedPublisher()}) as bridge:
        rules = bridge.core.outbox._rules
        assert (rules.first_retry_seconds, rules.last_retry_seconds) == (7, 9)
