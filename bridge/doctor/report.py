"""What people and machines are told of an examination, as it goes on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from rich.console import Console
from rich.status import Status
from rich.text import Text

from bridge.doctor.examination import Audience, Check
from bridge.doctor.findings import Finding, Severity
from bridge.printable import printable

_SIGNS = {Severity.OK: "✓", Severity.SKIPPED: "–", Severity.WARNING: "!", Severity.PROBLEM: "✗"}
_STYLES = {
    Severity.OK: "green",
    Severity.SKIPPED: "dim",
    Severity.WARNING: "yellow",
    Severity.PROBLEM: "bold red",
}
_FAMILY_WIDTH = 10


class Report(Audience, Protocol):
    """An audience that has a last word."""

    def conclude(self) -> None:
        """Say how it went as a whole."""
        ...


class _Counted:
    """Counts findings by how bad they are."""

    def __init__(self) -> None:
        self.counts: Counter[Severity] = Counter()

    def begun(self, check: Check) -> None:
        """Take note that a check runs."""

    def told(self, finding: Finding) -> None:
        """Count a finding."""
        self.counts[finding.severity] += 1

    def ended(self, check: Check) -> None:
        """Take note that a check is over."""

    @property
    def has_problems(self) -> bool:
        """Whether something does not work."""
        return self.counts[Severity.PROBLEM] > 0


class TerminalReport(_Counted):
    """One line a finding, as it comes; on a terminal with colors, and with what is being looked at below."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._status: Status | None = (
            console.status("") if console.is_terminal and not console.is_dumb_terminal else None
        )
        self._running: dict[int, str] = {}

    def begun(self, check: Check) -> None:
        """Show that a check runs."""
        self._running[id(check)] = f"{check.family} {check.about}"
        self._show_running()

    def told(self, finding: Finding) -> None:
        """Print a finding, and its fix below."""
        super().told(finding)
        style = _STYLES[finding.severity]
        sign = _SIGNS[finding.severity] if self._console.is_terminal else finding.severity.value.ljust(7)
        line = Text.assemble((sign, style), " ", (finding.check.ljust(_FAMILY_WIDTH), "bold"), " ")
        line.append(printable(f"{finding.about}: "), "cyan")
        line.append(printable(finding.found))
        self._console.print(line, soft_wrap=True, highlight=False)
        if finding.fix:
            indent = " " * (len(sign) + 1)
            self._console.print(Text(f"{indent}→ {printable(finding.fix)}", style), soft_wrap=True, highlight=False)

    def ended(self, check: Check) -> None:
        """Show that a check is over."""
        self._running.pop(id(check), None)
        self._show_running()

    def conclude(self) -> None:
        """Say how it went as a whole."""
        if self._status is not None:
            self._status.stop()
        parts = [
            f"{count} {word if count == 1 else words}"
            for severity, word, words in (
                (Severity.PROBLEM, "problem", "problems"),
                (Severity.WARNING, "warning", "warnings"),
                (Severity.OK, "well", "well"),
                (Severity.SKIPPED, "not looked at", "not looked at"),
            )
            if (count := self.counts[severity])
        ]
        worst = next(
            (severity for severity in (Severity.PROBLEM, Severity.WARNING) if self.counts[severity]), Severity.OK
        )
        self._console.print(Text(", ".join(parts), _STYLES[worst]), soft_wrap=True, highlight=False)

    def _show_running(self) -> None:
        if self._status is None:
            return
        if not self._running:
            self._status.stop()
            return
        shown = ", ".join(list(self._running.values())[:3])
        more = f" and {len(self._running) - 3} more" if len(self._running) > 3 else ""
        self._status.update(Text(printable(f"{shown}{more}"), style="dim", overflow="ellipsis", no_wrap=True))
        self._status.start()


class JsonReport(_Counted):
    """One JSON object a line and finding, as it comes; the last one counts."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def told(self, finding: Finding) -> None:
        """Print a finding."""
        super().told(finding)
        self._print(finding.to_dict())

    def conclude(self) -> None:
        """Print how many of each there were."""
        self._print({"counts": {severity.value: self.counts[severity] for severity in Severity}})

    def _print(self, value: Mapping[str, object]) -> None:
        self._console.out(json.dumps(value, ensure_ascii=False), highlight=False)
