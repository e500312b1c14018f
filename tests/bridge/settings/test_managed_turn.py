"""The table of the coturn that the bridge runs itself."""

from __future__ import annotations

import pytest

from bridge.settings.managed_turn import ManagedSettings
from bridge.settings.problems import SettingsError
from bridge.settings.reading import parse_settings


def test_it_is_on_with_the_usual_ports_and_asks_nobody() -> None:
    settings = ManagedSettings()
    assert (settings.enabled, settings.port, settings.tls_port, settings.discover_from) == (True, 3478, 5349, "")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("addresses", '["0.0.0.0"]'),
        ("addresses", '["::"]'),
        ("addresses", '["turn.example.org"]'),
        ("addresses", '["224.0.0.1"]'),
        ("addresses", '["fe80::1%eth0"]'),
        ("external_addresses", '["192.0.2.0/24"]'),
        ("allowed_peers", '["somewhere"]'),
        ("allowed_peers", '["0.0.0.0/32"]'),
        ("denied_peers", '["10.0.0.1/8"]'),
        ("discover_from", '"turn:turn.example.org"'),
        ("discover_from", '"stuns:stun.example.org"'),
        ("certificate_file", '"folder/"'),
        ("min_relay_port", "1023"),
    ],
)
def test_value_that_makes_no_sense_is_refused_and_its_key_named(key: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"turn\.managed\.{key}"):
        parse_settings(f"[turn.managed]\n{key} = {value}")


def test_values_that_make_sense_are_taken() -> None:
    settings = parse_settings(
        "[turn.managed]\n"
        'addresses = ["10.0.0.5", "2001:db8::5"]\nexternal_addresses = ["192.0.2.7"]\n'
        'allowed_peers = ["192.168.0.0/16", "fd00::/8", "10.0.0.9"]\n'
    )
    assert settings.turn.managed.addresses == ("10.0.0.5", "2001:db8::5")
    assert parse_settings('[turn.managed]\ndiscover_from = "stun:stun.example.org:19302"').turn.managed.discover_from
