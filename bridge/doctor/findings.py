"""What a check found: how bad it is, what it is about, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

MAX_WORDS = 160
"""Characters of somebody else's words that are shown."""


class Severity(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    SKIPPED = "skipped"
    """Not looked at; the text says why. No reason to worry, and none not to."""
    WARNING = "warning"
    """The bridge works, but not as it could."""
    PROBLEM = "problem"
    """Something does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing, with its fix where there is something to mend."""

    check: str
    """Family of the check, such as `clock`."""
    about: str
    """The thing that was looked at: a file, an address, a setting."""
    severity: Severity
    found: str
    fix: str = ""

    def to_dict(self) -> Mapping[str, str]:
        """Return the finding for machines."""
        return {
            "check": self.check,
            "about": self.about,
            "severity": self.severity.value,
            "found": self.found,
            "fix": self.fix,
        }


def ok(check: str, about: str, found: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(check, about, Severity.OK, found)


def skipped(check: str, about: str, why: str, fix: str = "") -> Finding:
    """Return the word that something was not looked at."""
    return Finding(check, about, Severity.SKIPPED, why, fix)


def warning(check: str, about: str, found: str, fix: str) -> Finding:
    """Return a finding of something that could be better."""
    return Finding(check, about, Severity.WARNING, found, fix)


def problem(check: str, about: str, found: str, fix: str) -> Finding:
    """Return a finding of something that does not work."""
    return Finding(check, about, Severity.PROBLEM, found, fix)


def quoted(words: str) -> str:
    """Return what somebody else said, fit for a terminal: one line, no control characters, not endless."""
    plain = "".join(character if character.isprintable() else "�" for character in words[:MAX_WORDS])
    return f"“{plain}{'…' if len(words) > MAX_WORDS else ''}”"
