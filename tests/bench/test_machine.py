"""What processes use, and where they run."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from bench.machine import Cores, commit, cpu_seconds, facts, family, pinned

BURNING = """
import sys, threading, time
def burn():
    until = time.thread_time() + 0.15
    while time.thread_time() < until: pass
threads = [threading.Thread(target=burn) for _ in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(flush=True)
sys.stdin.read()
"""
STARTING = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE)
sys.stdin.read()
child.communicate()
"""


def test_time_of_all_threads_of_a_child_of_the_process_counts() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTING, BURNING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert len(family(process.pid)) == 2
        assert cpu_seconds(process.pid) >= 0.28
        process.communicate()


def test_child_runs_where_it_was_started_and_we_go_back() -> None:
    before = os.sched_getaffinity(0)
    core = frozenset(list(before)[:1])
    with pinned(core):
        said = subprocess.check_output([sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"])
    assert set(map(int, said.split())) == core
    assert os.sched_getaffinity(0) == before


def test_measured_and_measuring_part_where_there_is_room() -> None:
    cores = Cores.of_this_machine()
    assert len(cores.measured) == len(cores.measuring) == 1
    assert (cores.measured != cores.measuring) == (len(os.sched_getaffinity(0)) > 1)


def test_commit_is_named() -> None:
    assert re.fullmatch(r"commit [0-9a-f]{10}(, changed since)?|no commit known", commit())


def test_facts_name_no_place() -> None:
    assert len(facts()) == 4
    assert not any("/" in fact for fact in facts())
