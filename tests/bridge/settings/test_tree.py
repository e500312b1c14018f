"""All settings together."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from bridge.settings.tree import Settings


def with_relay(**changes: object) -> Settings:
    return replace(Settings(), relay=replace(Settings().relay, **changes))  # type: ignore[arg-type]


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().relay.port = 1  # type: ignore[misc]
    assert hash(Settings()) == hash(Settings())


def test_address_told_to_clients_is_where_the_relay_listens() -> None:
    assert Settings().relay_url() == "ws://127.0.0.1:7447"
    assert with_relay(host="::1", port=80).relay_url() == "ws://[::1]:80"
    assert with_relay(port=0).relay_url(port=51234) == "ws://127.0.0.1:51234"


def test_public_address_wins() -> None:
    settings = replace(Settings(), bridge=replace(Settings().bridge, public_url="wss://relay.example.org"))
    assert settings.relay_url() == settings.relay_url(port=1) == "wss://relay.example.org"


@pytest.mark.parametrize(
    ("public_url", "relays", "port", "told"),
    [
        ("", (), 7447, ["ws://127.0.0.1:7447"]),
        ("", (), 0, []),
        ("wss://own.example.org", ("wss://a.example.org",), 7447, ["wss://own.example.org", "wss://a.example.org"]),
        ("", ("wss://a.example.org", "wss://A.example.org/"), 7447, ["wss://A.example.org/"]),
    ],
)
def test_clients_are_told_addresses_that_mean_the_same_to_everybody(
    public_url: str, relays: tuple[str, ...], port: int, told: list[str]
) -> None:
    settings = Settings()
    settings = replace(
        settings,
        bridge=replace(settings.bridge, public_url=public_url),
        upstream=replace(settings.upstream, relays=relays),
        relay=replace(settings.relay, port=port),
    )
    assert settings.told_relays() == told
    if not port:
        assert settings.told_relays(own_url="ws://127.0.0.1:9") == ["ws://127.0.0.1:9"]
