"""Which keys count at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.settings.accounts import Admission, LimiterSettings
from bridge.settings.live import Difference, differences
from bridge.settings.tree import Settings
from bridge.settings.upkeep import LogLevel
from tests.support.pipeline import settings_with


def test_same_settings_differ_in_nothing() -> None:
    assert differences(Settings(), Settings()) == []


@pytest.mark.parametrize(
    ("key", "value", "is_live"),
    [
        ("permits.turn.burst", 7, True),
        ("permits.max_tracked_keys", 1000, True),
        ("accounts.admission", Admission.ALLOWLIST, True),
        ("accounts.allow", ("ab" * 32,), True),
        ("turn.ttl_seconds", 7, True),
        ("turn.coturn.secret_files", ("a",), True),
        ("log.level", LogLevel.DEBUG, True),
        ("log.format", "json", False),
        ("relay.port", 1, False),
        ("storage.file", "x", False),
        ("upstream.relays", ("wss://a.example",), False),
    ],
)
def test_key_that_differs_is_named_in_full_with_when_it_counts(key: str, value: object, is_live: bool) -> None:
    assert differences(Settings(), settings_with({key: value})) == [Difference(key, is_live)]


def test_differences_come_in_the_order_of_the_file() -> None:
    before = settings_with({"stop.grace_seconds": 1, "permits.info": LimiterSettings(burst=1, refill_seconds=2)})
    after = replace(Settings(), log=replace(Settings().log, level=LogLevel.ERROR))
    assert [one.key for one in differences(before, after)] == [
        "permits.info.burst",
        "permits.info.refill_seconds",
        "log.level",
        "stop.grace_seconds",
    ]
