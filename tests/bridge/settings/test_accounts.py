"""Defaults and readings of the tables about callers."""

from __future__ import annotations

from bridge.settings.accounts import Admission, LimiterSettings, PermitSettings
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


def test_admission_words_are_those_that_clients_are_told() -> None:
    assert [word.value for word in Admission] == ["open", "invite", "allowlist"]
