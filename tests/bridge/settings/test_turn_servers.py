"""What all TURN providers' tables have in common."""

from __future__ import annotations

import pytest

from bridge.settings.problems import SettingsError
from bridge.settings.reading import parse_settings
from bridge.settings.turn_servers import ProviderSettings


def test_nothing_is_told_unless_it_is_written() -> None:
    assert ProviderSettings() == ProviderSettings(urls=(), urls_with_ips=(), hostname="")


@pytest.mark.parametrize("key", ["urls", "urls_with_ips"])
def test_stun_address_is_no_turn_address(key: str) -> None:
    with pytest.raises(SettingsError, match=rf"turn\.coturn\.{key}"):
        parse_settings(f'[turn.coturn]\n{key} = ["stun:turn.example.org"]')
