"""Where this machine can be reached, and what is free on it."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

from bridge.turn.managed.configuration import Certificate
from bridge.turn.managed.reach import free_port, route_addresses, trouble_with
from tests.bridge.turn.managed.plans import LOOPBACK, a_plan

KINDS = [socket.SOCK_DGRAM, socket.SOCK_STREAM]


def test_addresses_of_the_default_routes_are_the_machine_s_own() -> None:
    for address in route_addresses():
        assert not address.is_loopback
        assert not address.is_unspecified
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.bind((str(address), 0))


def test_free_place_is_no_trouble(tmp_path: Path) -> None:
    assert trouble_with(a_plan(tmp_path)) is None


@pytest.mark.parametrize("kind", KINDS)
def test_place_that_another_shares_is_taken_all_the_same(tmp_path: Path, kind: socket.SocketKind) -> None:
    plan = a_plan(tmp_path)
    with socket.socket(socket.AF_INET, kind) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((str(LOOPBACK), plan.port))
        if kind is socket.SOCK_STREAM:
            other.listen()
        trouble = trouble_with(plan)
    assert trouble is not None
    assert f"port {plan.port} of 127.0.0.1 is taken" in trouble
    assert "turn.managed.port" in trouble


def test_port_for_tls_is_looked_at_where_there_is_a_certificate(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((str(LOOPBACK), 0))
        other.listen()
        plan = a_plan(tmp_path, tls_port=other.getsockname()[1])
        assert trouble_with(plan) is None
        certificate = Certificate(tmp_path / "c", tmp_path / "k")
        trouble = trouble_with(a_plan(tmp_path, tls_port=plan.tls_port, certificate=certificate))
    assert trouble is not None
    assert f"TCP port {plan.tls_port}" in trouble


def test_address_of_another_machine_is_told_with_the_setting(tmp_path: Path) -> None:
    trouble = trouble_with(a_plan(tmp_path, addresses=(ip_address("192.0.2.1"),)))
    assert trouble == "192.0.2.1 is no address of this machine: write one that is into turn.managed.addresses"


def test_free_port_is_free_for_both(tmp_path: Path) -> None:
    port = free_port(LOOPBACK)
    for kind in KINDS:
        with socket.socket(socket.AF_INET, kind) as trial:
            trial.bind((str(LOOPBACK), port))
