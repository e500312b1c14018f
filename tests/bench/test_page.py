"""The page on performance says what the kept figures say."""

from __future__ import annotations

import re

import pytest

from bench import figures, steps
from bench.flame import PICTURE
from bench.page import PAGE, tables, with_tables

TEXT = PAGE.read_text("utf-8")


def test_tables_of_the_page_are_those_of_the_kept_figures() -> None:
    assert with_tables(TEXT, tables()) == TEXT, "python -m bench --write-docs puts them there"


def test_each_kept_figure_and_step_has_its_row() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ")]
    for figure in figures.read(figures.LATEST):
        assert any(row.startswith(f"| {figure.name} |") and f"| {figure.peer} |" in row for row in rows)
    for step in steps.read(steps.LATEST):
        assert any(row.startswith(f"| {step.name} |") for row in rows)


def test_table_takes_the_place_of_an_older_one() -> None:
    page = "before\n<!-- one: from here -->\nold\n<!-- end of one -->\nafter\n"
    new = with_tables(page, {"one": "| new |\n"})
    assert new == "before\n<!-- one: from here -->\n\n| new |\n\n<!-- end of one -->\nafter\n"
    assert with_tables(new, {"one": "| new |\n"}) == new


def test_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="0 places"):
        with_tables("nothing", {"one": ""})


def test_picture_is_small_and_names_nothing_of_a_machine() -> None:
    picture = PICTURE.read_text("utf-8")
    assert len(picture) < 400_000
    assert not re.search(r"\((/|\.\.|~)|/home/|/root/|/tmp/|site-packages|process \d", picture)
    assert "nips/keys.py" in picture
