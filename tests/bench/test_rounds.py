"""Rounds: who is measured when, and what is made of it."""

from __future__ import annotations

import pytest

from bench.rounds import best, by_turns, in_turn, middle, rate


def test_measures_take_turns() -> None:
    order: list[str] = []

    def note(name: str) -> float:
        order.append(name)
        return 1.0

    by_turns({"a": lambda: note("a"), "b": lambda: note("b")}, 2)
    assert order == ["a", "b", "a", "b"]


def test_best_is_the_highest_and_middle_the_median() -> None:
    values = {"a": iter([3.0, 1.0, 2.0]), "b": iter([1.0, 9.0, 1.0])}
    assert best({"a": values["a"].__next__, "b": values["b"].__next__}, 3) == {"a": 3.0, "b": 9.0}
    values = {"a": iter([3.0, 1.0, 2.0])}
    assert middle({"a": values["a"].__next__}, 3) == {"a": 2.0}


def test_rates_in_turn_are_slower_than_each() -> None:
    assert in_turn(100.0, 100.0) == pytest.approx(50.0)


def test_only_what_was_done_counts() -> None:
    left = [40]

    def work(times: int) -> int:
        done = min(times, left[0])
        left[0] -= done
        return done

    assert rate(work, 60) > 40  # would wait for its 60 seconds if it did not notice the end
    assert left == [0]
