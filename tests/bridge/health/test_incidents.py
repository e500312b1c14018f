"""When trouble is an incident, and when it is over."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.health.incidents import MOST_CALM_SECONDS, SOON, Change, FaultWindow, Incident, IncidentRules

RULES = IncidentRules(delay_seconds=60, calm_seconds=600)

steps = st.lists(st.tuples(st.booleans(), st.floats(0.1, 2000)), max_size=200)


def told(incident: Incident, *seen: tuple[bool, float], rules: IncidentRules = RULES) -> list[tuple[Change, float]]:
    """Return what is told, and when, of what is seen at these times."""
    return [(change, at) for is_bad, at in seen if (change := incident.observe(is_bad, at, rules))]


def timed(observations: list[tuple[bool, float]]) -> list[tuple[bool, float]]:
    now, seen = 0.0, []
    for is_bad, seconds in observations:
        now += seconds
        seen.append((is_bad, now))
    return seen


def test_trouble_that_lasts_is_told_once_and_its_end_once() -> None:
    seen = [(True, 5.0 * step) for step in range(100)] + [(False, 500 + 5.0 * step) for step in range(200)]
    assert told(Incident(), *seen) == [(Change.BEGAN, 60), (Change.ENDED, 1100)]


def test_trouble_that_mends_itself_sooner_is_not_told() -> None:
    assert told(Incident(), (True, 0), (True, 59), (False, 60), (True, 61), (True, 120)) == []


def test_end_waits_for_calm_without_a_pause() -> None:
    seen = [(True, 0.0), (True, 60.0), (False, 100.0), (False, 699.0), (True, 699.5), (False, 700.0), (False, 1299.0)]
    assert told(Incident(), *seen) == [(Change.BEGAN, 60)]


def test_trouble_that_comes_back_soon_asks_for_twice_the_calm() -> None:
    incident, now = Incident(), 0.0
    for returns in range(5):
        assert told(incident, (True, now), (True, now + 60)) == [(Change.BEGAN, now + 60)]
        calm = 600 * 2**returns
        assert incident.calm_seconds(RULES) == calm
        now += 61
        assert told(incident, (False, now), (False, now + calm - 1), (False, now + calm)) == [
            (Change.ENDED, now + calm)
        ]
        now += calm + 1
    assert incident.returns == 4


def test_trouble_after_a_long_time_is_trouble_for_the_first_time() -> None:
    incident = Incident()
    told(incident, (True, 0), (True, 60), (False, 61), (False, 661), (True, 700), (True, 760), (False, 761))
    assert incident.returns == 1
    assert told(incident, (False, 761 + 1200)) == [(Change.ENDED, 1961)]
    told(incident, (False, 1961 + SOON * 1200 + 1))
    assert incident.returns == 0
    assert incident.is_forgettable


def test_calm_that_is_asked_for_has_an_end() -> None:
    assert Incident(returns=1000).calm_seconds(RULES) == MOST_CALM_SECONDS
    assert Incident(returns=1000).calm_seconds(IncidentRules(0, 2 * MOST_CALM_SECONDS)) == 2 * MOST_CALM_SECONDS


def test_incident_that_an_earlier_run_told_is_not_told_again_but_its_end_is() -> None:
    incident = Incident(is_open=True)
    assert told(incident, (True, 0), (True, 1000), (False, 1001), (False, 1601)) == [(Change.ENDED, 1601)]


@given(steps)
def test_beginnings_and_ends_take_turns(observations: list[tuple[bool, float]]) -> None:
    changes = [change for change, _ in told(Incident(), *timed(observations))]
    assert changes == [Change.BEGAN, Change.ENDED] * (len(changes) // 2) + [Change.BEGAN] * (len(changes) % 2)


@given(steps)
def test_nothing_is_told_that_did_not_last(observations: list[tuple[bool, float]]) -> None:
    seen = timed(observations)
    for change, at in told(Incident(), *seen):
        wanted, lasts = (True, 60) if change is Change.BEGAN else (False, 600)
        before = [is_bad for is_bad, when in seen if at - lasts < when <= at]
        assert set(before) == {wanted}


@given(steps)
def test_ends_are_at_least_the_calm_apart(observations: list[tuple[bool, float]]) -> None:
    times = [at for _, at in told(Incident(), *timed(observations))]
    assert all(later - earlier >= 60 for earlier, later in pairwise(times))
    assert all(later - earlier >= 660 for earlier, later in zip(times, times[2:], strict=False))


def test_flapping_for_a_day_is_told_a_few_times_only() -> None:
    """Bad for two minutes and well for eleven, which is more than the calm that is asked for at first."""
    seen = [((now % 780) < 120, float(now)) for now in range(0, 86_400, 5)]
    assert len(told(Incident(), *seen)) <= 4


# --- the share of requests that fail


def test_what_is_older_than_the_window_does_not_count() -> None:
    window = FaultWindow()
    assert window.add(0, ended=0, faults=0, window_seconds=300) == (0, 0)
    assert window.add(10, ended=100, faults=50, window_seconds=300) == (100, 50)
    assert window.add(299, ended=120, faults=50, window_seconds=300) == (120, 50)
    assert window.add(311, ended=130, faults=50, window_seconds=300) == (30, 0)
    assert window.add(10_000, ended=130, faults=50, window_seconds=300) == (0, 0)


@pytest.mark.parametrize("every", [0.01, 1, 5, 1000])
def test_window_is_bounded_however_often_it_is_looked_at(every: float) -> None:
    window = FaultWindow()
    for step in range(2000):
        ended, _ = window.add(step * every, ended=step, faults=0, window_seconds=300)
        assert ended <= 305 / every + 1
        if step * every > 300:
            assert ended >= min(step, 290 // every)
    assert len(window._samples) <= FaultWindow.MOST_SAMPLES
