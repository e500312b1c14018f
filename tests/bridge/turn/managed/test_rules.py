"""What clients and operators are told of a plan."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from bridge.turn.managed.configuration import Certificate
from bridge.turn.managed.rules import description, stun_urls, turn_urls
from tests.bridge.turn.managed.plans import LOOPBACK, a_plan

OUTSIDE, SIX = ip_address("5.5.5.1"), ip_address("2600:5::1")
CERTIFICATE = Certificate(Path("c"), Path("k"))


def test_urls_name_the_address_outside(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, port=3478, external=((OUTSIDE, LOOPBACK),))
    assert turn_urls(plan) == ("turn:5.5.5.1:3478?transport=udp", "turn:5.5.5.1:3478?transport=tcp")
    assert stun_urls(plan) == ("stun:5.5.5.1:3478",)


def test_urls_name_the_host_and_tls_where_there_is_a_certificate(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, port=3478, tls_port=443, hostname="turn.example.org", certificate=CERTIFICATE)
    assert turn_urls(plan) == (
        "turn:turn.example.org:3478?transport=udp",
        "turn:turn.example.org:3478?transport=tcp",
        "turns:turn.example.org:443?transport=tcp",
    )


def test_ipv6_literal_is_told_only_where_there_is_nothing_else(tmp_path: Path) -> None:
    assert stun_urls(a_plan(tmp_path, port=3478, addresses=(OUTSIDE, SIX))) == ("stun:5.5.5.1:3478",)
    assert stun_urls(a_plan(tmp_path, port=3478, addresses=(SIX,))) == ("stun:[2600:5::1]:3478",)


def test_operator_sees_where_it_listens_and_as_what_it_is_told(tmp_path: Path) -> None:
    plan = a_plan(tmp_path, port=3478)
    assert description(plan) == "managed coturn on 127.0.0.1:3478"
    plan = a_plan(
        tmp_path, port=3478, addresses=(LOOPBACK, SIX), external=((OUTSIDE, LOOPBACK),), certificate=CERTIFICATE
    )
    assert description(plan) == ("managed coturn on 127.0.0.1:3478, [2600:5::1]:3478, TLS on 5349, told as 5.5.5.1")
