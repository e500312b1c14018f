"""Findings: words of others are harmless, and machines get everything."""

from __future__ import annotations

from bridge.doctor.findings import MAX_WORDS, Severity, ok, problem, quoted, skipped, warning


def test_each_sort_has_its_severity_and_a_fix_where_there_is_something_to_mend() -> None:
    assert ok("clock", "this machine", "right").severity is Severity.OK
    assert skipped("clock", "this machine", "no relay").fix == ""
    assert warning("clock", "this machine", "late", "NTP").fix == "NTP"
    assert problem("clock", "this machine", "late", "NTP").to_dict() == {
        "check": "clock",
        "about": "this machine",
        "severity": "problem",
        "found": "late",
        "fix": "NTP",
    }


def test_words_of_others_cannot_steer_a_terminal_nor_fill_it() -> None:
    assert quoted("\x1b[2Jgone\nnext") == "“�[2Jgone�next”"
    assert quoted("x" * (MAX_WORDS + 1)) == f"“{'x' * MAX_WORDS}…”"
