"""When two addresses are the same relay."""

from __future__ import annotations

import pytest

from bridge.settings.relay_url import relay_identity


@pytest.mark.parametrize(
    "other",
    [
        "wss://x.example/",
        "wss://x.example:443",
        "wss://X.Example",
        "WSS://x.example",
        "wss://x.example.",
        "wss://x.example:443/",
    ],
)
def test_address_is_the_same_however_it_is_written(other: str) -> None:
    assert relay_identity(other) == relay_identity("wss://x.example")


def test_usual_port_is_that_of_the_scheme() -> None:
    assert relay_identity("ws://[::1]:80") == relay_identity("ws://[::1]/")


@pytest.mark.parametrize(
    "other",
    [
        "ws://x.example",
        "wss://y.example",
        "wss://x.example:444",
        "wss://x.example/inbox",
        "wss://x.example/?a",
        "wss://x.example:80",
    ],
)
def test_address_of_another_relay_is_another(other: str) -> None:
    assert relay_identity(other) != relay_identity("wss://x.example")


def test_paths_are_told_apart_to_the_letter() -> None:
    paths = ["wss://x.example/a", "wss://x.example/A", "wss://x.example/a/"]
    assert len({relay_identity(url) for url in paths}) == 3
