"""What is said of a database and its disk, in figures and on a real one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.doctor.database import check_database, disk, room, schema, size, wholeness
from bridge.doctor.findings import Severity
from bridge.home import Home
from bridge.settings.tree import Settings
from storage.examination import FileState
from tests.bridge.doctor.examining import a_subject, bad, found_by, the

STORAGE = Settings().storage
GIB = 2**30
STATE = FileState(version=3, newest=3, taken_bytes=GIB, log_bytes=0, faults=[], is_complete=True)
HUGE = 8_796_093_022_208
"""The largest that the settings take: no disk of a test has that."""


async def test_fresh_database_has_nothing_to_mend(tmp_path: Path) -> None:
    small = replace(STORAGE, max_bytes=2**20, reserve_bytes=2**20, max_log_bytes=2**20)
    assert bad(await found_by(check_database(await a_subject(tmp_path, storage=small)))) == []


async def test_database_in_use_is_looked_at(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path)
    storage = await Home(tmp_path).open_storage(subject.settings, {})
    try:
        findings = await found_by(check_database(subject))
    finally:
        await storage.close()
    assert the(findings, "is whole").severity is Severity.OK


async def test_disk_that_ends_before_the_database_does_is_told(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path, storage=replace(STORAGE, max_bytes=HUGE))
    (finding,) = bad(await found_by(check_database(subject)))
    assert (finding.check, finding.severity) == ("disk", Severity.WARNING)
    assert "storage.max_bytes" in finding.fix


async def test_disk_without_the_bridges_own_reserve_is_a_problem(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path, storage=replace(STORAGE, reserve_bytes=HUGE))
    (finding,) = bad(await found_by(check_database(subject)))
    assert (finding.check, finding.severity) == ("disk", Severity.PROBLEM)
    assert "storage.reserve_bytes" in finding.found


async def test_file_that_is_gone_is_told(tmp_path: Path) -> None:
    subject = await a_subject(tmp_path)
    (tmp_path / "switchboard.db").unlink()
    (finding,) = await found_by(check_database(subject))
    assert finding.severity is Severity.PROBLEM
    assert "backup" in finding.fix


def test_damage_is_a_problem_and_a_look_that_did_not_end_a_warning() -> None:
    assert wholeness("x", STATE).severity is Severity.OK
    finding = wholeness("x", replace(STATE, faults=["row 3 missing from index"]))
    assert finding.severity is Severity.PROBLEM
    assert "row 3 missing from index" in finding.found
    assert wholeness("x", replace(STATE, is_complete=False)).severity is Severity.WARNING


@pytest.mark.parametrize(("version", "severity"), [(2, Severity.WARNING), (3, Severity.OK), (4, Severity.PROBLEM)])
def test_schema_is_compared_with_ours(version: int, severity: Severity) -> None:
    finding = schema("x", replace(STATE, version=version))
    assert finding.severity is severity
    assert bool(finding.fix) is (severity is not Severity.OK)


@pytest.mark.parametrize(
    ("part", "severity", "words"),
    [
        (0.49, Severity.OK, ""),
        (0.5, Severity.WARNING, "kept for a shorter time"),
        (0.75, Severity.WARNING, "without an account are refused"),
        (1.0, Severity.PROBLEM, "of others are refused"),
    ],
)
def test_room_is_told_with_what_happens_there(part: float, severity: Severity, words: str) -> None:
    finding = room(STORAGE, replace(STATE, taken_bytes=int(STORAGE.max_bytes * part)))
    assert finding.severity is severity
    assert words in finding.found


def test_log_that_is_too_long_counts() -> None:
    state = replace(STATE, taken_bytes=0, log_bytes=STORAGE.max_bytes + STORAGE.max_log_bytes)
    assert room(STORAGE, state).severity is Severity.PROBLEM


def test_disk_is_judged_by_what_the_database_may_still_take() -> None:
    wanted = STORAGE.max_bytes + STORAGE.reserve_bytes + STORAGE.max_log_bytes - GIB
    assert disk("x", STORAGE, STATE, free_bytes=wanted).severity is Severity.OK
    finding = disk("x", STORAGE, STATE, free_bytes=wanted - 1)
    assert finding.severity is Severity.WARNING
    assert str(STORAGE.max_bytes - 1) in finding.fix
    assert disk("x", STORAGE, STATE, free_bytes=STORAGE.reserve_bytes - 1).severity is Severity.PROBLEM


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (200 * 2**20, "200 MiB"), (HUGE, "8.0 TiB")]
)
def test_sizes_are_for_people(number: int, shown: str) -> None:
    assert size(number) == shown
