"""The machine that the figures are from: its cores, and what a process used of them and of its memory."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Cores:
    """Who runs where: what is measured on one core, what measures it on another."""

    measured: frozenset[int]
    measuring: frozenset[int]

    @classmethod
    def of_this_machine(cls) -> Cores:
        """Share out the cores that we may use; on a machine with one core both get that."""
        first, *others = sorted(os.sched_getaffinity(0))
        return cls(frozenset({first}), frozenset(others[-1:] or [first]))


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Keep this thread, and every process that it starts meanwhile, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents = {int(entry.name): _stat(int(entry.name)) for entry in _PROC.iterdir() if entry.name.isdigit()}
    found = [pid]
    for member in found:
        found += [child for child, stat in parents.items() if stat and int(stat[1]) == member]
    return found


def cpu_seconds(pid: int) -> float:
    """Return the time, user and system, that a process and its descendants have had of the cores, in all threads."""
    stats = [stat for member in family(pid) if (stat := _stat(member))]
    # utime, stime, and those of children that have ended.
    return sum(int(ticks) for stat in stats for ticks in stat[11:15]) / _TICKS


def resident_bytes(pid: int) -> int:
    """Return the memory that a process and its descendants have in RAM, pages that they share counted for each."""
    statuses = [(_PROC / str(member) / "status").read_text("ascii", "replace") for member in family(pid)]
    lines = [line for status in statuses for line in status.splitlines() if line.startswith("VmRSS:")]
    return sum(int(line.split()[1]) for line in lines) * 1024


def facts() -> Sequence[str]:
    """Return what a reader has to know of this machine."""
    cores = len(os.sched_getaffinity(0))
    return [
        _cpu_model(),
        f"{cores} cores",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
    ]


def commit() -> str:
    """Return which state of the project this is."""
    git = ["git", "-C", str(Path(__file__).resolve().parent)]
    try:
        name = subprocess.check_output([*git, "rev-parse", "--short=10", "HEAD"], stderr=subprocess.DEVNULL)
        changed = subprocess.check_output([*git, "status", "--porcelain", "--untracked-files=no"])
    except (OSError, subprocess.CalledProcessError):
        return "no commit known"
    return f"commit {name.decode('ascii').strip()}" + (", changed since" if changed.strip() else "")


def _cpu_model() -> str:
    lines = (_PROC / "cpuinfo").read_text("utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _stat(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text("ascii", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in brackets, and may itself hold anything.
    return text.rpartition(")")[2].split()
