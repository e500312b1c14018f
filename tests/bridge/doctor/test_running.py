"""The running bridge's own words."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from bridge.doctor.findings import Severity
from bridge.doctor.running import check_running, judge, key_of, port_of, told_by
from tests.bridge.doctor.examining import a_subject, bad, found_by
from tests.support.bridges import a_bridge
from tests.support.deadline import SCALE


def a_status(**changes: Any) -> dict[str, Any]:
    return {"version": "1.0", "uptime_seconds": 61, "pid": 42, "problems": {}, "down": [], **changes}


async def test_running_bridge_says_so_and_where(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path)
    async with a_bridge(subject.home, subject.settings) as bridge:
        findings = await found_by(check_running(subject))
        told = await asyncio.to_thread(told_by, tmp_path, seconds=5 * SCALE)
    assert bad(findings) == []
    assert "runs for" in findings[0].found
    assert bridge.url.endswith(f":{port_of(told, subject.settings)}")
    assert key_of(told) == subject.public_key


async def test_bridge_that_does_not_run_is_no_problem(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path)
    (finding,) = await found_by(check_running(subject))
    assert (finding.severity, finding.found) == (Severity.SKIPPED, "does not run now")
    told = told_by(tmp_path, seconds=1)
    assert (port_of(told, subject.settings), key_of(told)) == (None, None)


async def test_bridge_that_hangs_is_a_problem_after_the_patience(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "admin.sock"))
        deaf.listen()
        (finding,) = await found_by(check_running(subject))
    assert finding.severity is Severity.PROBLEM


def test_bridge_of_another_version_is_to_be_restarted() -> None:
    (finding,) = [finding for finding in judge(a_status(), version="1.1") if finding.fix]
    assert (finding.severity, finding.fix) == (Severity.WARNING, "restart it")


@pytest.mark.parametrize(("down", "severity"), [([], Severity.WARNING), (["storage"], Severity.PROBLEM)])
def test_parts_in_trouble_are_told_by_how_bad_it_is(down: list[str], severity: Severity) -> None:
    status = a_status(problems={"storage": "it is full: make room"}, down=down)
    _, finding = judge(status, version="1.0")
    assert (finding.about, finding.severity) == ("storage", severity)
    assert (finding.found, finding.fix) == ("it is full", "make room")
