"""A load: frames made beforehand, sent over several channels with so many unanswered at most on each."""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.channel import PATIENCE_SECONDS, Channel, Lost


@dataclass(slots=True)
class Lane:
    """One channel's part of a load."""

    channel: Channel
    frames: deque[bytes]
    """Not sent yet."""
    window: int
    """Most that may be unanswered."""
    sent: int = 0
    done: int = 0
    texts: list[bytes] = field(default_factory=list)
    """All that arrived, in order."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a load came to."""

    done: int
    seconds: float
    """From the first frame out to the last one answered."""

    @property
    def rate(self) -> float:
        """Answered in a second."""
        return self.done / self.seconds


def drive(lanes: Sequence[Lane], *, seconds: float, is_answer: Callable[[bytes], bool]) -> Run:
    """Send for so long or until the frames run out, and return when everything sent is answered.

    A text for which `is_answer` is true answers one frame of its lane and makes room for the next.
    """
    with selectors.DefaultSelector() as selector:
        for lane in lanes:
            selector.register(lane.channel, selectors.EVENT_READ, lane)
        started = last = time.perf_counter()
        until = started + seconds
        for lane in lanes:
            _fill(lane)
        while any(lane.done < lane.sent for lane in lanes):
            ready = selector.select(0.01)
            now = time.perf_counter()
            for key, _ in ready:
                lane = key.data
                texts = lane.channel.receive()
                lane.texts += texts
                if answered := sum(map(is_answer, texts)):
                    lane.done += answered
                    last = now
                if now < until:
                    _fill(lane)
            for lane in lanes:
                if lane.channel.has_unsent:
                    lane.channel.flush()
            if now - last > PATIENCE_SECONDS:
                raise Lost(f"{sum(lane.sent - lane.done for lane in lanes)} frames were not answered")
        return Run(sum(lane.done for lane in lanes), time.perf_counter() - started)


def _fill(lane: Lane) -> None:
    while lane.frames and lane.sent - lane.done < lane.window:
        lane.channel.send(lane.frames.popleft())
        lane.sent += 1
