"""Rates by rounds: ours and the peers' by turns, so that whatever disturbs the machine disturbs them alike.

What only computes is told by its best round, since a disturbance can only slow it. What also waits, for a disk or for
another process, is told by the median of its rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

Work = Callable[[int], int]
"""Does something so many times, or fewer when it has nothing left to do it with; returns how many times it did."""

Measure = Callable[[], float]
"""Takes one round and returns what it measured."""

_BATCH = 16


def rate(work: Work, seconds: float) -> float:
    """Return how often a second of this thread's own time something can be done, by doing it for so long.

    For what only computes that is the time on the wall, less what other programs took of the core in between.
    """
    started, count = time.thread_time(), 0
    while (elapsed := time.thread_time() - started) < seconds:
        done = work(_BATCH)
        count += done
        if done < _BATCH:
            elapsed = time.thread_time() - started
            break
    return count / elapsed


def in_turn(*rates: float) -> float:
    """Return how often a second things can be done one after the other, from how often each can be."""
    return 1 / sum(1 / each for each in rates)


def by_turns(measures: Mapping[str, Measure], rounds: int) -> Mapping[str, list[float]]:
    """Take so many rounds, each of all measures."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            taken[name].append(measure())
    return taken


def best(measures: Mapping[str, Measure], rounds: int) -> Mapping[str, float]:
    """Return the highest of each, by turns."""
    return {name: max(values) for name, values in by_turns(measures, rounds).items()}


def middle(measures: Mapping[str, Measure], rounds: int) -> Mapping[str, float]:
    """Return the median of each, by turns."""
    return {name: median(values) for name, values in by_turns(measures, rounds).items()}
