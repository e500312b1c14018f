"""TURN from credentials to allocations, for every provider that is configured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.doctor.findings import Severity
from bridge.doctor.turn import check_stun, check_turn
from bridge.home import write_secret
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind, TurnSettings
from tests.bridge.doctor.examining import a_subject, bad, found_by, the
from tests.bridge.doctor.places import a_free_port
from tests.support.certificates import make_certificate
from tests.support.coturn import CoturnServer, coturn_server
from tests.support.name_server import a_name_server
from tests.support.tls_coturn import tls_coturn

TURN = Settings().turn


def coturn_at(*urls: str) -> TurnSettings:
    return replace(TURN, providers=(ProviderKind.COTURN,), coturn=replace(TURN.coturn, urls=urls))


async def test_credentials_are_good_at_every_address(tmp_path: Path) -> None:
    async with coturn_server(tmp_path) as server:
        subject = await a_subject(tmp_path / "home", turn=coturn_at(*server.urls))
        give_secret(tmp_path / "home", server)
        findings = await found_by(check_turn(subject))
    assert bad(findings) == []
    assert [finding.about for finding in findings] == ["coturn", *(f"coturn: {url}" for url in server.urls)]
    assert all("an allocation in " in finding.found for finding in findings[1:])


def give_secret(home: Path, server: CoturnServer) -> None:
    (home / "turn.secret").unlink()
    write_secret(home / "turn.secret", server.secret)


async def test_secret_that_is_not_the_servers_is_told_for_each_address(tmp_path: Path) -> None:
    async with coturn_server(tmp_path) as server:
        subject = await a_subject(tmp_path / "home", turn=coturn_at(*server.urls))
        findings = bad(await found_by(check_turn(subject)))
    assert [finding.severity for finding in findings] == [Severity.PROBLEM] * 2
    assert all("401" in finding.found and "static-auth-secret" in finding.fix for finding in findings)


async def test_tls_is_tried_with_the_name_and_its_certificate_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(tmp_path, host="localhost", days=10)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with tls_coturn(tmp_path, certificate=certificate, key=key, secret="north") as port:
        subject = await a_subject(tmp_path / "home", turn=coturn_at(f"turns:localhost:{port}"))
        findings = await found_by(check_turn(subject))
    assert the(findings, "its certificate ends in").severity is Severity.WARNING
    assert findings[1].found.startswith("an allocation at 127.0.0.1 in ")


async def test_every_provider_is_asked_and_not_only_the_first(tmp_path: Path) -> None:
    async with coturn_server(tmp_path) as server:
        turn = coturn_at(*server.urls)
        dead = f"turn:127.0.0.1:{a_free_port()}?transport=tcp"
        turn = replace(
            turn, providers=(ProviderKind.COTURN, ProviderKind.STATIC), static=replace(turn.static, urls=(dead,))
        )
        home = tmp_path / "home"
        subject = await a_subject(home, turn=turn)
        give_secret(home, server)
        write_secret(home / "turn.username", "somebody")
        write_secret(home / "turn.password", "secret words")
        findings = await found_by(check_turn(subject))
    (finding,) = bad(findings)
    assert finding.about == f"static: {dead}"
    assert "nobody listens" in finding.found
    assert "secret words" not in str(findings)


async def test_name_that_does_not_resolve_is_told(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path, turn=coturn_at("turn:nowhere.invalid:3478"))
    (finding,) = bad(await found_by(check_turn(subject)))
    assert "nowhere.invalid does not resolve" in finding.found


async def test_what_cannot_be_tried_is_said_to_be_that(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path, turn=coturn_at("turns:127.0.0.1:5349?transport=udp"))
    assert (await found_by(check_turn(subject)))[1].severity is Severity.SKIPPED
    (finding,) = await found_by(check_stun(subject, "stuns:turn.example.org"))
    assert finding.severity is Severity.SKIPPED


async def test_missing_secret_and_missing_provider_have_their_fix(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path / "a", turn=coturn_at("turn:127.0.0.1:3478"))
    (tmp_path / "a" / "turn.secret").unlink()
    (finding,) = await found_by(check_turn(subject))
    assert finding.severity is Severity.PROBLEM
    assert "turn.secret" in finding.found
    without = replace(TURN, managed=replace(TURN.managed, enabled=False))
    (finding,) = await found_by(check_turn(await a_subject(tmp_path / "b", turn=without)))
    assert finding.severity is Severity.WARNING
    assert "turn.managed.enabled is false" in finding.found
    assert "turn.providers" in finding.fix


async def test_stun_server_is_asked_where_it_sees_us(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path)
    async with coturn_server(tmp_path) as server:
        (finding,) = await found_by(check_stun(subject, f"stun:127.0.0.1:{server.port}"))
    assert (finding.severity, finding.found) == (Severity.OK, "answers, and sees us at 127.0.0.1")
    (finding,) = await found_by(check_stun(subject, f"stun:127.0.0.1:{a_free_port()}"))
    assert finding.severity is Severity.PROBLEM
    assert "turn.stun_urls" in finding.fix


async def test_patterns_are_tried_at_the_addresses_of_the_name_and_under_its_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(tmp_path, host="turn.example.org", days=60)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with (
        tls_coturn(tmp_path, certificate=certificate, key=key, secret="north") as port,
        a_name_server() as server,
    ):
        server.serve("turn.example.org 60 A 127.0.0.1")
        turn = coturn_at()
        coturn = replace(
            turn.coturn, urls_with_ips=(f"turns:%s:{port}?transport=tcp",), hostname="turn.example.org", urls=()
        )
        names = replace(turn.names, resolvers=("{}:{}".format(*server.address),), allow_private=True)
        subject = await a_subject(tmp_path / "home", turn=replace(turn, coturn=coturn, names=names))
        findings = await found_by(check_turn(subject))
    assert bad(findings) == []
    assert findings[1].about == f"coturn: turns:127.0.0.1:{port}?transport=tcp"
    assert "an allocation in " in findings[1].found


async def test_addresses_of_an_experiment_are_tried_too(tmp_path: Path) -> None:
    async with coturn_server(tmp_path) as server:
        gone = f"turn:127.0.0.1:{a_free_port()}?transport=tcp"
        turn = coturn_at(*server.urls)
        turn = replace(turn, experiment=replace(turn.experiment, name="new", share=1.0, urls=(gone,)))
        subject = await a_subject(tmp_path / "home", turn=turn)
        give_secret(tmp_path / "home", server)
        (finding,) = bad(await found_by(check_turn(subject)))
    assert finding.about == f"coturn: {gone}"
