"""Frames come out whole and in order, however the pipe cuts them."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from bridge.workers.frames import FrameReader, framed

bodies = st.lists(st.binary(max_size=40), max_size=8)


@given(bodies, st.lists(st.integers(1, 30), max_size=60))
def test_frames_survive_any_cutting(sent: list[bytes], cuts: list[int]) -> None:
    data, reader, read = framed(sent), FrameReader(), []
    for cut in cuts:
        read += reader.feed(data[:cut])
        data = data[cut:]
    assert read + reader.feed(data) == sent


def test_part_of_a_frame_is_held_back() -> None:
    reader, whole = FrameReader(), framed([b"abc"])
    assert reader.feed(whole[:3]) == []
    assert reader.feed(whole[3:6]) == []
    assert reader.feed(whole[6:] + whole[:1]) == [b"abc"]


def test_empty_frame_is_a_frame() -> None:
    assert FrameReader().feed(framed([b"", b""])) == [b"", b""]


def _cost(size: int) -> float:
    """Return the CPU seconds that a frame of this size takes when it comes in pieces."""
    data = framed([bytes(size)])

    def once() -> float:
        reader, start = FrameReader(), time.process_time()
        for at in range(0, len(data), 64):
            reader.feed(data[at : at + 64])
        return time.process_time() - start

    return min(once() for _ in range(5))


def test_reading_costs_in_proportion_to_size() -> None:
    # Eight times the size: linear is 8 and quadratic 64.
    assert _cost(2**20) < 24 * _cost(2**17) + 0.001
