"""Tables about host names and experiments; what they may not say together is in test_pairs."""

from __future__ import annotations

import pytest

from bridge.settings.problems import SettingsError
from bridge.settings.reading import parse_settings
from bridge.settings.turn_names import AddressFamily, ExperimentSettings, NameSettings


def test_by_default_the_system_is_asked_and_private_addresses_are_kept_back() -> None:
    names = NameSettings()
    assert names.resolvers == ()
    assert names.allow_private is False
    assert names.first_family is AddressFamily.IPV4


def test_by_default_nobody_takes_part() -> None:
    assert not ExperimentSettings().wants_members
    assert ExperimentSettings(share=0.01).wants_members
    assert ExperimentSettings(listed=("ab" * 32,)).wants_members


@pytest.mark.parametrize("share", ["-0.1", "100.01", "nan", "inf", "true", '"10"'])
def test_a_share_is_from_0_to_100_per_cent(share: str) -> None:
    with pytest.raises(SettingsError, match=r"turn\.experiment\.share.*use a number from 0 to 100"):
        parse_settings(f"[turn.experiment]\nshare = {share}")


@pytest.mark.parametrize(
    ("key", "value", "fix"),
    [
        ("listed", "alice", "use an npub"),
        ("excluded", "nsec1abc", "SECRET key"),
        ("urls", "stun:a", "use a turn: or turns: address"),
        ("urls_with_ips", "turn:a", "one %s for the host"),
        ("hostname", "a:1", "use a host name"),
    ],
)
def test_what_is_wrong_in_an_experiment_is_named_with_its_fix(key: str, value: str, fix: str) -> None:
    quoted = f'"{value}"' if key == "hostname" else f'["{value}"]'
    with pytest.raises(SettingsError) as caught:
        parse_settings(f"[turn.experiment]\n{key} = {quoted}")
    (problem,) = caught.value.problems
    assert problem.key == f"turn.experiment.{key}"
    assert fix in problem.fix


def test_a_resolver_that_is_a_name_is_refused_because_nobody_could_resolve_it() -> None:
    with pytest.raises(SettingsError, match="use an address such as"):
        parse_settings('[turn.names]\nresolvers = ["dns.example.org"]')
