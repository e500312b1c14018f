"""What is wrong with a settings file, in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from bridge.errors import StartupError

MAX_SHOWN = 20
"""Problems that one message lists."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps a settings file from being used."""

    key: str
    """Full name as TOML writes it, such as `relay.port`; empty when the whole file is meant."""
    value: str
    """The value as TOML writes it; empty when there is none to show."""
    fix: str
    """What is wrong and what to write instead."""

    def __str__(self) -> str:
        subject = f"{self.key} = {self.value}" if self.value else self.key
        return f"{subject}: {self.fix}" if subject else self.fix


class SettingsError(StartupError):
    """A settings file cannot be used; every problem found in it is here."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(source, self.problems)

    def __str__(self) -> str:
        lines = [f"{self.source}: {problem}" for problem in self.problems[:MAX_SHOWN]]
        if len(self.problems) > MAX_SHOWN:
            lines.append(f"{self.source}: and {len(self.problems) - MAX_SHOWN} more problems")
        return "\n".join(lines)


def did_you_mean(written: object, known: Iterable[str]) -> str:
    """Return `; did you mean …?` when something known looks like what was written, else nothing."""
    if not isinstance(written, str):
        return ""
    close = get_close_matches(written[:100].lower(), [str(word) for word in known], n=1)
    return f'; did you mean "{close[0]}"?' if close else ""
