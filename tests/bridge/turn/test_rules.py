"""From settings to what clients are told and how names are looked up."""

from __future__ import annotations

from fractions import Fraction

import pytest

from bridge.errors import StartupError
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from bridge.settings.turn_names import AddressFamily
from bridge.turn.addresses import RelayAddresses
from bridge.turn.rules import name_rules, relay_rules
from nips.nip19 import encode_npub
from tests.support.pipeline import Client, settings_with

ALICE, BOB = Client("alice"), Client("bob")
EXPERIMENT = {
    "turn.experiment.name": "beta",
    "turn.experiment.share": 12.5,
    "turn.experiment.listed": (encode_npub(ALICE.key), ALICE.key),
    "turn.experiment.excluded": (BOB.key,),
    "turn.experiment.urls": ("turn:beta.example.org",),
    "turn.experiment.urls_with_ips": ("turn:%s",),
}


def test_each_provider_has_the_addresses_of_its_table() -> None:
    rules = relay_rules(
        settings_with(
            {
                "turn.static.urls": ("turn:static.example.org",),
                "turn.static.urls_with_ips": ("turn:%s",),
                "turn.static.hostname": "tls.example.org",
                "turn.stun_urls": ("stun:stun.example.org",),
                "turn.ttl_seconds": 600,
            }
        )
    )
    assert set(rules.addresses) == set(ProviderKind)
    assert rules.addresses["static"] == RelayAddresses(("turn:static.example.org",), ("turn:%s",), "tls.example.org")
    assert rules.addresses["coturn"] == RelayAddresses()
    assert (rules.stun_urls, rules.ttl_seconds, rules.experiment) == (("stun:stun.example.org",), 600, None)


def test_an_experiment_is_as_the_settings_say() -> None:
    experiment = relay_rules(settings_with({**EXPERIMENT, "turn.experiment.provider": "coturn"})).experiment
    assert experiment is not None
    assert (experiment.name, experiment.share_percent, experiment.provider) == ("beta", Fraction(25, 2), "coturn")
    assert (experiment.listed, experiment.excluded) == ({ALICE.key}, {BOB.key})
    assert experiment.addresses == RelayAddresses(("turn:beta.example.org",), ("turn:%s",), "beta.example.org")


@pytest.mark.parametrize("key", ["listed", "excluded"])
def test_what_is_no_key_is_refused_and_named(key: str) -> None:
    wrong = "npub1" + "q" * 58
    with pytest.raises(StartupError, match=f"turn.experiment.{key}: '{wrong}' is no public key"):
        relay_rules(settings_with({**EXPERIMENT, f"turn.experiment.{key}": (wrong,)}))


def test_names_are_looked_up_as_the_settings_say() -> None:
    rules = name_rules(
        settings_with(
            {
                "turn.names.resolvers": ("127.0.0.1:5353", "::1"),
                "turn.names.timeout_seconds": 1.5,
                "turn.names.first_family": AddressFamily.IPV6,
                "turn.names.allow_private": True,
            }
        )
    )
    assert rules.resolvers == (("127.0.0.1", 5353), ("::1", 53))
    assert (rules.timeout_seconds, rules.first_family, rules.allow_private) == (1.5, AddressFamily.IPV6, True)
    assert rules.expected == ()


def test_every_figure_of_the_settings_gets_to_its_place() -> None:
    names = Settings().turn.names
    rules = name_rules(Settings())
    for figure in ("min_cache_seconds", "max_cache_seconds", "stale_seconds", "failure_seconds", "max_names"):
        assert getattr(rules, figure) == getattr(names, figure)
    assert rules.max_addresses == names.max_addresses


def test_the_names_of_those_in_the_chain_and_of_the_experiment_are_looked_up_ahead() -> None:
    changes = {
        "turn.providers": (ProviderKind.COTURN,),
        "turn.coturn.urls": ("turn:turn.example.org",),
        "turn.coturn.urls_with_ips": ("turn:%s",),
        "turn.static.urls": ("turn:unused.example.org",),
        "turn.static.urls_with_ips": ("turn:%s",),
        **EXPERIMENT,
    }
    assert name_rules(settings_with(changes)).expected == ("turn.example.org", "beta.example.org")
    managed = {"turn.managed.hostname": "own.example.org", "turn.managed.urls_with_ips": ("turn:%s",)}
    assert name_rules(settings_with(managed)).expected == ("own.example.org",)
    assert name_rules(settings_with({**changes, "turn.coturn.urls_with_ips": ()})).expected == ("beta.example.org",)
