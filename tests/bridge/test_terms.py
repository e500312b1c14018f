"""Which setting makes which rule about callers."""

from __future__ import annotations

import pytest

from bridge.domains import DomainRules
from bridge.errors import StartupError
from bridge.newcomers import JoiningRules
from bridge.settings.accounts import Admission, LimiterSettings
from bridge.terms import admission_rules, bucket_of, domain_rules
from bridge.work import WorkRules
from nips.nip19 import encode_npub
from storage.permits import Bucket
from tests.support.pipeline import Client, settings_with

ALICE, BOB = Client("alice"), Client("bob")


def test_keys_are_named_as_people_name_them() -> None:
    changes = {
        "accounts.admission": Admission.ALLOWLIST,
        "accounts.allow": (encode_npub(ALICE.key), BOB.key),
        "accounts.blocked": (BOB.key,),
        "accounts.max_accounts": 7,
    }
    rules = admission_rules(settings_with(changes))
    assert (rules.admission, rules.joining.max_accounts) == (Admission.ALLOWLIST, 7)
    assert rules.allowed == {ALICE.key, BOB.key}
    assert rules.blocked == {BOB.key}


@pytest.mark.parametrize("setting", ["allow", "blocked"])
@pytest.mark.parametrize("text", ["alice", "npub1", "ab" * 31])
def test_what_is_no_key_stops_the_start_and_is_named(setting: str, text: str) -> None:
    with pytest.raises(StartupError, match=f"accounts.{setting}: '{text}'"):
        admission_rules(settings_with({f"accounts.{setting}": (ALICE.key, text)}))


@pytest.mark.parametrize(("seconds", "refill_ms"), [(1, 1000), (0.1, 100), (0.001, 1), (600, 600_000), (1.5, 1500)])
def test_refill_is_counted_in_milliseconds(seconds: float, refill_ms: int) -> None:
    assert bucket_of(LimiterSettings(burst=7, refill_seconds=seconds)) == Bucket(7, refill_ms)


def test_domains_are_asked_under_an_allowlist_alone() -> None:
    changes = {
        "accounts.allow_domains": ("example.org",),
        "accounts.domains.ttl_seconds": 60,
        "accounts.domains.stale_seconds": 61,
        "accounts.domains.timeout_seconds": 1.5,
        "accounts.domains.max_bytes": 2048,
    }
    allowlist = {**changes, "accounts.admission": Admission.ALLOWLIST}
    assert domain_rules(settings_with(allowlist)) == DomainRules(("example.org",), 60, 61, 1.5, 2048)
    assert domain_rules(settings_with(changes)).domains == ()


def test_terms_of_joining_are_those_of_the_settings() -> None:
    changes = {
        "accounts.max_accounts": 3,
        "accounts.budget.burst": 4,
        "accounts.guesses.refill_seconds": 5.0,
        "accounts.work.min_bits": 6,
        "accounts.work.max_bits": 7,
        "accounts.work.accounts_per_bit": 8,
        "accounts.work.calm_seconds": 9,
        "accounts.work.grace_seconds": 10,
    }
    assert admission_rules(settings_with(changes)).joining == JoiningRules(
        max_accounts=3,
        budget=Bucket(4, 30_000),
        guesses=Bucket(50, 5000),
        work=WorkRules(min_bits=6, max_bits=7, accounts_per_bit=8, calm_ms=9000, grace_ms=10_000),
    )
