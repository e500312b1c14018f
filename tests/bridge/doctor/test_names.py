"""Names of TURN servers: both families, and addresses that nobody outside reaches."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from bridge.doctor.findings import Severity
from bridge.doctor.names import check_name, hosts, judge
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from bridge.settings.turn_names import AddressFamily
from bridge.turn.resolver import Answers, Found, NotFound
from tests.bridge.doctor.examining import a_subject, found_by
from tests.support.name_server import a_name_server

V4, V6, PRIVATE = ["9.9.9.9"], ["2600::1"], ["192.168.1.2"]
TURN = Settings().turn


def answers(ipv4: list[str] | str, ipv6: list[str] | str) -> Answers:
    """Return what was found, or why nothing was said."""
    return {
        family: NotFound(told) if isinstance(told, str) else Found(tuple(map(ip_address, told)), 60)
        for family, told in ((AddressFamily.IPV4, ipv4), (AddressFamily.IPV6, ipv6))
    }


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "severity", "words"),
    [
        (V4, V6, Severity.OK, "9.9.9.9, 2600::1"),
        (V4, [], Severity.OK, "no IPv6"),
        ([], V6, Severity.WARNING, "no IPv4"),
        ([], [], Severity.PROBLEM, "does not resolve"),
        (PRIVATE, V6, Severity.WARNING, "192.168.1.2"),
        (V4, "SERVFAIL", Severity.WARNING, "says nothing (SERVFAIL)"),
        ("no answer in time", "no answer in time", Severity.PROBLEM, "says nothing (no answer in time)"),
    ],
)
def test_addresses_are_judged_by_who_can_use_them(
    ipv4: list[str] | str, ipv6: list[str] | str, severity: Severity, words: str
) -> None:
    (finding,) = judge("turn.example.org", answers(ipv4, ipv6))
    assert finding.severity is severity
    assert words in finding.found
    assert bool(finding.fix) is (severity is not Severity.OK)


def test_private_addresses_are_well_where_they_are_meant() -> None:
    (finding,) = judge("turn.example.org", answers(PRIVATE, []), allow_private=True)
    assert finding.severity is Severity.OK


def test_all_names_that_clients_are_told_are_looked_at_and_no_addresses() -> None:
    coturn = replace(
        TURN.coturn,
        urls=("turn:turn.example.org", "turn:[2001:db8::1]:3478", "turns:tls.example.org"),
        hostname="name.example.org",
    )
    turn = replace(
        TURN,
        providers=(ProviderKind.COTURN,),
        coturn=coturn,
        static=replace(TURN.static, urls=("turn:unused.example.org",)),
        stun_urls=("stun:stun.example.org", "stun:192.0.2.1"),
        experiment=replace(TURN.experiment, name="new", urls=("turn:new.example.org",)),
    )
    names = ["stun.example.org", "turn.example.org", "tls.example.org", "name.example.org", "new.example.org"]
    assert hosts(replace(Settings(), turn=turn)) == names


async def test_name_is_looked_up_where_the_bridge_looks_it_up(tmp_path: Path) -> None:
    async with a_name_server() as server:
        server.serve(
            "turn.example.org 60 A 9.9.9.9", "turn.example.org 60 AAAA 2600::1", "near.example.org 60 A 10.0.0.1"
        )
        names = replace(TURN.names, resolvers=("{}:{}".format(*server.address),))
        subject = await a_subject(tmp_path, turn=replace(TURN, names=names))
        (good,) = await found_by(check_name(subject, "turn.example.org"))
        (near,) = await found_by(check_name(subject, "near.example.org"))
        (gone,) = await found_by(check_name(subject, "gone.example.org"))
        (local,) = await found_by(check_name(subject, "localhost"))
    assert (good.severity, good.found) == (Severity.OK, "9.9.9.9, 2600::1")
    assert (near.severity, gone.severity, local.severity) == (Severity.WARNING, Severity.PROBLEM, Severity.PROBLEM)
    assert "to this machine, and nothing to the DNS" in local.found
