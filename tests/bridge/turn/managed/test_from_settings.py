"""Whether there is a coturn of our own, and how it is run."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from bridge.errors import StartupError
from bridge.home import Home
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from bridge.turn.managed.from_settings import HOW_TO_INSTALL, managed_rules, none_because
from bridge.turn.managed.reach import trouble_with

PUBLIC, INSIDE, SIX = ip_address("5.5.5.1"), ip_address("10.0.0.5"), ip_address("2600:5::1")


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have coturn installed, wherever this runs."""
    monkeypatch.setattr("bridge.turn.managed.from_settings.find_program", lambda: "/usr/bin/turnserver")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def settings_with(*providers: ProviderKind, public_url: str = "", **managed: object) -> Settings:
    settings = Settings()
    table = replace(settings.turn.managed, **managed)  # type: ignore[arg-type]
    return replace(
        settings,
        bridge=replace(settings.bridge, public_url=public_url),
        turn=replace(settings.turn, providers=providers, managed=table),
    )


def test_one_is_run_where_no_provider_is_named(home: Home) -> None:
    settings = settings_with()
    rules = managed_rules(settings, home)
    assert none_because(settings) is None
    assert rules is not None
    assert rules.program == "/usr/bin/turnserver"
    assert rules.plan.pid_file == home.path / "coturn.pid"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (settings_with(ProviderKind.COTURN), "turn.providers names others"),
        (settings_with(enabled=False), "turn.managed.enabled is false"),
    ],
)
def test_none_is_run_where_none_is_wanted(home: Home, settings: Settings, reason: str) -> None:
    assert managed_rules(settings, home) is None
    assert none_because(settings) == reason


def test_without_coturn_installed_there_is_none_and_the_fix_is_told(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.turn.managed.from_settings.find_program", lambda: None)
    assert managed_rules(settings_with(), home) is None
    assert none_because(settings_with()) == HOW_TO_INSTALL
    assert "apt install coturn" in HOW_TO_INSTALL
    with pytest.raises(StartupError, match=r'turn\.providers names "managed": turnserver is not installed'):
        managed_rules(settings_with(ProviderKind.COTURN, ProviderKind.MANAGED), home)


def test_named_one_is_run_beside_others_although_it_is_not_enabled(home: Home) -> None:
    assert managed_rules(settings_with(ProviderKind.COTURN, ProviderKind.MANAGED, enabled=False), home) is not None


def test_bridge_for_this_machine_alone_has_one_on_loopback(home: Home) -> None:
    rules = managed_rules(settings_with(), home)
    assert rules is not None
    assert rules.plan.addresses == (ip_address("127.0.0.1"),)
    assert rules.plan.is_local


def test_bridge_that_others_reach_has_one_where_its_default_routes_are(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.turn.managed.from_settings.route_addresses", lambda: (INSIDE, SIX))
    for settings in (
        settings_with(public_url="wss://relay.example.org"),
        replace(settings_with(), upstream=replace(Settings().upstream, relays=("wss://relay.example.net",))),
    ):
        rules = managed_rules(settings, home)
        assert rules is not None
        assert rules.plan.addresses == (INSIDE, SIX)


def test_machine_without_a_route_waits_for_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.turn.managed.from_settings.route_addresses", lambda: ())
    settings = settings_with(public_url="wss://relay.example.org")
    rules = managed_rules(settings, home)
    assert rules is not None
    assert rules.is_on_routes
    assert rules.plan.addresses == ()
    assert "turn.managed.addresses" in (trouble_with(rules.plan) or "")


def test_addresses_outside_are_paired_with_the_first_inside_of_their_family(home: Home) -> None:
    settings = settings_with(
        addresses=("10.0.0.5", "10.0.0.6", "2600:5::1"), external_addresses=("5.5.5.1", "2600:9::1")
    )
    rules = managed_rules(settings, home)
    assert rules is not None
    assert rules.plan.external == ((PUBLIC, INSIDE), (ip_address("2600:9::1"), SIX))
    assert rules.plan.told == (PUBLIC, ip_address("10.0.0.6"), ip_address("2600:9::1"))


def test_address_outside_of_a_family_that_is_not_here_is_left_out(home: Home) -> None:
    rules = managed_rules(settings_with(addresses=("10.0.0.5",), external_addresses=("2600:9::1",)), home)
    assert rules is not None
    assert rules.plan.external == ()


def test_every_figure_goes_to_its_place(home: Home) -> None:
    settings = settings_with(
        port=3479,
        tls_port=443,
        hostname="turn.example.org",
        min_relay_port=50_000,
        max_relay_port=50_099,
        user_quota=3,
        total_quota=30,
        max_bytes_per_second=1000,
        allowed_peers=("10.7.0.0/16",),
        denied_peers=("9.9.9.9",),
        urls=("turn:turn.example.org:1234",),
        probe_seconds=2.5,
        discover_from="stun:stun.example.org",
    )
    rules = managed_rules(settings, home)
    assert rules is not None
    plan = rules.plan
    assert (plan.port, plan.tls_port, plan.hostname, plan.relay_ports) == (
        3479,
        443,
        "turn.example.org",
        (50000, 50099),
    )
    assert (plan.user_quota, plan.total_quota, plan.max_bytes_per_second) == (3, 30, 1000)
    assert (plan.allowed, plan.denied) == ((ip_network("10.7.0.0/16"),), (ip_network("9.9.9.9"),))
    assert (rules.urls, rules.probe_seconds) == (("turn:turn.example.org:1234",), 2.5)
    assert rules.discover_from == ("stun.example.org", 3478)


def test_secret_lives_at_least_as_long_as_what_it_signs(home: Home) -> None:
    settings = settings_with(rekey_seconds=60)
    rules = managed_rules(replace(settings, turn=replace(settings.turn, requested_ttl_seconds=5000)), home)
    assert rules is not None
    assert (rules.ages.change_seconds, rules.ages.valid_seconds) == (5000, 5000)


def test_certificate_that_is_none_is_refused_and_its_settings_are_named(home: Home) -> None:
    settings = settings_with(certificate_file="turn.crt", certificate_key_file="turn.key", hostname="turn.example.org")
    with pytest.raises(StartupError, match=r"certificate_file and certificate_key_file: .*turn\.crt cannot be read"):
        managed_rules(settings, home)


def test_bridge_starts_with_a_certificate_that_is_none(home: Home) -> None:
    settings = settings_with(certificate_file="turn.crt", certificate_key_file="turn.key", hostname="turn.example.org")
    assert managed_rules(settings, home, takes_any_certificate=True) is not None
