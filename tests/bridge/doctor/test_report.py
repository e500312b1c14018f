"""Reports: for people at a terminal, for pipes, and for machines."""

from __future__ import annotations

import io
import json

from rich.console import Console

from bridge.doctor.examination import Check, Findings
from bridge.doctor.findings import Finding, ok, problem, skipped, warning
from bridge.doctor.report import JsonReport, Report, TerminalReport

FINDINGS = [
    ok("files", "home", "for you alone"),
    skipped("clock", "this machine", "no relay tells its time"),
    warning("relay", "wss://[bold]a", "says [red]things", "ask"),
    problem("turn", "turn:b", "nobody listens there", "start the server"),
]


async def nothing() -> Findings:
    yield FINDINGS[0]


CHECK = Check("relay", "wss://relay.example.org", nothing)


def told(report: Report, *findings: Finding) -> None:
    report.begun(CHECK)
    for finding in findings:
        report.told(finding)
    report.ended(CHECK)
    report.conclude()


def on_paper(*findings: Finding) -> str:
    paper = io.StringIO()
    told(TerminalReport(Console(file=paper, width=40)), *findings)
    return paper.getvalue()


def on_a_terminal(*findings: Finding, kind: str = "xterm-256color") -> str:
    paper = io.StringIO()
    console = Console(file=paper, force_terminal=True, width=100, _environ={"TERM": kind})
    told(TerminalReport(console), *findings)
    return paper.getvalue()


def test_words_of_others_command_no_terminal_and_make_no_lines() -> None:
    said = on_paper(problem("relay", "wss://a\x1b[2J", "says: x\nok      files", "ask\x9b2J"))
    assert said.splitlines()[:2] == [
        "problem relay      wss://a\ufffd[2J: says: x\ufffdok      files",
        "        → ask\ufffd2J",
    ]


def test_piped_report_is_plain_with_a_line_for_each_finding_and_fix() -> None:
    assert on_paper(*FINDINGS).splitlines() == [
        "ok      files      home: for you alone",
        "skipped clock      this machine: no relay tells its time",
        "warning relay      wss://[bold]a: says [red]things",
        "        → ask",
        "problem turn       turn:b: nobody listens there",
        "        → start the server",
        "1 problem, 1 warning, 1 well, 1 not looked at",
    ]


def test_terminal_has_colors_and_shows_what_is_looked_at() -> None:
    shown = on_a_terminal(*FINDINGS)
    assert "✗" in shown
    assert "\x1b[" in shown
    assert "relay wss://relay.example.org" in shown
    # Shown again when it is over: the cursor.
    assert shown.endswith("1 not looked at\x1b[0m\n")
    assert "\x1b[?25h" in shown


def test_terminal_that_cannot_move_its_cursor_gets_lines_alone() -> None:
    shown = on_a_terminal(*FINDINGS, kind="dumb")
    assert "\x1b[?25l" not in shown
    assert "wss://relay.example.org" not in shown


def test_machines_get_one_object_a_line_and_the_counts_last() -> None:
    paper = io.StringIO()
    report = JsonReport(Console(file=paper, width=20))
    told(report, *FINDINGS)
    *findings, counts = [json.loads(line) for line in paper.getvalue().splitlines()]
    assert findings == [finding.to_dict() for finding in FINDINGS]
    assert counts == {"counts": {"ok": 1, "skipped": 1, "warning": 1, "problem": 1}}
    assert report.has_problems


def test_warnings_alone_are_no_problem() -> None:
    report = TerminalReport(Console(file=io.StringIO()))
    told(report, *FINDINGS[:3])
    assert not report.has_problems
