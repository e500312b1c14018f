"""Alarms: one for each key, earliest first, and no memory of those that were moved."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from client.alarms import Alarms

keys = st.sampled_from("abcd")
times = st.integers(0, 20)


def test_without_an_alarm_nothing_is_due() -> None:
    alarms: Alarms[str] = Alarms()
    assert alarms.next() is None
    assert alarms.take_due(1e9) is None


def test_alarm_is_due_at_its_time_and_not_before() -> None:
    alarms: Alarms[str] = Alarms()
    alarms.set("a", 10)
    assert alarms.take_due(9.9) is None
    assert alarms.take_due(10) == "a"
    assert alarms.take_due(10) is None


def test_cleared_alarm_is_never_due() -> None:
    alarms: Alarms[str] = Alarms()
    alarms.set("a", 10)
    alarms.clear("a")
    alarms.clear("never set")
    assert alarms.next() is None


def test_moving_an_alarm_for_ever_takes_no_more_memory() -> None:
    alarms: Alarms[str] = Alarms()
    for when in range(10_000):
        alarms.set("a", when)
    assert len(alarms) == 1
    assert len(alarms._heap) < 100


@given(st.lists(st.one_of(st.tuples(st.just("set"), keys, times), st.tuples(st.just("clear"), keys, times))), times)
def test_alarms_behave_like_a_sorted_table(steps: list[tuple[str, str, int]], now: int) -> None:
    alarms: Alarms[str] = Alarms()
    table: dict[str, int] = {}
    for verb, key, when in steps:
        if verb == "set":
            alarms.set(key, when)
            table[key] = when
        else:
            alarms.clear(key)
            table.pop(key, None)
    assert alarms.next() == min(table.values(), default=None)
    due = []
    while (key_due := alarms.take_due(now)) is not None:
        due.append(key_due)
    assert sorted(due) == sorted(key for key, when in table.items() if when <= now)
    assert [table[key] for key in due] == sorted(table[key] for key in due)
    assert len(alarms) == len(table) - len(due)
