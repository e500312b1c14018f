"""This machine's clock, beside those of the relays that it talks to.

strfry refuses live wraps whose time is a minute off, and so do we; AUTH allows ten minutes. What a server says in the
`Date` of its answer is whole seconds, and our own question takes its time, so a few seconds mean nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from statistics import median_high, median_low

from bridge.doctor.examination import Findings
from bridge.doctor.findings import Finding, ok, problem, skipped, warning
from bridge.doctor.page import Page, PageFailed
from bridge.doctor.subject import Subject

FAMILY = "clock"
SLIGHT_SECONDS = 5
SERIOUS_SECONDS = 30

_FIX = "have NTP set it (`timedatectl set-ntp true`), and see that it does (`timedatectl`)"


async def check_clock(subject: Subject) -> Findings:
    """Compare our clock with the `Date` of every relay that is not ours."""
    skews: dict[str, float] = {}
    for url in subject.relays:
        try:
            skew = skew_of(await subject.pages.get(url))
        except PageFailed:
            continue
        if skew is not None:
            skews[url] = skew
    for finding in judge(skews):
        yield finding


def skew_of(page: Page) -> float | None:
    """Return how many seconds a server's clock is ahead of ours; None when it does not tell."""
    try:
        told = parsedate_to_datetime(page.headers["date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None
    # It was some moment within that second.
    return told + 0.5 - page.asked_at


def judge(skews: Mapping[str, float]) -> Sequence[Finding]:
    """Say whose clock is wrong: ours when most of the others agree against it, else each other by itself."""
    if not skews:
        return [skipped(FAMILY, "this machine", "no relay under [upstream] tells its time", f"to be sure, {_FIX}")]
    # Of two that disagree, the one that agrees with us has two on its side.
    ours = min(median_low(skews.values()), median_high(skews.values()), key=abs)
    others = [
        warning(
            FAMILY,
            url,
            f"its clock is {_seconds(abs(skew - ours))} {'ahead of' if skew > ours else 'behind'} those of the others",
            "live wraps may not pass there; tell its operator",
        )
        for url, skew in skews.items()
        if abs(skew - ours) > SERIOUS_SECONDS
    ]
    return [_ours(ours, skews), *others]


def _ours(skew: float, skews: Mapping[str, float]) -> Finding:
    witness = next(iter(skews)) if len(skews) == 1 else f"{len(skews)} relays"
    found = f"{_seconds(abs(skew))} {'behind' if skew > 0 else 'ahead of'} {witness}"
    if abs(skew) > SERIOUS_SECONDS:
        return problem(FAMILY, "this machine", f"{found}: live wraps are refused for their time", _FIX)
    if abs(skew) > SLIGHT_SECONDS:
        return warning(FAMILY, "this machine", found, _FIX)
    return ok(FAMILY, "this machine", f"agrees with {witness} to {SLIGHT_SECONDS} s")


def _seconds(number: float) -> str:
    return f"{round(number)} s"
