"""Whose clock is wrong: ours, or a relay's."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.doctor.clock import check_clock, judge, skew_of
from bridge.doctor.findings import Severity
from bridge.doctor.page import Page
from tests.bridge.doctor.examining import a_subject, found_by, upstream
from tests.support.odd_relay import OddRelay

A, B, C = "wss://a.example.org", "wss://b.example.org", "wss://c.example.org"


@pytest.mark.parametrize(
    ("skew", "severity"),
    [(0, Severity.OK), (-5, Severity.OK), (6, Severity.WARNING), (31, Severity.PROBLEM), (-400, Severity.PROBLEM)],
)
def test_skew_is_judged_by_what_it_breaks(skew: float, severity: Severity) -> None:
    (finding,) = judge({A: skew, B: skew, C: skew})
    assert finding.severity is severity
    assert bool(finding.fix) is (severity is not Severity.OK)


def test_seconds_and_direction_are_named() -> None:
    assert judge({A: 412.4})[0].found.startswith(f"412 s behind {A}")
    assert judge({A: -400, B: -412, C: -412.4})[0].found.startswith("412 s ahead of 3 relays")


def test_relay_that_is_alone_with_its_time_is_the_one_that_is_wrong() -> None:
    ours, theirs = judge({A: 0.2, B: 3000, C: -0.4})
    assert (ours.about, ours.severity) == ("this machine", Severity.OK)
    assert (theirs.about, theirs.severity) == (B, Severity.WARNING)
    assert "3000 s ahead" in theirs.found


@pytest.mark.parametrize("date", [None, "soon", "Fri, 99 Nov 2026 20:00:00 GMT"])
def test_server_that_does_not_tell_its_time_is_left_out(date: str | None) -> None:
    assert skew_of(Page(200, {} if date is None else {"date": date}, "", 0.0, 0.0, None)) is None


async def test_no_relay_to_compare_with_is_no_verdict(tmp_path: Path) -> None:
    (finding,) = await found_by(check_clock(await a_subject(tmp_path)))
    assert finding.severity is Severity.SKIPPED


async def test_clock_is_compared_with_relays_that_answer(tmp_path: Path) -> None:
    async with OddRelay() as right, OddRelay(clock_skew=-7200) as late:
        subject = await a_subject(tmp_path, **upstream(right.url, late.url, right.url, "ws://127.0.0.1:1"))
        ours, theirs = await found_by(check_clock(subject))
    # Of two that disagree, the one that agrees with us has two on its side.
    assert (ours.severity, theirs.about) == (Severity.OK, late.url)
    async with OddRelay() as right, OddRelay() as too, OddRelay(clock_skew=-7200) as late:
        subject = await a_subject(tmp_path / "other", **upstream(right.url, too.url, late.url))
        ours, theirs = await found_by(check_clock(subject))
    assert (ours.severity, theirs.about) == (Severity.OK, late.url)


async def test_own_clock_that_is_wrong_is_told_in_seconds(tmp_path: Path) -> None:
    async with OddRelay(clock_skew=120) as one, OddRelay(clock_skew=120) as other:
        (finding,) = await found_by(check_clock(await a_subject(tmp_path, **upstream(one.url, other.url))))
    assert finding.severity is Severity.PROBLEM
    assert finding.found.startswith(("119 s behind", "120 s behind", "121 s behind"))
    assert "NTP" in finding.fix
