"""The public address: through a TLS front as clients come, and everything that may be wrong on the way."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest

from bridge.doctor.findings import Severity
from bridge.doctor.public import certificate, check_public, proxies, scheme
from bridge.doctor.subject import Subject
from bridge.settings.tree import Settings
from tests.bridge.doctor.examining import a_subject, bad, found_by, subject_of, the, upstream
from tests.bridge.doctor.places import a_free_port
from tests.support.bridges import a_bridge
from tests.support.certificates import make_certificate, server_context
from tests.support.odd_relay import OddRelay
from tests.support.tls_front import tls_front

RELAY, BRIDGE = Settings().relay, Settings().bridge
DAY = 86_400


def told(subject: Subject, public_url: str) -> Subject:
    settings = replace(
        subject.settings,
        bridge=replace(BRIDGE, public_url=public_url),
        relay=replace(subject.settings.relay, trusted_proxies=("127.0.0.1",)),
    )
    return subject_of(subject.home, settings)


async def test_bridge_behind_a_tls_front_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make_certificate(tmp_path, host="localhost", days=60)
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    port = a_free_port()
    subject = await a_subject(tmp_path / "home", relay=replace(RELAY, port=port))
    async with tls_front(port, server_context(*files)) as front:
        subject = told(subject, f"wss://localhost:{front}")
        async with a_bridge(subject.home, subject.settings):
            findings = await found_by(check_public(subject))
    # That the name is one of this machine alone is true, and the only thing to say.
    assert [finding.found for finding in bad(findings) if "only this network" not in finding.found] == []
    assert the(findings, "this bridge answers there").severity is Severity.OK
    assert the(findings, "the websocket opens, and a key can be proved").severity is Severity.OK
    assert the(findings, "its certificate ends in").severity is Severity.OK


async def test_bridge_that_has_another_name_for_itself_refuses_keys(tmp_path: Path) -> None:
    port = a_free_port()
    subject = await a_subject(tmp_path, relay=replace(RELAY, port=port))
    here = told(subject, f"ws://127.0.0.1:{port}")
    elsewhere = told(subject, "wss://relay.example.org")
    async with a_bridge(elsewhere.home, elsewhere.settings):
        (finding,) = bad(await found_by(check_public(here)))
    assert finding.severity is Severity.PROBLEM
    assert finding.found.startswith("the websocket opens, and AUTH fails")
    assert "public_url" in finding.fix


async def test_certificate_that_is_not_accepted_is_told_with_its_reason(tmp_path: Path) -> None:
    files = make_certificate(tmp_path, host="127.0.0.1", days=60)
    subject = await a_subject(tmp_path / "home")
    async with OddRelay() as relay, tls_front(relay.port, server_context(*files)) as front:
        (finding,) = bad(await found_by(check_public(told(subject, f"wss://127.0.0.1:{front}"))))
    assert finding.severity is Severity.PROBLEM
    assert "certificate is not accepted" in finding.found


@pytest.mark.parametrize(
    ("oddities", "words"),
    [
        ({"status": HTTPStatus.BAD_GATEWAY}, "a proxy answers (502), and does not reach the bridge"),
        ({"status": HTTPStatus.NOT_FOUND}, "what answers (HTTP 404) is no relay"),
        ({"document": {"name": "Other"}}, "another relay answers (“Other”)"),
    ],
)
async def test_what_answers_instead_of_the_bridge_is_told(
    tmp_path: Path, oddities: dict[str, object], words: str
) -> None:
    subject = await a_subject(tmp_path)
    async with OddRelay(**oddities) as relay:
        findings = await found_by(check_public(told(subject, relay.url)))
    assert the(findings, words).severity is Severity.PROBLEM


async def test_proxy_that_does_not_pass_websockets_on_is_told(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path)
    assert subject.public_key is not None
    async with OddRelay(document={"self": subject.public_key}, no_upgrade=True) as relay:
        (finding,) = bad(await found_by(check_public(told(subject, relay.url))))
    assert finding.found == "the websocket does not open (HTTP 200)"
    assert "proxy_http_version 1.1" in finding.fix


async def test_websocket_through_which_nothing_comes_is_told(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path)
    assert subject.public_key is not None
    async with OddRelay(document={"self": subject.public_key}, silent=True) as relay:
        (finding,) = bad(await found_by(check_public(told(subject, relay.url))))
    assert finding.found == "the websocket opens, and nothing comes through it"


async def test_without_an_address_it_depends_on_other_relays(tmp_path: Path) -> None:
    (alone,) = await found_by(check_public(await a_subject(tmp_path / "a")))
    assert alone.severity is Severity.WARNING
    (found,) = await found_by(check_public(await a_subject(tmp_path / "b", **upstream("wss://a.example.org"))))
    assert found.severity is Severity.OK


async def test_address_where_nobody_listens_is_a_problem(tmp_path: Path) -> None:
    subject = told(await a_subject(tmp_path), f"ws://127.0.0.1:{a_free_port()}")
    (finding,) = bad(await found_by(check_public(subject)))
    assert (finding.severity, finding.found) == (Severity.PROBLEM, "nobody listens there")


@pytest.mark.parametrize(
    ("url", "count"),
    [
        ("wss://relay.example.org", 0),
        ("ws://relay.example.org", 1),
        ("ws://localhost:7447", 0),
        ("ws://abc.onion", 0),
    ],
)
def test_address_without_tls_is_a_warning_where_that_matters(url: str, count: int) -> None:
    assert len(scheme(url)) == count


def test_proxy_that_is_not_named_is_a_warning() -> None:
    settings = Settings()
    public = replace(settings, bridge=replace(BRIDGE, public_url="wss://relay.example.org"))
    assert proxies(settings) == []
    assert [finding.severity for finding in proxies(public)] == [Severity.WARNING]
    known = replace(public, relay=replace(RELAY, trusted_proxies=("127.0.0.1",)))
    assert [finding.severity for finding in proxies(known)] == [Severity.OK]


@pytest.mark.parametrize(
    ("days", "severity"), [(2.9, Severity.PROBLEM), (3, Severity.WARNING), (13.9, Severity.WARNING), (14, Severity.OK)]
)
def test_certificate_that_ends_soon_is_told_in_time(days: float, severity: Severity) -> None:
    (finding,) = certificate("x", int(days * DAY), now=0)
    assert finding.severity is severity
    assert certificate("x", None, now=0) == []
