"""Many cases of every kind in one run: what is tried how often, what failed and how to see it again, and memory.

The kinds take turns all the time, so that memory after a fifth of the run has seen all that there is, and has no reason
to grow any more.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.fuzz import links, requests, sessions, sockets
from tests.fuzz.cases import a_case
from tests.fuzz.judging import examine
from tests.fuzz.parsers import PARSERS

ROUNDS: Final = 100
SETTLED: Final = 20
"""Rounds after which memory has no reason to grow."""
MOST_GROWTH: Final = 1.10
MOST_GROWTH_BYTES: Final = 8 * 2**20
"""Of the two bounds the wider holds: a small process grows by what its allocator rounds up."""
MOST_FAILURES: Final = 10

ENOUGH_FOR_MEMORY: Final = 50_000
"""Cases after which a fifth of the run has loaded and filled all that there is to load and to fill."""

Run = Callable[[int, int], int]


@dataclass(frozen=True, slots=True)
class Kind:
    """One way of being hostile."""

    share: int
    """Frames, wraps or documents of each hundred thousand frames and wraps."""
    run: Run
    """Runs the case of a seed and a number and returns of how many frames it was made."""
    is_counted: bool = True
    """Whether its cases are frames or wraps; documents are tried besides."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that broke a rule."""

    kind: str
    seed: int
    number: int
    report: str

    @property
    def command(self) -> str:
        """How to see it again."""
        return f".venv/bin/python -m tests.fuzz --seed {self.seed} --kind {self.kind} --case {self.number}"


@dataclass(slots=True)
class Outcome:
    """What a campaign came to."""

    counted: int = 0
    """Frames and wraps."""
    documents: int = 0
    seconds: float = 0
    failures: list[Failure] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    """Resident bytes after each round."""

    @property
    def is_enough_for_memory(self) -> bool:
        """Tell whether the run was long enough for its memory to say something."""
        return len(self.memory) > SETTLED and self.counted + self.documents >= ENOUGH_FOR_MEMORY

    @property
    def is_flat(self) -> bool:
        """Tell whether memory stayed what it was after a fifth of the run; a short run says nothing."""
        if not self.is_enough_for_memory:
            return True
        before, after = self.memory[SETTLED - 1], self.memory[-1]
        return after <= max(before * MOST_GROWTH, before + MOST_GROWTH_BYTES)


def run_campaign(
    kinds: Mapping[str, Kind],
    *,
    seed: int,
    count: int,
    seconds: float,
    say: Callable[[str], object],
    measure: Callable[[], int],
) -> Outcome:
    """Run so many frames and wraps, or for so long; return what came of it."""
    outcome, started = Outcome(), time.monotonic()
    progress = {name: _Progress(kind, name, seed) for name, kind in kinds.items()}
    for turn in range(1, ROUNDS + 1):
        for name, own in progress.items():
            known = len(outcome.failures)
            own.advance(kinds[name].share * count * turn // (100_000 * ROUNDS), outcome)
            for failure in outcome.failures[known:]:
                say(f"  failed: {failure.command}")
        outcome.seconds = time.monotonic() - started
        outcome.memory.append(measure())
        is_over = outcome.seconds > seconds or len(outcome.failures) >= MOST_FAILURES
        if turn % (ROUNDS // 10) == 0 or is_over:
            say(_line(turn, outcome))
        if is_over:
            break
    return outcome


@dataclass(slots=True)
class _Progress:
    kind: Kind
    name: str
    seed: int
    done: int = 0
    number: int = 0

    def advance(self, due: int, outcome: Outcome) -> None:
        while self.done < due and len(outcome.failures) < MOST_FAILURES:
            made = 1
            try:
                made = max(1, self.kind.run(self.seed, self.number))
            except Exception:
                outcome.failures.append(Failure(self.name, self.seed, self.number, traceback.format_exc()))
            self.number += 1
            self.done += made
            if self.kind.is_counted:
                outcome.counted += made
            else:
                outcome.documents += made


def _line(turn: int, outcome: Outcome) -> str:
    return (
        f"  {turn:3d} %  {outcome.counted:>9,} frames and wraps  {outcome.documents:>9,} documents"
        f"  {outcome.seconds:6.1f} s  {outcome.memory[-1] / 2**20:5.0f} MiB  {len(outcome.failures)} failures"
    )


def resident_bytes() -> int:
    """Return the memory that this process has in use, garbage aside."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def save(failures: Sequence[Failure], folder: Path) -> Iterator[Path]:
    """Write down each failure, with its case where that is one text; a good place for a mended one is the corpus."""
    folder.mkdir(parents=True, exist_ok=True)
    for failure in failures:
        report = folder / f"{failure.kind}-{failure.seed}-{failure.number}.txt"
        report.write_text(f"{failure.command}\n\n{failure.report}", "utf-8")
        if failure.kind in PARSERS:
            case = a_case(failure.kind, seed=failure.seed, number=failure.number)
            report.with_suffix(".case").write_bytes(case.encode("utf-8", "surrogatepass"))
        yield report


def _parser(name: str) -> Run:
    def run(seed: int, number: int) -> int:
        examine(PARSERS[name], a_case(name, seed=seed, number=number))
        return 1

    return run


def _chapter(live: Callable[..., Coroutine[Any, Any, int]]) -> Run:
    def run(seed: int, number: int) -> int:
        with TemporaryDirectory() as folder:
            return asyncio.run(live(Path(folder), seed=seed, number=number))

    return run


async def _session(folder: Path, *, seed: int, number: int) -> int:
    return (await sessions.live_through(folder, seed=seed, number=number)).frames


async def _requests(folder: Path, *, seed: int, number: int) -> int:
    await requests.answer_through(folder, seed=seed, number=number)
    return requests.WRAPS


async def _sockets(folder: Path, *, seed: int, number: int) -> int:
    await sockets.talk_through(folder, seed=seed, number=number)
    return sockets.FRAMES


def _link(seed: int, number: int) -> int:
    links.listen_through(seed=seed, number=number)
    return links.MESSAGES


_FRAMES_AND_WRAPS: Final = {"client-message": 15_000, "relay-message": 15_000, "wrap": 6000, "seal": 500, "rumor": 500}

KINDS: Final[Mapping[str, Kind]] = {
    **{name: Kind(share, _parser(name)) for name, share in _FRAMES_AND_WRAPS.items()},
    "sessions": Kind(44_000, _chapter(_session)),
    "links": Kind(15_000, _link),
    "requests": Kind(3000, _chapter(_requests)),
    "sockets": Kind(2000, _chapter(_sockets)),
    **{name: Kind(1000, _parser(name), is_counted=False) for name in PARSERS if name not in _FRAMES_AND_WRAPS},
}
"""Shares of those that are counted add up to a hundred thousand or a little more."""
