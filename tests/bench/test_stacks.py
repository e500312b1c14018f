"""Samples: what was only waiting is left out, and the time that threads had is shared among their stacks."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter

import pytest

from bench.stacks import Stack, cpu_by_thread, read, thread_of, weighted, working

MAIN, WRITER, SILENT = 7, 8, 9
MAIN_WORK = ("thread (7): MainThread", "<module> (switchboard:1)", "verify (nips/keys.py:52)")
MAIN_WAIT = ("thread (7): MainThread", "<module> (switchboard:1)", "EpollSelector.select (selectors.py:451)")
WRITER_WORK = ("thread (8): storage writer", "Thread._bootstrap (threading.py:988)", "commit (storage/writer.py:28)")


def test_line_is_a_stack_and_a_count() -> None:
    text = "a (one.py:1);b c (two.py:2) 3\na (one.py:1) 1\na (one.py:1);b c (two.py:2) 2\n"
    assert read(text) == {("a (one.py:1)", "b c (two.py:2)"): 5, ("a (one.py:1)",): 1}


def test_what_is_seen_of_an_idle_program_is_waiting() -> None:
    seen: Counter[Stack] = Counter({MAIN_WORK: 5, MAIN_WAIT: 90})
    assert working(seen, [MAIN_WAIT]) == {MAIN_WORK: 5}


def test_time_is_shared_within_the_threads_that_had_it() -> None:
    hashed = (*MAIN_WORK[:1], "digest (hmac.py:187)")
    shared = weighted({MAIN_WORK: 30, hashed: 10, WRITER_WORK: 1000}, {MAIN: 4.0, WRITER: 1.0, SILENT: 2.0})
    assert shared == {MAIN_WORK: 3.0, hashed: 1.0, WRITER_WORK: 1.0}


def test_thread_has_its_number_and_its_name() -> None:
    assert thread_of(WRITER_WORK) == (WRITER, "storage writer")
    assert thread_of(("thread (12)", "a (one.py:1)")) == (12, "unnamed thread")
    with pytest.raises(ValueError, match="no thread"):
        thread_of(("process 12",))


def test_time_of_our_own_thread_is_counted() -> None:
    before = cpu_by_thread(os.getpid())[threading.get_native_id()]
    until = time.thread_time() + 0.05
    while time.thread_time() < until:
        pass
    assert cpu_by_thread(os.getpid())[threading.get_native_id()] - before == pytest.approx(0.05, abs=0.04)
