"""What coturn is told."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

from bridge.turn.managed.configuration import Certificate, configuration
from tests.bridge.turn.managed.plans import a_plan

PUBLIC, INSIDE, SIX = ip_address("5.5.5.1"), ip_address("10.0.0.5"), ip_address("2600:5::1")


def lines_of(folder: Path, *secrets: str, **changes: object) -> list[str]:
    return configuration(a_plan(folder, **changes), secrets or ("s",)).splitlines()


def test_it_listens_and_relays_at_each_address_of_the_plan(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, addresses=(PUBLIC, SIX), port=3479, relay_ports=(50_000, 50_100))
    assert [line for line in lines if line.startswith(("listening-ip", "relay-ip"))] == [
        *("listening-ip=5.5.5.1", "relay-ip=5.5.5.1", "listening-ip=2600:5::1", "relay-ip=2600:5::1")
    ]
    assert {"listening-port=3479", "min-port=50000", "max-port=50100"} <= set(lines)


def test_all_secrets_count(tmp_path: Path) -> None:
    assert [line for line in lines_of(tmp_path, "new", "old") if "secret" in line] == [
        *("static-auth-secret=new", "static-auth-secret=old")
    ]


def test_own_addresses_are_allowed_as_peers_inside_and_outside(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, addresses=(INSIDE,), external=((PUBLIC, INSIDE),), allowed=(ip_network("10.7.0.0/16"),))
    assert "external-ip=5.5.5.1/10.0.0.5" in lines
    assert [line for line in lines if line.startswith("allowed")] == [
        "allowed-peer-ip=10.0.0.5",
        "allowed-peer-ip=5.5.5.1",
        "allowed-peer-ip=10.7.0.0-10.7.255.255",
    ]


def test_unspecified_address_is_never_allowed_as_a_peer(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, addresses=(INSIDE,), external=((ip_address("0.0.0.0"), INSIDE),))
    assert [line for line in lines if line.startswith("allowed")] == ["allowed-peer-ip=10.0.0.5"]


def test_what_the_operator_denies_comes_on_top(tmp_path: Path) -> None:
    assert "denied-peer-ip=9.9.9.0-9.9.9.255" in lines_of(tmp_path, denied=(ip_network("9.9.9.0/24"),))


def test_loopback_peers_are_for_a_server_on_loopback_alone(tmp_path: Path) -> None:
    assert "allow-loopback-peers" in lines_of(tmp_path)
    assert "allow-loopback-peers" not in lines_of(tmp_path, addresses=(PUBLIC,))


def test_tls_needs_a_certificate_and_old_versions_are_off(tmp_path: Path) -> None:
    plain = lines_of(tmp_path)
    assert {"no-tls", "no-dtls"} <= set(plain)
    certificate = Certificate(Path("/etc/tls/turn.crt"), Path("/etc/tls/turn.key"))
    secure = lines_of(tmp_path, certificate=certificate, tls_port=443, hostname="turn.example.org")
    assert {
        *("tls-listening-port=443", "cert=/etc/tls/turn.crt", "pkey=/etc/tls/turn.key", "realm=turn.example.org"),
        *("no-dtls", "no-tlsv1", "no-tlsv1_1"),
    } <= set(secure)
    assert "no-tls" not in secure


def test_machine_without_ipv4_relays_by_ipv6_unasked(tmp_path: Path) -> None:
    family = "allocation-default-address-family=ipv6"
    assert family in lines_of(tmp_path, addresses=(SIX,))
    assert family not in lines_of(tmp_path, addresses=(PUBLIC, SIX))


def test_nothing_that_is_not_needed_is_open(tmp_path: Path) -> None:
    assert {
        *("no-cli", "no-tcp-relay", "no-multicast-peers", "no-software-attribute", "fingerprint", "stale-nonce=600"),
        *("user-quota=2", "total-quota=100", "max-bps=0", "userdb=:memory:"),
    } <= set(lines_of(tmp_path))
