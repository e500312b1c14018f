"""What each step of a request costs: the CPU time of the running program, shared out by what it was seen doing.

Each frame of a stack is looked at by itself. The first step of the list that any of them belongs to gets the stack, so
that the curve counts where it is needed and a write counts as a write whoever asked for it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench import bound
from bench.rounds import rate
from bench.stacks import Stack
from storage.database_file import connect_writer

COMMITS = 100
ROW_BYTES = 2000

LATEST = Path(__file__).with_name("results") / "steps.json"

REST = "the rest"
STEPS: Mapping[str, str] = {
    "seal and wrap the answer": r"LocalSealing\.wrap|.*\(client/wrapping\.py",
    "open the request": r"LocalSealing\.open|open_wrap \(nips/nip59\.py",
    "verify the wrap": r"Admission\._verify |verify_event \(nips/event\.py",
    "log and count": r".*\((logging/|bridge/(logs|events)\.py)",
    "act: make the credentials": r"Dispatcher\._act |.*\(bridge/(services/|turn/|pseudonyms\.py)",
    "look up the request and who asks": r"SqliteRequests\.look_up |.*\(storage/readers\.py",
    "deliver the answer": r".*\(bridge/(outbox|replies|relay/subscriptions)\.py|ClientSocket\.push ",
    "read and check the frame": r"(Session|Conversation)\.(receive|_admit) |Admission\.consider ",
    "write the answer: one commit": r"Writer\.|SqliteRequests\.commit |.*\(storage/(?!gathering\.py|permits\.py)",
    "wake the threads of the storage, and be woken": r".*\(storage/gathering\.py",
    "dispatch": (
        r".*\(bridge/(inbox|dispatcher|arrivals|callers|permits|recorder|responses|envelope|held)\.py|.*\(protocol/"
    ),
    "socket and websocket": r".*\((websockets/|bridge/relay/|asyncio/selector_events\.py)",
    "event loop": r".*\(asyncio/",
}
"""What a frame of each begins with."""
_PATTERNS = {step: re.compile(pattern) for step, pattern in STEPS.items()}


@dataclass(frozen=True, slots=True)
class Step:
    """One step's cost beside the least that it could be."""

    name: str
    microseconds: float
    bound: str = ""
    bound_microseconds: float | None = None


class NeverSeen(Exception):
    """A step of the list had no sample: it is named wrongly, or there were too few looks."""


def step_of(stack: Stack) -> str:
    """Return the step in which a stack was seen."""
    return next((step for step, pattern in _PATTERNS.items() if any(map(pattern.match, stack))), REST)


def costs(stacks: Mapping[Stack, float]) -> Sequence[Step]:
    """Share out the seconds of one request, dearest step first, each beside its bound if it has one."""
    spent: dict[str, float] = {}
    for stack, seconds in stacks.items():
        spent[step_of(stack)] = spent.get(step_of(stack), 0.0) + seconds
    if missing := STEPS.keys() - spent.keys():
        raise NeverSeen(f"nothing was seen of {', '.join(sorted(missing))}: look longer, or mend what it begins with")
    limits = bounds()
    return [
        Step(step, seconds * 1e6, *limits.get(step, ("", None)))
        for step, seconds in sorted(spent.items(), key=lambda each: -each[1])
    ]


def bounds(seconds: float = 0.2) -> Mapping[str, tuple[str, float]]:
    """Return what bounds a step and how many microseconds that takes on this machine."""
    key, frame = bytes(32), json.dumps(["EVENT", {"content": "x" * 1500, "tags": [["p", "0" * 64]], "kind": 1059}])

    def read_and_hash() -> object:
        return orjson.loads(frame), hashlib.sha256(frame.encode()).digest()

    def sign() -> object:
        return hmac.digest(key, b"1800000000:user", "sha1")

    work: Mapping[str, tuple[str, Callable[[], object]]] = {
        "read and check the frame": ("its JSON read, its id hashed", read_and_hash),
        "act: make the credentials": ("1 HMAC-SHA1", sign),
    }
    found = {step: (name, _microseconds(once, seconds)) for step, (name, once) in work.items()}
    return {
        **found,
        "write the answer: one commit": ("1 bare SQLite commit", 1e6 * _commit_seconds()),
        "verify the wrap": ("1 verify", 1e6 / rate(bound.opening(ecdh=0, verify=1), seconds)),
        # Who asks is known, and the key shared with them is kept.
        "open the request": ("1 ECDH + 1 verify", 1e6 / rate(bound.opening(ecdh=1, verify=1), seconds)),
        "seal and wrap the answer": ("1 ECDH + 2 sign", 1e6 / rate(bound.wrapping(ecdh=1), seconds)),
    }


def _microseconds(once: Callable[[], object], seconds: float) -> float:
    def work(times: int) -> int:
        for _ in range(times):
            once()
        return times

    return 1e6 / rate(work, seconds)


def _commit_seconds() -> float:
    """Return the CPU time of one durable commit of one row, in a file with the pragmas of ours."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(connect_writer(Path(folder) / "bare.db", busy_timeout_ms=1000)) as bare,
    ):
        bare.execute("CREATE TABLE bare (value BLOB)")
        started = time.thread_time()
        for _ in range(COMMITS):
            bare.execute("BEGIN IMMEDIATE")
            bare.execute("INSERT INTO bare VALUES (?)", (bytes(ROW_BYTES),))
            bare.execute("COMMIT")
        return (time.thread_time() - started) / COMMITS


def write(steps: Sequence[Step], file: Path) -> None:
    """Keep steps, one a line."""
    lines = ",\n".join("  " + json.dumps(_kept(step), ensure_ascii=False) for step in steps)
    file.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def read(file: Path) -> Sequence[Step]:
    """Return steps that were kept."""
    return [Step(**kept) for kept in json.loads(file.read_text(encoding="utf-8"))]


def markdown(steps: Sequence[Step]) -> str:
    """Return the table for a page."""
    rows = [
        f"| {step.name} | {step.microseconds:.0f} | {step.bound} | {_or_nothing(step.bound_microseconds)} |"
        for step in steps
    ]
    whole = f"| **a whole request** | **{sum(step.microseconds for step in steps):.0f}** | | |"
    head = ["| step | µs of CPU | bound | its µs |", "|---|--:|---|--:|"]
    return "\n".join([*head, *rows, whole]) + "\n"


def _or_nothing(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def _kept(step: Step) -> dict[str, Any]:
    limit = step.bound_microseconds
    return {
        "name": step.name,
        "microseconds": round(step.microseconds, 1),
        "bound": step.bound,
        "bound_microseconds": None if limit is None else round(limit, 1),
    }
