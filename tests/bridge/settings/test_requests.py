"""Defaults of the tables about requests and their answers."""

from __future__ import annotations

from bridge.settings.requests import InboxSettings


def test_requests_are_fresh_for_two_days() -> None:
    assert (InboxSettings().max_age_seconds, InboxSettings().max_future_seconds) == (172_800, 900)
