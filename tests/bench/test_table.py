"""Figures in words."""

from __future__ import annotations

import pytest

from bench.figures import Better, Figure
from bench.table import cells, markdown, number

RATE = Figure("unwrap", 4321.9, "1/s", Better.HIGHER, "the bound", 8000.0, 0.55)
TIME = Figure("answer", 3.21, "ms", Better.LOWER, "a commit", 1.5, 5.0)


@pytest.mark.parametrize(
    ("value", "text"), [(12_345.6, "12 346"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.05, "0.05")]
)
def test_three_digits_say_it(value: float, text: str) -> None:
    assert number(value) == text


def test_row_says_what_is_aimed_at_and_whether_it_is_reached() -> None:
    assert cells(RATE) == ("unwrap", "4 322 1/s", "the bound", "8 000 1/s", "0.54", "≥ 0.55", "no")
    assert cells(TIME) == ("answer", "3.21 ms", "a commit", "1.50 ms", "2.14", "≤ 5 ms", "yes")


def test_page_gets_a_table() -> None:
    head, rule, row = markdown([TIME]).splitlines()
    assert head.count("|") == rule.count("|") == row.count("|") == 8
