"""Defaults and readings of the tables about TURN."""

from __future__ import annotations

from dataclasses import replace

from bridge.settings.turn import TurnSettings


def test_told_lifetime_is_half_of_the_real_one() -> None:
    assert (TurnSettings().ttl_seconds, TurnSettings().requested_ttl_seconds) == (43_200, 86_400)


def test_hostname_is_the_first_name_among_the_turn_addresses() -> None:
    settings = TurnSettings(urls=("turn:192.0.2.1:3478", "turns:turn.example.org:443?transport=tcp", "turn:other.org"))
    assert settings.told_hostname() == "turn.example.org"
    assert replace(settings, hostname="tls.example.org").told_hostname() == "tls.example.org"
    assert replace(settings, urls=("turn:192.0.2.1:3478",)).told_hostname() is None
