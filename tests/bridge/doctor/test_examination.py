"""Running checks: side by side, each under its deadline, none hiding what the others find."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bridge.doctor.examination import AT_ONCE, Check, Findings, examine
from bridge.doctor.findings import Finding, Severity, ok
from tests.support.deadline import within


class Followed:
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.findings: list[Finding] = []

    def begun(self, check: Check) -> None:
        self.heard.append(("begun", check.about))

    def told(self, finding: Finding) -> None:
        self.heard.append(("told", finding.about))
        self.findings.append(finding)

    def ended(self, check: Check) -> None:
        self.heard.append(("ended", check.about))


async def test_findings_are_told_while_their_check_and_others_run() -> None:
    first_told, second_told = asyncio.Event(), asyncio.Event()

    async def first() -> Findings:
        yield ok("x", "first", "1")
        first_told.set()
        await second_told.wait()
        yield ok("x", "first", "2")

    async def second() -> Findings:
        await first_told.wait()
        yield ok("x", "second", "1")
        second_told.set()

    followed = Followed()
    async with within():
        await examine([Check("x", "first", first), Check("x", "second", second)], followed, seconds=60)
    told = [about for what, about in followed.heard if what == "told"]
    assert told == ["first", "second", "first"]
    assert followed.heard[-1][0] == "ended"


async def test_check_that_takes_too_long_is_a_finding_beside_what_it_had_found() -> None:
    async def endless() -> Findings:
        yield ok("x", "slow", "so far so good")
        await asyncio.Event().wait()

    followed = Followed()
    async with within():
        await examine([Check("x", "slow", endless)], followed, seconds=0.05)
    assert [finding.severity for finding in followed.findings] == [Severity.OK, Severity.PROBLEM]
    assert "0.05 seconds" in followed.findings[1].found
    assert "--patience" in followed.findings[1].fix


async def test_check_that_fails_of_itself_does_not_hide_others(caplog: pytest.LogCaptureFixture) -> None:
    async def faulty() -> Findings:
        yield ok("x", "faulty", "so far so good")
        raise KeyError("secret")

    async def good() -> Findings:
        yield ok("x", "good", "well")

    followed = Followed()
    with caplog.at_level(logging.ERROR):
        async with within():
            await examine([Check("x", "faulty", faulty), Check("x", "good", good)], followed, seconds=60)
    (fault,) = [finding for finding in followed.findings if finding.severity is Severity.PROBLEM]
    assert "KeyError" in fault.found
    assert "secret" not in fault.found
    assert ("told", "good") in followed.heard
    assert "a check failed" in caplog.text


async def test_only_so_many_run_at_once() -> None:
    running, most = 0, 0
    full, release = asyncio.Event(), asyncio.Event()

    async def crowded() -> Findings:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == AT_ONCE:
            full.set()
        await release.wait()
        running -= 1
        yield ok("x", "crowded", "well")

    followed = Followed()
    checks = [Check("x", "crowded", crowded)] * (AT_ONCE + 5)
    async with within(), asyncio.TaskGroup() as tasks:
        tasks.create_task(examine(checks, followed, seconds=60))
        await full.wait()
        release.set()
    assert most == AT_ONCE
    assert len(followed.findings) == AT_ONCE + 5
