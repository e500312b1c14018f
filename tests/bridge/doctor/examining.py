"""Bridges to look at, and what is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bridge.doctor.examination import Findings
from bridge.doctor.findings import Finding, Severity
from bridge.doctor.subject import Pages, Subject, read_key
from bridge.home import Home
from bridge.settings.tree import Settings
from client.clock import SystemClock
from client.entropy import SystemEntropy
from tests.support.bridges import a_home, bridge_settings
from tests.support.deadline import SCALE, within

PATIENCE = 1.0
"""Seconds; more than any of our own servers needs, and little to wait for those that say nothing."""


async def a_subject(folder: Path, **tables: object) -> Subject:
    """Make a bridge with these tables of settings, and return it to be looked at."""
    settings = bridge_settings(**tables)
    return subject_of(await a_home(folder, settings), settings)


def subject_of(home: Home, settings: Settings, *, port: int | None = None) -> Subject:
    """Return a bridge that is made, to be looked at."""
    clock = SystemClock()
    return Subject(
        home=home,
        settings=settings,
        environment={},
        secret=read_key(home, settings, {}),
        clock=clock,
        entropy=SystemEntropy(),
        pages=Pages(clock, seconds=PATIENCE * SCALE),
        patience_seconds=PATIENCE * SCALE,
        port=port,
    )


def upstream(*relays: str) -> dict[str, object]:
    """Return the settings' table that names relays of others."""
    return {"upstream": replace(Settings().upstream, relays=relays)}


async def found_by(findings: Findings) -> list[Finding]:
    """Return all that a check finds."""
    async with within(30):
        return [finding async for finding in findings]


def bad(findings: Sequence[Finding]) -> list[Finding]:
    """Return those that ask for something to be done."""
    return [finding for finding in findings if finding.severity in (Severity.WARNING, Severity.PROBLEM)]


def the(findings: Sequence[Finding], words: str) -> Finding:
    """Return the one finding that has these words in it."""
    matching = [finding for finding in findings if words in finding.found]
    assert len(matching) == 1, [finding.found for finding in findings]
    return matching[0]
