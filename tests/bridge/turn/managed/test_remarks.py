"""What of coturn's words reaches the log. The lines are real ones, with names and addresses of nobody."""

from __future__ import annotations

import logging

import pytest

from bridge.turn.managed.remarks import LAST_LINES, LINES_A_MINUTE, MAX_LINE, Remarks, fit_for_log
from tests.support.clock import FixedClock

USER = "1795291953:17b8212e6057eb8c61fd31d769192f9a"

LINES = [
    (f"7: : ERROR: check_stun_auth: Cannot find credentials of user <{USER}>",
     "ERROR: check_stun_auth: Cannot find credentials of user <…>"),
    (f"12: : session 000000000000000001: realm <switchboard> user <{USER}>: incoming packet ALLOCATE processed",
     "session 000000000000000001: realm <…> user <…>: incoming packet ALLOCATE processed"),
    ("0: : session 1: new, realm <r>, username=<x>, lifetime=600, cipher=TLS_AES_256_GCM_SHA384",
     "session 1: new, realm <…>, username=<…>, lifetime=600, cipher=…"),
    ("3: : IPv4. tcp or tls connected to: 203.0.113.9:51234", "IPv4. tcp or tls connected to: …"),
    ("3: : IPv6. Local relay addr: [2001:db8::7]:49153", "IPv6. Local relay addr: …"),
    ("3: : peer 2001:db8::7 lifetime updated", "peer … lifetime updated"),
    ("3: : peer ::ffff:192.0.2.1 lifetime updated", "peer … lifetime updated"),
    ("3: : peer fe80::1%eth0 deleted", "peer … deleted"),
    (f"3: : usage: {USER} rp=12", "usage: … rp=12"),
    ("3: : key=Cd/49soE35ICqcJF/bCTn8Z4OyE= seen", "key=… seen"),
    ("3: : user <unfinished 203.0.113.9", "user <…>"),
    ("3: : Cannot bind local socket to addr: Address already in use",
     "Cannot bind local socket to addr: Address already in use"),
    ("0: : ", ""),
]  # fmt: skip


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def lines_in(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.facts["line"] for record in log.records if record.message == "coturn says"]  # type: ignore[attr-defined]


def listening(clock: FixedClock | None = None) -> Remarks:
    remarks = Remarks(clock or FixedClock())
    remarks.is_up = True
    return remarks


@pytest.mark.parametrize(("line", "fit"), LINES)
def test_line_keeps_its_meaning_and_nobody_s_name_or_place(line: str, fit: str) -> None:
    assert fit_for_log(line) == fit


def test_lines_come_in_pieces_of_any_size(said: pytest.LogCaptureFixture) -> None:
    remarks = listening()
    for byte in b"1: : one\n2: : two\n3: : thr":
        remarks.feed(bytes([byte]))
    assert lines_in(said) == ["one", "two"]


def test_line_without_end_takes_no_more_room_than_one(said: pytest.LogCaptureFixture) -> None:
    remarks = listening()
    for _ in range(1000):
        remarks.feed(b"x y " * 1000)
    assert len(remarks._part) <= 4 * MAX_LINE
    remarks.feed(b"\nnext\n")
    assert [len(line) <= MAX_LINE for line in lines_in(said)] == [True, True]
    assert lines_in(said)[1] == "next"


def test_no_more_than_so_many_lines_a_minute_are_logged_and_the_others_counted(
    said: pytest.LogCaptureFixture,
) -> None:
    clock = FixedClock()
    remarks = listening(clock)
    for number in range(LINES_A_MINUTE + 7):
        remarks.feed(f"line {number}\n".encode())
    assert len(lines_in(said)) == LINES_A_MINUTE
    clock.advance(60)
    remarks.feed(b"again\n")
    assert lines_in(said)[-1] == "again"
    assert [record.facts for record in said.records if record.message == "coturn said more"] == [{"lines": 7}]  # type: ignore[attr-defined]


def test_introduction_is_kept_for_the_case_that_it_fails_and_not_logged(said: pytest.LogCaptureFixture) -> None:
    remarks = Remarks(FixedClock())
    for number in range(LAST_LINES + 3):
        remarks.feed(f"fault {number}\n".encode())
    assert lines_in(said) == []
    assert list(remarks.last) == [f"fault {number}" for number in range(3, LAST_LINES + 3)]


def test_what_it_says_at_every_start_is_not_told_as_the_reason_for_its_end() -> None:
    remarks = Remarks(FixedClock())
    remarks.feed(b"0: : Cannot create socket\n0: : Total General servers: 2\n0: : IO method (admin thread): epoll\n")
    remarks.feed(b"0: : IO method (auth thread): epoll\n0: : TLS 1.3 supported\n0: : SQLite DB connection success\n")
    assert list(remarks.last) == ["Cannot create socket"]


def test_what_keeps_it_from_working_is_a_warning(said: pytest.LogCaptureFixture) -> None:
    Remarks(FixedClock()).feed(b"0: : Cannot bind TLS/TCP listener socket to addr 203.0.113.9:443\nfine\n")
    assert [record.levelno for record in said.records] == [logging.WARNING]


def test_bytes_that_are_no_text_are_shown_as_such(said: pytest.LogCaptureFixture) -> None:
    listening().feed(b"\xff\x1b[31m red\n")
    assert all(line.isprintable() for line in lines_in(said))
