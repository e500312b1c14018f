"""What each step of a request costs: the CPU time of the running program, shared out by what it was seen doing.

The first step of the list that stands anywhere in a stack gets the stack, so that the curve counts where it is needed
and a write counts as a write whoever asked for it.
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
    "seal and wrap the answer": r"client/wrapping\.py|bridge/sealing\.py.*wrap",
    "open the request": r"open_wrap \(nips/nip59|bridge/sealing\.py",
    "verify the wrap": r"verify_event \(nips/event|\.verify ",
    "log and count": r" \(logging/|bridge/logs\.py|bridge/events\.py",
    "act: make the credentials": r"bridge/services/|bridge/turn/|bridge/pseudonyms\.py",
    "look up request, caller, permits": (
        r"\.(find|known|balances|_balance|admit|promise) \((storage|bridge)/(?!relay/)"
        r"|bridge/callers\.py|aiosqlite/|storage/readers"
    ),
    "deliver the answer": (
        r"bridge/outbox\.py|bridge/relay/subscriptions\.py|\.push \(bridge/relay|\.(deliver|hand_over) "
    ),
    "read and check the frame": (
        r"nips/messages\.py|parse_event \(nips/event|bridge/relay/(session|seen|rates)\.py|Admission\._check"
    ),
    "write: inbox and answer": r" \(storage/",
    "dispatch": r"bridge/(dispatcher|arrivals|recorder|replies|responses|envelope|permits|inbox|held)\.py|protocol/",
    "socket and websocket": r"websockets/|bridge/relay/|asyncio/selector_events",
    "event loop": r"asyncio/",
}
_PATTERNS = {step: re.compile(pattern) for step, pattern in STEPS.items()}


@dataclass(frozen=True, slots=True)
class Step:
    """One step's cost beside the least that it could be."""

    name: str
    microseconds: float
    bound: str = ""
    bound_microseconds: float | None = None


def step_of(stack: Stack) -> str:
    """Return the step in which a stack was seen."""
    text = ";".join(stack)
    return next((step for step, pattern in _PATTERNS.items() if pattern.search(text)), REST)


def costs(stacks: Mapping[Stack, float]) -> Sequence[Step]:
    """Share out the seconds of one request, dearest step first, each beside its bound if it has one."""
    spent: dict[str, float] = {}
    for stack, seconds in stacks.items():
        spent[step_of(stack)] = spent.get(step_of(stack), 0.0) + seconds
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
        "write: inbox and answer": ("1 bare SQLite commit", 1e6 * _commit_seconds()),
        "verify the wrap": ("1 verify", 1e6 / rate(bound.opening(ecdh=0, verify=1), seconds)),
        "open the request": ("2 ECDH + 1 verify", 1e6 / rate(bound.opening(verify=1), seconds)),
        "seal and wrap the answer": ("2 ECDH + 2 sign", 1e6 / rate(bound.wrapping(), seconds)),
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
