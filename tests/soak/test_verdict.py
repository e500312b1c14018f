"""A soak run's verdict: each thing that it watches for is found when it is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.soak.plan import Plan
from tests.soak.run import settled_after
from tests.soak.verdict import AT_REST, COUNTED, MAX_DATABASE_DESCRIPTORS, ROW_BYTES, Books, Run, judge
from tests.soak.vitals import Sample

PLAN = Plan(seconds=7200, rate=40, sample_seconds=5)
MIB = 1_048_576
STEADY: Mapping[str, float] = {
    "resident_bytes": 80 * MIB,
    "database_bytes": 50 * MIB,
    "wal_bytes": 4 * MIB,
    **dict.fromkeys(COUNTED, 10.0),
    "overdue": 0.0,
    "database_descriptors": MAX_DATABASE_DESCRIPTORS,
    **dict.fromkeys(AT_REST, 0.0),
    **dict.fromkeys(ROW_BYTES, 100_000.0),
    **{f"allowed {table}": 100_000.0 for table in ROW_BYTES},
}
BOOKS = Books(
    visits=288_000,
    mishaps={},
    complaints={},
    acknowledged=1000,
    answered_once=1000,
    unanswered=0,
    answered_twice=0,
)


def a_sample(at: float, **changes: float) -> Sample:
    return {**STEADY, "at": at, **changes}


def a_run(**growth: float) -> Run:
    """Return a good run, but for figures that grow by so much an hour."""
    samples = [
        a_sample(at, **{name: STEADY[name] + each * at / 3600 for name, each in growth.items()})
        for at in range(0, 7200, 5)
    ]
    return Run(plan=PLAN, samples=samples, idle=a_sample(0), after=a_sample(0), settled_at=3600, books=BOOKS)


def failing(run: Run) -> list[str]:
    return [criterion.name for criterion in judge(run) if not criterion.holds]


def test_steady_run_passes() -> None:
    assert failing(a_run()) == []


def test_memory_that_grows_a_little_each_minute_fails() -> None:
    assert failing(a_run(resident_bytes=2 * MIB)) == []
    assert failing(a_run(resident_bytes=5 * MIB)) == ["memory flat"]


def test_memory_that_fills_up_in_the_warm_up_passes() -> None:
    run = a_run()
    warming = [
        {**sample, "resident_bytes": 40 * MIB} if sample["at"] < PLAN.warm_up_seconds else sample
        for sample in run.samples
    ]
    assert failing(replace(run, samples=warming)) == []


def test_memory_that_swells_in_the_middle_and_shrinks_again_fails() -> None:
    run = a_run()
    swollen = [
        {**sample, "resident_bytes": 90 * MIB} if 3600 < sample["at"] < 5400 else sample for sample in run.samples
    ]
    assert failing(replace(run, samples=swollen)) == ["memory flat"]


def test_run_too_short_to_tell_about_memory_fails() -> None:
    run = a_run()
    assert failing(replace(run, samples=run.samples[:10])) == ["memory flat"]


@pytest.mark.parametrize("table", ROW_BYTES)
def test_row_beyond_what_retention_leaves_fails(table: str) -> None:
    assert failing(a_run(**{table: 1})) == ["rows bounded by retention"]


def test_row_whose_time_is_long_over_fails() -> None:
    run = a_run()
    assert failing(replace(run, samples=[*run.samples, a_sample(7200, overdue=1)])) == ["rows bounded by retention"]


def test_file_that_grows_although_nothing_kept_becomes_more_fails() -> None:
    assert failing(a_run(database_bytes=2 * MIB)) == ["file does not grow"]


def test_file_larger_than_what_is_kept_needs_fails() -> None:
    run = a_run()
    bound = 100_000 * sum(ROW_BYTES.values())
    huge = [{**sample, "database_bytes": bound + 3 * MIB} for sample in run.samples]
    assert failing(replace(run, samples=huge)) == ["file bounded by retention"]


def test_write_ahead_log_that_is_never_emptied_fails() -> None:
    assert failing(a_run(wal_bytes=10 * MIB)) == ["file bounded by retention"]


@pytest.mark.parametrize("name", ["database_descriptors", *AT_REST, *COUNTED])
def test_what_is_left_when_all_have_gone_fails(name: str) -> None:
    assert failing(replace(a_run(), after=a_sample(0, **{name: STEADY[name] + 1}))) == ["nothing leaked"]


@pytest.mark.parametrize(
    "books", [replace(BOOKS, unanswered=1), replace(BOOKS, answered_twice=1)], ids=["never", "twice"]
)
def test_request_not_answered_exactly_once_fails(books: Books) -> None:
    assert failing(replace(a_run(), books=books)) == ["answered exactly once"]


def test_run_without_requests_proves_nothing() -> None:
    assert failing(replace(a_run(), books=replace(BOOKS, answered_once=0))) == ["answered exactly once"]


@pytest.mark.parametrize(
    "books",
    [
        replace(BOOKS, mishaps={"AUTH was refused": 1}),
        replace(BOOKS, complaints={"worker ended": 1}),
        replace(BOOKS, visits=200_000),
    ],
    ids=["mishap", "complaint", "too little load"],
)
def test_mishap_complaint_or_load_that_was_not_made_fails(books: Books) -> None:
    assert failing(replace(a_run(), books=books)) == ["as planned"]


def test_run_is_settled_after_a_full_hour_of_keeping() -> None:
    for minute in (0, 1, 35, 59):
        started = 1_000 * 3600 + minute * 60
        settled = started + settled_after(started, PLAN)
        assert 3600 <= settled - started <= 7300
        assert settled % 3600 == 120
