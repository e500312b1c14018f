"""A worker: reads jobs from standard input and writes answers to standard output until the input ends.

It writes nothing else anywhere. The bridge alone decides when it ends: signals that a terminal or a service manager
sends to every process are ignored, and the end of the input, which comes even if the bridge is killed, ends it at once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from bridge.sealing import LocalSealing
from bridge.workers.frames import FrameReader, framed
from bridge.workers.jobs import READY, answer, read_start
from client.clock import SystemClock
from client.entropy import SystemEntropy

READ_BYTES = 16_384
"""What is read at once is answered at once: a handful of jobs, so that the first does not wait long for the last."""

_INPUT, _OUTPUT = 0, 1


def main() -> None:
    """Work until the input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    serve(lambda: os.read(_INPUT, READ_BYTES), _write)


def serve(read: Callable[[], bytes], write: Callable[[bytes], None]) -> None:
    """Answer what is read until nothing more comes, or nobody takes the answers."""
    frames = FrameReader()
    sealing: LocalSealing | None = None
    while data := read():
        answers = []
        for body in frames.feed(data):
            if sealing is None:
                sealing = read_start(body, clock=SystemClock(), entropy=SystemEntropy())
                answers.append(READY)
            else:
                answers.append(answer(sealing, body))
        try:
            write(framed(answers))
        except BrokenPipeError:
            return


def _write(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(_OUTPUT, left) :]
