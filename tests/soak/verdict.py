"""What a soak run has to show: pure judgement of its samples and books."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.soak.plan import Plan
from tests.soak.vitals import Sample

GROWTH = 0.05
"""By so much resident memory may be above what it was after the warm-up."""

FILE_GROWTH = 0.02
"""By so much the file may grow once nothing that is kept can become more."""

SPARE_BYTES = 2 * 1_048_576
"""Empty tables and what is kept for good."""

MAX_WAL_BYTES = 16 * 1_048_576
"""SQLite empties its log at 4 MiB, or when the longest reader lets it."""

ROW_BYTES: Mapping[str, int] = {
    "inbox": 5200,
    "seen": 220,
    "responses": 2600,
    "outbox": 3600,
    "gift_wraps": 6000,
    "public_events": 13_000,
    "deletions": 300,
    "vanished": 200,
    "accounts": 700,
    "devices": 900,
    "permits": 200,
}
"""Room for a row of the load and its index entries, where pages of the file are half full."""

AT_REST = ("connections", "subscriptions", "requests", "live_answers")
COUNTED = ("descriptors", "threads", "processes", "tasks")

MAX_DATABASE_DESCRIPTORS = 12
"""One writer and four readers have the file and its log open, the log from their first use on; and there are the index
of the log and the lock."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that was judged."""

    name: str
    holds: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the driver knows at the end."""

    visits: int
    mishaps: Mapping[str, int]
    complaints: Mapping[str, int]
    """Warnings and errors that the bridge logged, by message."""
    acknowledged: int
    answered_once: int
    unanswered: int
    answered_twice: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that is judged."""

    plan: Plan
    samples: Sequence[Sample]
    """Under load, in order of time; with them, as `allowed …`, the rows that retention leaves."""
    idle: Sample
    """Before the load, after one client of each kind."""
    after: Sample
    """When everybody had gone and what was due was done."""
    settled_at: float
    """Seconds into the run from which on nothing that is kept can become more."""
    books: Books


def judge(run: Run) -> Sequence[Criterion]:
    """Return all criteria."""
    return [
        _memory(run),
        _rows(run),
        _file_size(run),
        _file_growth(run),
        _nothing_left(run),
        _answers(run.books),
        _conduct(run),
    ]


def medians(samples: Sequence[Sample], name: str, *, begin: float, length: float) -> list[float]:
    """Return the median of each whole stretch of a length, from a time on."""
    found, last = [], samples[-1]["at"] if samples else 0
    while begin + length <= last + 1e-9:
        values = [sample[name] for sample in samples if begin <= sample["at"] < begin + length]
        if values:
            found.append(median(values))
        begin += length
    return found


def _memory(run: Run) -> Criterion:
    plan = run.plan
    # Counted from the end, so that the last stretch is the end of the run.
    length = plan.window_seconds
    last = run.samples[-1]["at"]
    whole = int((last - plan.warm_up_seconds) / length)
    levels = medians(run.samples, "resident_bytes", begin=last - whole * length, length=length)
    if len(levels) < 2:
        return Criterion("memory flat", False, "too few samples to tell")
    first, highest = levels[0], max(levels[1:])
    growth = highest / first - 1
    return Criterion(
        "memory flat",
        growth <= GROWTH,
        f"{_mib(first)} in the first {length:.0f} s after {plan.warm_up_seconds:.0f} s of warm-up, at most "
        f"{_mib(highest)} in the {len(levels) - 1} stretches after, {_mib(levels[-1])} in the last (medians): "
        f"{growth:+.1%}, at most {GROWTH:+.0%}",
    )


def _rows(run: Run) -> Criterion:
    tables = [name.removeprefix("allowed ") for name in run.samples[0] if name.startswith("allowed ")]
    above = {
        table: excess
        for table in tables
        if (excess := max(sample[table] - sample[f"allowed {table}"] for sample in run.samples)) > 0
    }
    fullest = {table: f"{max(sample[table] for sample in run.samples):,.0f}" for table in tables}
    said = ", ".join(f"{table} {amount}" for table, amount in fullest.items())
    if overdue := max(sample["overdue"] for sample in run.samples):
        said += f"; {overdue:,.0f} at once whose time had long been over"
    if above:
        said = ", ".join(f"{table} {excess:,.0f} too many" for table, excess in above.items())
    return Criterion("rows bounded by retention", not above and not overdue, f"most rows: {said}")


def _file_size(run: Run) -> Criterion:
    most = {table: max(sample[f"allowed {table}"] for sample in run.samples) for table in ROW_BYTES}
    bound = SPARE_BYTES + sum(most[table] * ROW_BYTES[table] for table in ROW_BYTES)
    largest = max(sample["database_bytes"] for sample in run.samples)
    log = max(sample["wal_bytes"] for sample in run.samples)
    return Criterion(
        "file bounded by retention",
        largest <= bound and log <= MAX_WAL_BYTES,
        f"{_mib(largest)}, at most {_mib(bound)} for what retention leaves of the load; "
        f"write-ahead log {_mib(log)}, at most {_mib(MAX_WAL_BYTES)}",
    )


def _file_growth(run: Run) -> Criterion:
    settled = [sample["database_bytes"] for sample in run.samples if sample["at"] >= run.settled_at]
    if len(settled) < 3:
        return Criterion(
            "file does not grow",
            True,
            f"not judged: what is kept to the full hour becomes more until {run.settled_at:.0f} s into the run",
        )
    growth = settled[-1] / settled[0] - 1
    return Criterion(
        "file does not grow",
        growth <= FILE_GROWTH,
        f"{_mib(settled[0])} at {run.settled_at:.0f} s, from when on nothing kept becomes more, "
        f"{_mib(settled[-1])} at the end: {growth:+.1%}, at most {FILE_GROWTH:+.0%}",
    )


def _nothing_left(run: Run) -> Criterion:
    left = {name: run.after[name] for name in AT_REST if run.after[name]}
    leaked = {name: run.after[name] - run.idle[name] for name in COUNTED if run.after[name] > run.idle[name]}
    if (files := run.after["database_descriptors"]) > MAX_DATABASE_DESCRIPTORS:
        leaked["descriptors of the database"] = files - MAX_DATABASE_DESCRIPTORS
    said = ", ".join(f"{name} {run.idle[name]:.0f} before, {run.after[name]:.0f} after" for name in COUNTED)
    if left or leaked:
        said += "; left: " + ", ".join(f"{amount:.0f} {name}" for name, amount in {**left, **leaked}.items())
    return Criterion("nothing leaked", not left and not leaked, said)


def _answers(books: Books) -> Criterion:
    return Criterion(
        "answered exactly once",
        not books.unanswered and not books.answered_twice and books.answered_once > 0,
        f"{books.acknowledged:,} requests acknowledged, {books.answered_once:,} answered once, "
        f"{books.answered_twice:,} more than once, {books.unanswered:,} never",
    )


def _conduct(run: Run) -> Criterion:
    books = run.books
    planned = run.plan.seconds * run.plan.rate
    wrong = [*books.mishaps.items(), *books.complaints.items()]
    words = ", ".join(f"{amount} × {what}" for what, amount in wrong[:5])
    return Criterion(
        "as planned",
        not books.mishaps and not books.complaints and books.visits >= 0.8 * planned,
        f"{books.visits:,} of {planned:,.0f} visits, {sum(books.mishaps.values())} mishaps, "
        f"{sum(books.complaints.values())} complaints in the log" + (f": {words}" if words else ""),
    )


def _mib(amount: float) -> str:
    return f"{amount / 1_048_576:.1f} MiB"
