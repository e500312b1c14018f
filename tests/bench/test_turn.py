"""Requests end to end: each is recorded once and answered once, or there is no figure."""

from __future__ import annotations

import pytest

from bench import turn
from bench.bound import BOTH
from bench.machine import Cores
from bench.program import Program
from bench.scope import TINY
from bench.turn import Miscounted, askers
from nips import kinds
from tests.bench.conftest import Count
from tests.bench.rows import peers_by_name


@pytest.mark.parametrize("kind", [kinds.GIFT_WRAP, kinds.EPHEMERAL_GIFT_WRAP])
def test_every_request_is_recorded_and_answered_once(program: Program, count: Count, kind: int) -> None:
    with askers(program, 4, connections=2) as crowd:
        rates = crowd.run(12, kind=kind, window=3)
    assert rates.requests == count("responses") == 12


def test_what_was_not_sent_in_time_is_not_counted(program: Program, count: Count) -> None:
    with askers(program, 2, connections=1) as crowd:
        assert crowd.run(12, kind=kinds.GIFT_WRAP, window=3, seconds=0).requests == 3
        assert crowd.run(2, kind=kinds.GIFT_WRAP).requests == 2
    assert count("responses") == 5


def test_answer_that_comes_twice_gives_no_figure(program: Program) -> None:
    with askers(program, 1) as crowd:
        for channel in crowd.channels:
            channel.say("REQ", "again", {"kinds": [kinds.EPHEMERAL_GIFT_WRAP]})
            channel.wait_for("EOSE")
        with pytest.raises(Miscounted, match="some have two"):
            crowd.run(3, kind=kinds.EPHEMERAL_GIFT_WRAP)


def test_answer_that_is_a_refusal_gives_no_figure(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "METHOD", "no.such_method")
    with askers(program, 1) as crowd, pytest.raises(Miscounted, match="BRIDGE_UNKNOWN_METHOD"):
        crowd.run(1, kind=kinds.EPHEMERAL_GIFT_WRAP)


def test_each_case_stands_beside_bounds_and_steps(cores: Cores) -> None:
    figures = list(turn.measure(TINY, cores))
    assert peers_by_name(figures) == {
        f"{case}, {how}": {BOTH, turn.SDK_STEPS} for case in turn.CASES for how in ("by CPU time", "by the wall clock")
    }
    assert {(figure.peer, figure.aim) for figure in figures} == {(BOTH, 0.4), (turn.SDK_STEPS, 5.0)}
