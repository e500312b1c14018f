"""Defaults and readings of the tables about requests."""

from __future__ import annotations

from dataclasses import replace

from bridge.settings.service import Admission, InboxSettings, LimiterSettings, PermitSettings, TurnSettings
from protocol.catalogue import load_catalogue
from storage.permits import Bucket


def test_limiters_are_those_of_the_contract_with_the_published_figures() -> None:
    published = {name: (limiter.burst, limiter.refill_seconds) for name, limiter in load_catalogue().limiters.items()}
    settings = {
        name: (limiter.burst, limiter.refill_seconds) for name, limiter in PermitSettings().by_limiter().items()
    }
    assert settings == published


def test_figures_of_a_limiter_make_a_bucket() -> None:
    assert LimiterSettings(burst=1, refill_seconds=0.001).refill_ms == 1
    assert LimiterSettings(burst=1, refill_seconds=0.1).refill_ms == 100
    assert LimiterSettings(burst=1, refill_seconds=600).refill_ms == 600_000
    assert Bucket(PermitSettings().strangers.burst, PermitSettings().strangers.refill_ms).full_ms == 300_000


def test_free_answers_are_limited_generously_for_each_and_for_all() -> None:
    permits = PermitSettings()
    assert (permits.free.burst, permits.free.refill_ms) == (200, 1000)
    assert (permits.free_together.burst, permits.free_together.refill_ms) == (5000, 50)


def test_requests_are_fresh_for_two_days() -> None:
    assert (InboxSettings().max_age_seconds, InboxSettings().max_future_seconds) == (172_800, 900)


def test_told_lifetime_is_half_of_the_real_one() -> None:
    assert (TurnSettings().ttl_seconds, TurnSettings().requested_ttl_seconds) == (43_200, 86_400)


def test_admission_words_are_those_that_clients_are_told() -> None:
    assert [word.value for word in Admission] == ["open", "allowlist"]


def test_hostname_is_the_first_name_among_the_turn_addresses() -> None:
    settings = TurnSettings(urls=("turn:192.0.2.1:3478", "turns:turn.example.org:443?transport=tcp", "turn:other.org"))
    assert settings.told_hostname() == "turn.example.org"
    assert replace(settings, hostname="tls.example.org").told_hostname() == "tls.example.org"
    assert replace(settings, urls=("turn:192.0.2.1:3478",)).told_hostname() is None
