"""A worker answers what it reads, in order, until there is nothing more or nobody who listens."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bridge.workers import jobs
from bridge.workers.frames import FrameReader, framed
from bridge.workers.jobs import READY, Start
from bridge.workers.worker import serve
from nips.event import parse_event, verify_event
from nips.nip59 import open_wrap
from tests.support.deadline import SCALE
from tests.support.wraps import BRIDGE, a_rumor, a_seal, a_wrap

START = Start(BRIDGE, max_known_senders=2, unsigned_seals=False).to_frame()
WRAPS = [verify_event(parse_event(a_wrap(a_seal(a_rumor(content=str(number)))))) for number in range(5)]
JOBS = [jobs.opening(wrap) for wrap in WRAPS]


def test_answers_come_in_the_order_of_the_jobs_and_together() -> None:
    data = framed([START, *JOBS])
    cut = len(data) - 10
    readings = [data[:cut], data[cut:], b""]
    writings: list[bytes] = []
    serve(lambda: readings.pop(0), writings.append)
    early, late = (FrameReader().feed(written) for written in writings)
    assert early[0] == READY
    assert [jobs.read_opened(answer) for answer in early[1:] + late] == [open_wrap(wrap, BRIDGE) for wrap in WRAPS]


def test_worker_ends_when_nobody_takes_its_answers() -> None:
    def broken(_data: bytes) -> None:
        raise BrokenPipeError

    readings = [framed([START])]
    serve(lambda: readings.pop(0), broken)
    assert readings == []


def test_worker_without_a_start_does_nothing() -> None:
    readings, writings = [b""], [b"unchanged"]
    serve(lambda: readings.pop(0), writings.append)
    assert writings == [b"unchanged"]


def run(said: bytes) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-P", "-m", "bridge.workers"]
    return subprocess.run(command, input=said, capture_output=True, timeout=20 * SCALE, check=False)


def test_process_answers_and_ends_with_its_input() -> None:
    ended = run(framed([START, JOBS[0]]))
    assert (ended.returncode, ended.stderr) == (0, b"")
    ready, answer = FrameReader().feed(ended.stdout)
    assert ready == READY
    assert jobs.read_opened(answer) == open_wrap(WRAPS[0], BRIDGE)


@pytest.mark.parametrize("said", [b"", framed([START])[:20]], ids=["nothing", "half a start"])
def test_process_that_is_told_nothing_ends_in_silence(said: bytes) -> None:
    ended = run(said)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
