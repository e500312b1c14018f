"""Metrics and notices as an operator sets them."""

from __future__ import annotations

import pytest

from bridge.settings.problems import SettingsError
from bridge.settings.reading import parse_settings
from bridge.settings.tree import Settings


def test_metrics_are_for_this_machine_unless_somebody_says_otherwise() -> None:
    assert (Settings().metrics.enabled, Settings().metrics.host) == (True, "127.0.0.1")


@pytest.mark.parametrize("operator", ["", "ab" * 32, "npub1" + "q" * 58])
def test_operator_is_a_key_or_nobody(operator: str) -> None:
    assert parse_settings(f'[notices]\noperator = "{operator}"').notices.operator == operator


@pytest.mark.parametrize("operator", ["alice", "nsec1" + "q" * 58, "ab" * 31])
def test_operator_that_is_no_key_is_refused(operator: str) -> None:
    with pytest.raises(SettingsError, match=r"notices\.operator"):
        parse_settings(f'[notices]\noperator = "{operator}"')
