"""What is told to the operator about trouble, in words for a person: no secret, no key, and nobody's pseudonym."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from bridge.health.incidents import Change, IncidentRules
from bridge.public_keys import public_keys
from bridge.settings.tree import Settings
from nips.keys import PublicKey


@dataclass(frozen=True, slots=True)
class NoticeRules:
    """Whom to tell, and what is worth telling."""

    operator: PublicKey | None
    bridge_name: str
    window_seconds: int
    fault_percent: float
    least_requests: int
    down: IncidentRules
    faults: IncidentRules

    def is_too_much(self, ended: int, faults: int, *, is_open: bool) -> bool:
        """Tell whether so many failures are too many; while it is known that they are, few requests tell too."""
        enough = ended >= (1 if is_open else self.least_requests)
        return enough and 100 * faults > self.fault_percent * ended


def notice_rules(settings: Settings) -> NoticeRules:
    """Return the rules that the settings ask for; raise `StartupError` for a key that is none."""
    notices = settings.notices
    named = public_keys("notices.operator", [notices.operator] if notices.operator else [])
    return NoticeRules(
        operator=next(iter(named), None),
        bridge_name=settings.bridge.name,
        window_seconds=notices.window_seconds,
        fault_percent=notices.fault_percent,
        least_requests=notices.least_requests,
        down=IncidentRules(notices.delay_seconds, notices.calm_seconds),
        # The window has smoothed it already.
        faults=IncidentRules(0, notices.calm_seconds),
    )


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to the operator."""

    incident: str
    change: Change
    at: int
    text: str


def faults_text(rules: NoticeRules, ended: int, faults: int) -> str:
    """Say that too many requests fail, and where to look."""
    return (
        f"{rules.bridge_name}: {faults} of {ended} requests in the last {rules.window_seconds} seconds failed by the "
        f"bridge's own fault, more than {rules.fault_percent:g} %. Look at its log and at `switchboard status`: at the "
        "disk, the database, and the TURN providers."
    )


def down_text(rules: NoticeRules, part: str, problem: str) -> str:
    """Say that a part is down, and what it says about that."""
    return f"{rules.bridge_name}: {part} is down: {problem}. `switchboard status` tells whether it still is."


def ended_text(rules: NoticeRules, part: str, began_at: int | None) -> str:
    """Say that something is over."""
    since = (
        "" if began_at is None else f", after trouble since {datetime.fromtimestamp(began_at, UTC):%Y-%m-%d %H:%M} UTC"
    )
    return f"{rules.bridge_name}: {part} is well again{since}."
