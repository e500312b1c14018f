"""The bridge that runs here, if one does: what it says of itself over its admin socket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.metadata import version as distribution_version
from pathlib import Path
from urllib.parse import urlsplit

from bridge.administration.client import NotRunning, operator
from bridge.administration.messages import CommandRefused, Json
from bridge.doctor.examination import Findings
from bridge.doctor.findings import Finding, ok, problem, skipped, warning
from bridge.doctor.subject import Subject
from bridge.errors import StartupError
from bridge.settings.tree import Settings
from nips.errors import InvalidEntity
from nips.keys import PublicKey
from nips.nip19 import parse_public_key_text

FAMILY = "running"
ABOUT = "this bridge"


async def check_running(subject: Subject) -> Findings:
    """Ask the running bridge how it is."""
    try:
        status = await asyncio.to_thread(status_of, subject.home.path, seconds=subject.patience_seconds)
    except NotRunning:
        yield skipped(FAMILY, ABOUT, "does not run now")
        return
    except (StartupError, CommandRefused) as error:
        fix = "look at its log; if it says nothing any more, restart it"
        yield problem(FAMILY, ABOUT, f"runs, and does not say how it is: {error}", fix)
        return
    for finding in judge(status, version=distribution_version("nostr-switchboard")):
        yield finding


def status_of(home: Path, *, seconds: float) -> Json:
    """Return what a running bridge says of itself; blocks for so long at most. Raise `NotRunning` when none runs."""
    with operator(home, patience_seconds=seconds) as bridge:
        return bridge.ask("status")


def told_by(home: Path, *, seconds: float) -> Json:
    """Return what a running bridge says of itself, nothing when none answers; blocks."""
    try:
        return status_of(home, seconds=seconds)
    except (StartupError, CommandRefused):
        return {}


def port_of(told: Json, settings: Settings) -> int | None:
    """Return the port that a running bridge took where its settings say any."""
    if settings.relay.port or settings.bridge.public_url:
        return None
    try:
        return urlsplit(str(told["url"])).port
    except (KeyError, ValueError):
        return None


def key_of(told: Json) -> PublicKey | None:
    """Return the key that a running bridge says is its own."""
    try:
        return parse_public_key_text(str(told["npub"]))
    except (KeyError, InvalidEntity):
        return None


def judge(status: Json, *, version: str) -> Sequence[Finding]:
    """Say what a bridge's own words mean: of which version it is, and which of its parts are in trouble."""
    runs = f"version {status['version']} runs for {int(status['uptime_seconds'])} s (pid {status['pid']})"
    findings = [ok(FAMILY, ABOUT, runs)]
    if status["version"] != version:
        found = f"is of version {status['version']}, and {version} is installed"
        findings = [warning(FAMILY, ABOUT, found, "restart it")]
    for part, trouble in status["problems"].items():
        judged = problem if part in status["down"] else warning
        # What a part says of itself holds its fix.
        found, _, fix = str(trouble).rpartition(": ")
        findings.append(judged(FAMILY, part, found or fix, fix if found else "see the log of the bridge"))
    return findings
