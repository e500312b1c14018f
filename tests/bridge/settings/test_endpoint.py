"""Defaults of the relay's tables that others rely on."""

from __future__ import annotations

from bridge.settings.endpoint import CompatSettings, RelaySettings, WrapSettings
from bridge.settings.requests import ReplySettings

TWO_DAYS = 2 * 86400


def test_wraps_back_dated_by_two_days_are_taken_with_an_hour_of_skew() -> None:
    assert WrapSettings().max_past_seconds == TWO_DAYS + 3600
    assert ReplySettings().backdate_max_seconds == TWO_DAYS


def test_live_wraps_are_taken_as_other_relays_take_them() -> None:
    assert WrapSettings().ephemeral_window_seconds == 60
    assert WrapSettings().max_future_seconds == 900


def test_filters_are_bounded_as_other_relays_bound_them() -> None:
    assert RelaySettings().max_tag_conditions == 3
    assert RelaySettings().max_filter_values_per_connection >= RelaySettings().max_filter_values


def test_wraps_are_kept_thirty_days() -> None:
    assert WrapSettings().retention_seconds == 30 * 86400


def test_relay_keeps_inbox_lists_and_passes_live_wraps() -> None:
    assert RelaySettings().replaceable_kinds == (0, 3, 10002, 10050)
    assert RelaySettings().ephemeral_kinds == (21059, 24133)


def test_relay_listens_on_this_machine_only_until_told_otherwise() -> None:
    assert RelaySettings().host == "127.0.0.1"


def test_wraps_are_served_to_authenticated_recipients_only_until_told_otherwise() -> None:
    assert CompatSettings() == CompatSettings(unsigned_seals=True, read_without_auth=False)
