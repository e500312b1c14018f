"""What a status looks like: every fact in it, and rates between two looks."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from bridge.cli.status_view import duration, lines_of, view_of

NOW = 1_000_000


def a_status(**changes: Any) -> dict[str, Any]:
    return {
        "version": "1.2.3",
        "npub": "npub1bridge",
        "pid": 42,
        "url": "wss://relay.example.org",
        "uptime_seconds": 90_061,
        "figures": {"connections": 1234, "live_answers": 2},
        "relays": [
            {"url": "wss://a", "connected_since": NOW - 61, "failures": 0, "last_error": None, "waiting": 3},
            {"url": "wss://b", "connected_since": None, "failures": 4, "last_error": "HTTP 403", "waiting": 0},
        ],
        "events": {"call_relay.credentials_issued": 10},
        "problems": {},
        "down": [],
        **changes,
    }


def page(status: dict[str, Any], **options: Any) -> str:
    paper = io.StringIO()
    Console(file=paper, width=100).print(view_of(status, now=NOW, **options))
    return paper.getvalue()


def test_page_holds_every_fact() -> None:
    shown = page(a_status())
    for words in (
        "1 d 1 h, version 1.2.3, pid 42",
        "wss://relay.example.org",
        "npub1bridge",
        "everything works",
        "1,234",
        "live answers",
        "connected for 1 min 1 s",
        "not connected, 4 failures (HTTP 403)",
        "call_relay.credentials_issued",
    ):
        assert words in shown


def test_parts_in_trouble_are_told_by_how_bad_it_is() -> None:
    shown = page(a_status(problems={"turn": "no [b]provider", "storage": "full"}, down=["storage"]))
    assert "degraded turn: no [b]provider" in shown
    assert "down storage: full" in shown
    assert "everything works" not in shown


def test_rates_are_of_the_time_between_two_looks() -> None:
    earlier = a_status()
    later = a_status(events={"call_relay.credentials_issued": 15, "call_relay.rate_limited": 2})
    shown = page(later, before=earlier, seconds=2.0)
    assert "2.5" in shown
    assert "1.0" in shown
    assert "0.0" in page(earlier)


def test_lines_hold_the_same() -> None:
    status = a_status(problems={"turn": "no provider"})
    assert list(lines_of(status, now=NOW)) == [
        "version: 1.2.3",
        "npub: npub1bridge",
        "pid: 42",
        "url: wss://relay.example.org",
        "uptime_seconds: 90061",
        "figure connections: 1234",
        "figure live_answers: 2",
        "relay wss://a: connected for 1 min 1 s",
        "relay wss://b: not connected, 4 failures (HTTP 403)",
        "event call_relay.credentials_issued: 10",
        "degraded turn: no provider",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90_061, "1 d 1 h"), (86_400, "1 d 0 h")],
)
def test_durations_have_two_units(seconds: int, shown: str) -> None:
    assert duration(seconds) == shown


def test_bridge_that_stops_says_so() -> None:
    assert "stopping: yes" in lines_of(a_status(stopping=True), now=NOW)
    assert "switchboard is stopping" in page(a_status(stopping=True))
    assert "stopping" not in page(a_status(stopping=False))


def test_words_of_relays_command_no_terminal_and_make_no_lines() -> None:
    relay = {"url": "wss://b", "connected_since": None, "failures": 1, "last_error": "x\x1b[2J\npid: 1", "waiting": 0}
    status = a_status(relays=[relay], problems={"turn": "\x9b2J\u2028"})
    lines = list(lines_of(status, now=NOW))
    assert "relay wss://b: not connected, 1 failures (x\ufffd[2J\ufffdpid: 1)" in lines
    assert "degraded turn: \ufffd2J\ufffd" in lines
    assert "\x1b" not in page(status)
    assert "\x9b" not in page(status)
