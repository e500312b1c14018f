from __future__ import annotations

import logging

import pytest

from bridge.conditions import Conditions


def test_what_nobody_complained_about_works() -> None:
    conditions = Conditions()
    conditions.set("storage", None)
    assert conditions.problems == {}
    assert conditions.down == {}


def test_problem_stays_until_the_part_works_again() -> None:
    conditions = Conditions()
    conditions.set("turn", "no provider answers", is_down=True)
    conditions.set("turn.static", "refused")
    assert conditions.problems == {"turn": "no provider answers", "turn.static": "refused"}
    assert conditions.down == {"turn": "no provider answers"}
    conditions.set("turn", None)
    assert conditions.problems == {"turn.static": "refused"}
    assert conditions.down == {}


def test_worse_and_better_is_told_of_the_same_part() -> None:
    conditions = Conditions()
    conditions.set("turn", "slow")
    conditions.set("turn", "gone", is_down=True)
    assert conditions.down == {"turn": "gone"}
    conditions.set("turn", "slow")
    assert conditions.down == {}
    assert conditions.problems == {"turn": "slow"}


def test_each_change_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    conditions = Conditions()
    for _ in range(3):
        conditions.set("turn", "slow")
    conditions.set("turn", "slower")
    conditions.set("turn", "gone", is_down=True)
    for _ in range(2):
        conditions.set("turn", None)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "degraded"),
        ("WARNING", "down"),
        ("INFO", "works again"),
    ]
