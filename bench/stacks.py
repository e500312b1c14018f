"""Samples of a running program: which stacks it was seen in, how often, and which of them were only waiting.

A sampler sees a thread that waits for a lock or a queue in much the same way as one that computes. What the program
does when nothing is asked of it is therefore sampled first: the stacks seen then are its waiting places, and are left
out. What is left says how the time of a thread divides; how much that time was, the system says.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

Stack = tuple[str, ...]
"""From the outermost call to the innermost, each as `function (file:line)`, files named from the root of a package."""

SAMPLER = Path(sys.executable).with_name("py-spy")
MAIN, OTHER = "main thread", "other threads"


def sampling(pid: int, seconds: float, file: Path, *, rate: int) -> subprocess.Popen[bytes]:
    """Start to look at a process and those that it starts, for so long; what is seen goes to a file."""
    if not SAMPLER.exists():
        raise FileNotFoundError("py-spy is not installed: make flame puts it there")
    command = [str(SAMPLER), "record", "--pid", str(pid), "--duration", str(max(1, round(seconds)))]
    options = ["--rate", str(rate), "--format", "raw", "--function", "--output", str(file)]
    return subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def sampled(pid: int, seconds: float, *, rate: int) -> Counter[Stack]:
    """Look at a process for so long and return what was seen."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stacks"
        sampling(pid, seconds, file, rate=rate).wait()
        return read(file.read_text("utf-8"))


def read(text: str) -> Counter[Stack]:
    """Return the stacks of a file in which each line is a stack and a count."""
    stacks: Counter[Stack] = Counter()
    for line in text.splitlines():
        frames, _, count = line.rpartition(" ")
        stacks[tuple(frames.split(";"))] += int(count)
    return stacks


def working(stacks: Mapping[Stack, int], waiting: Iterable[Stack]) -> Counter[Stack]:
    """Return the stacks that are not waiting places."""
    places = set(waiting)
    return Counter({stack: count for stack, count in stacks.items() if stack not in places})


def thread_of(stack: Stack) -> str:
    """Return which threads a stack is of."""
    return OTHER if stack[0].startswith("Thread._bootstrap ") else MAIN


def weighted(stacks: Mapping[Stack, int], seconds: Mapping[str, float]) -> dict[Stack, float]:
    """Share out the time that the threads really had among their stacks, in seconds."""
    seen: Counter[str] = Counter()
    for stack, count in stacks.items():
        seen[thread_of(stack)] += count
    return {stack: count / seen[thread_of(stack)] * seconds[thread_of(stack)] for stack, count in stacks.items()}


def cpu_by_thread(pid: int) -> dict[str, float]:
    """Return the seconds that the main thread of a process and its other threads have had of the cores."""
    used = {MAIN: 0.0, OTHER: 0.0}
    for task in Path(f"/proc/{pid}/task").iterdir():
        nanoseconds = int((task / "schedstat").read_text("ascii").split()[0])
        used[MAIN if task.name == str(pid) else OTHER] += nanoseconds / 1e9
    return used
