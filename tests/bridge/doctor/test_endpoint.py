"""Our own endpoint, with a bridge behind it and without."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from bridge.doctor.endpoint import check_endpoint
from bridge.doctor.findings import Severity
from bridge.settings.tree import Settings
from tests.bridge.doctor.examining import a_subject, bad, found_by, the
from tests.bridge.doctor.places import a_free_port
from tests.support.bridges import a_bridge
from tests.support.odd_relay import OddRelay

RELAY, BRIDGE, COMPAT = Settings().relay, Settings().bridge, Settings().compat


async def test_running_bridge_gives_wraps_back_and_answers_in_both_kinds(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path, relay=replace(RELAY, port=a_free_port()))
    async with a_bridge(subject.home, subject.settings):
        findings = await found_by(check_endpoint(subject))
    assert bad(findings) == []
    assert the(findings, "1059: published and read back with AUTH").severity is Severity.OK
    assert the(findings, "21059: passed on live").severity is Severity.OK
    answered = [finding for finding in findings if "bridge.info is answered" in finding.found]
    assert [finding.found.partition(":")[0] for finding in answered] == ["1059", "21059"]
    assert the(findings, "our 10050 and 10002 are there").severity is Severity.OK


async def test_bridge_behind_a_proxy_is_asked_here_under_its_public_name(tmp_path: Path) -> None:
    subject = await a_subject(
        tmp_path,
        relay=replace(RELAY, port=a_free_port()),
        bridge=replace(BRIDGE, public_url="wss://relay.example.org"),
    )
    async with a_bridge(subject.home, subject.settings):
        assert bad(await found_by(check_endpoint(subject))) == []


async def test_nobody_becomes_an_account_by_being_looked_at(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path, relay=replace(RELAY, port=a_free_port()))
    async with a_bridge(subject.home, subject.settings):
        await found_by(check_endpoint(subject))
    connection = sqlite3.connect(tmp_path / "switchboard.db")
    assert connection.execute("SELECT count(*) FROM accounts").fetchone() == (0,)
    connection.close()


async def test_wraps_that_strangers_may_read_are_a_warning_with_its_setting(tmp_path: Path) -> None:
    subject = await a_subject(
        tmp_path, relay=replace(RELAY, port=a_free_port()), compat=replace(COMPAT, read_without_auth=True)
    )
    async with a_bridge(subject.home, subject.settings):
        (finding,) = bad(await found_by(check_endpoint(subject)))
    assert finding.severity is Severity.WARNING
    assert "compat.read_without_auth" in finding.fix


async def test_without_a_bridge_nothing_is_looked_at(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path, relay=replace(RELAY, port=a_free_port()))
    (finding,) = await found_by(check_endpoint(subject))
    assert (finding.severity, finding.found) == (Severity.SKIPPED, "no bridge runs here now")
    async with OddRelay(document={"self": "0" * 64}) as other:
        subject = replace(subject, port=other.port)
        (finding,) = await found_by(check_endpoint(subject))
    assert (finding.severity, finding.found) == (Severity.SKIPPED, "another program listens there")
    (finding,) = await found_by(check_endpoint(replace(subject, secret=None)))
    assert finding.severity is Severity.SKIPPED
