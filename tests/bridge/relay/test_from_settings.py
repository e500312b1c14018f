"""Settings reach the limits."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from bridge.relay.from_settings import relay_limits, relay_profile
from bridge.relay.limits import RelayLimits, TimeWindow
from bridge.relay.rates import per_second
from bridge.settings.tree import Settings


def test_defaults_of_both_agree() -> None:
    assert relay_limits(Settings()) == RelayLimits()


def changed(value: Any) -> Any:
    """Return another value of the same type."""
    return (30000,) if isinstance(value, tuple) else value * 2 or 1


ELSEWHERE = {"host", "port"}
"""Settings that are no limits."""


@pytest.mark.parametrize("key", [field.name for field in fields(Settings().relay) if field.name not in ELSEWHERE])
def test_every_key_of_relay_changes_a_limit(key: str) -> None:
    settings = Settings()
    value = ("0 60 60",) if key == "kind_windows" else changed(getattr(settings.relay, key))
    changes: dict[str, Any] = {key: value}
    assert relay_limits(replace(settings, relay=replace(settings.relay, **changes))) != RelayLimits()


@pytest.mark.parametrize("key", [field.name for field in fields(Settings().wraps)])
def test_every_key_of_wraps_changes_a_limit(key: str) -> None:
    settings = Settings()
    changes: dict[str, Any] = {key: changed(getattr(settings.wraps, key))}
    assert relay_limits(replace(settings, wraps=replace(settings.wraps, **changes))) != RelayLimits()


def test_windows_of_kinds_are_those_of_the_settings() -> None:
    settings = Settings()
    relay = replace(settings.relay, kind_windows=("10050 100 10", "24133 7 5"), max_past_seconds=60)
    publish = relay_limits(replace(settings, relay=relay)).publish
    assert publish.window_of(10050) == TimeWindow(past_seconds=100, future_seconds=10)
    assert publish.window_of(24133) == TimeWindow(past_seconds=7, future_seconds=5)
    assert publish.window_of(0) == TimeWindow(past_seconds=60, future_seconds=900)


def test_rates_are_those_of_the_settings() -> None:
    settings = Settings()
    relay = replace(settings.relay, events_per_second=5000, events_burst=7)
    assert relay_limits(replace(settings, relay=relay)).session.events == per_second(5000, burst=7)


def test_profile_is_what_the_operator_wrote() -> None:
    settings = replace(Settings().bridge, name="Mine", contact="mailto:me@example.org")
    profile = relay_profile(settings, version="1.2.3")
    assert (profile.name, profile.contact, profile.version) == ("Mine", "mailto:me@example.org", "1.2.3")
    assert profile.description == settings.description
