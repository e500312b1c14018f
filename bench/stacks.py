"""Samples of a running program: which stacks it was seen in, how often, and which of them were only waiting.

A sampler sees a thread that waits for a lock or a queue in much the same way as one that computes. What the program
does when nothing is asked of it is therefore sampled first: the stacks seen then are its waiting places, and are left
out. What is left says how the time of a thread divides; how much that time was, the system says.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

Stack = tuple[str, ...]
"""The thread as `thread (number): name`, then from the outermost call to the innermost, each as `function (file:line)`,
files named from the root of a package."""

SAMPLER = Path(sys.executable).with_name("py-spy")
_THREAD = re.compile(r"thread \((?P<number>\d+)\)(: (?P<name>.*))?")


def sampling(pid: int, seconds: float, file: Path, *, rate: int) -> subprocess.Popen[bytes]:
    """Start to look at a process and those that it starts, for so long; what is seen goes to a file."""
    if not SAMPLER.exists():
        raise FileNotFoundError("py-spy is not installed: make flame puts it there")
    command = [str(SAMPLER), "record", "--pid", str(pid), "--duration", str(max(1, round(seconds)))]
    options = ["--rate", str(rate), "--format", "raw", "--function", "--threads", "--output", str(file)]
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


def thread_of(stack: Stack) -> tuple[int, str]:
    """Return the number that the system has for the thread of a stack, and the name that the program has."""
    found = _THREAD.fullmatch(stack[0])
    if found is None:
        raise ValueError(f"no thread: {stack[0]}")
    return int(found["number"]), found["name"] or "unnamed thread"


def weighted(stacks: Mapping[Stack, int], seconds: Mapping[int, float]) -> dict[Stack, float]:
    """Share out the time that each thread really had among its stacks, in seconds."""
    seen: Counter[int] = Counter()
    for stack, count in stacks.items():
        seen[thread_of(stack)[0]] += count
    return {
        stack: count / seen[number] * seconds.get(number, 0.0)
        for stack, count in stacks.items()
        for number, _ in [thread_of(stack)]
    }


def cpu_by_thread(pid: int) -> dict[int, float]:
    """Return the seconds that each thread of a process has had of the cores, by its number."""
    used = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        nanoseconds = int((task / "schedstat").read_text("ascii").split()[0])
        used[int(task.name)] = nanoseconds / 1e9
    return used
