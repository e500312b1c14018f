"""The system's clock: three views of one time."""

from __future__ import annotations

from client.clock import SystemClock


def test_seconds_and_milliseconds_are_of_one_time() -> None:
    clock = SystemClock()
    before, ms, after = clock.now(), clock.now_ms(), clock.now()
    assert before <= ms // 1000 <= after


def test_monotonic_time_never_steps_back() -> None:
    clock = SystemClock()
    times = [clock.monotonic() for _ in range(100)]
    assert times == sorted(times)
