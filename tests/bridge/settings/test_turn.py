"""Defaults and readings of the tables about TURN."""

from __future__ import annotations

import pytest

from bridge.settings.problems import SettingsError
from bridge.settings.reading import parse_settings
from bridge.settings.turn import ProviderKind, TurnSettings
from bridge.settings.turn_servers import ProviderSettings


def test_told_lifetime_is_half_of_the_real_one() -> None:
    assert (TurnSettings().ttl_seconds, TurnSettings().requested_ttl_seconds) == (43_200, 86_400)


@pytest.mark.parametrize("kind", ProviderKind)
def test_every_provider_has_a_table_that_says_what_clients_are_told(kind: ProviderKind) -> None:
    assert isinstance(TurnSettings().of(kind), ProviderSettings)


def test_provider_stands_in_the_chain_once() -> None:
    with pytest.raises(SettingsError, match="item 2\\): the same as item 1"):
        parse_settings('[turn]\nproviders = ["coturn", "coturn"]\n[turn.coturn]\nurls = ["turn:a"]')


def test_provider_that_nobody_knows_is_refused_with_the_ones_that_are_known() -> None:
    with pytest.raises(SettingsError, match=r'use "coturn" or .*; did you mean "coturn"'):
        parse_settings('[turn]\nproviders = ["cotrun"]')
