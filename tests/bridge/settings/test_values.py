"""Single values: what keys take, what is said otherwise, and how TOML writes them."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.settings import forms
from bridge.settings.keys import Key
from bridge.settings.values import HIDDEN, BadItems, BadValue, read_value, show_value, write_key, write_value


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


ANY = Key("Anything.")
RANGE = Key("Number.", least=0.5, most=10)
LIST = Key("List.", form=forms.kept_kind, max_items=3)
DISTINCT = Key("Names.", identity=str.lower)
FILE = Key("File.", form=forms.file, is_file=True)

texts = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("value", "hint", "key", "read"),
    [
        (7, int, RANGE, 7),
        (7, float, RANGE, 7),
        (0.5, float, RANGE, 0.5),
        (True, bool, ANY, True),
        ("a", str, ANY, "a"),
        ("red", Colour, ANY, Colour.RED),
        ([0, 3], tuple[int, ...], LIST, (0, 3)),
        ([], tuple[str, ...], ANY, ()),
    ],
)
def test_fitting_value_is_taken(value: object, hint: Any, key: Key, read: object) -> None:
    result = read_value(value, hint, key)
    assert result == read
    assert type(result) is type(read)


@pytest.mark.parametrize(
    ("value", "hint", "key", "advice"),
    [
        (True, int, RANGE, "use a whole number from 0.5 to 10"),
        (1.0, int, RANGE, "use a whole number from 0.5 to 10"),
        ("7", int, RANGE, "use a whole number from 0.5 to 10, without quotes"),
        (0, int, RANGE, "use a whole number from 0.5 to 10"),
        (True, float, RANGE, "use a number from 0.5 to 10"),
        (0.49, float, RANGE, "use a number from 0.5 to 10"),
        (float("nan"), float, RANGE, "use a number from 0.5 to 10"),
        (float("inf"), float, RANGE, "use a number from 0.5 to 10"),
        (2**100, float, RANGE, "use a number from 0.5 to 10"),
        (1, bool, ANY, "use true or false"),
        ("true", bool, ANY, "use true or false, without quotes"),
        (1, str, ANY, "use text in quotes"),
        ("rad", Colour, ANY, 'use "red" or "green"; did you mean "red"?'),
        (1, Colour, ANY, 'use "red" or "green"'),
        ([], Colour, ANY, 'use "red" or "green"'),
        (0, tuple[int, ...], LIST, "use a list, such as [1, 2]"),
        ("a", tuple[str, ...], LIST, 'use a list, such as ["…", "…"]'),
        ([0, 0, 0, 0], tuple[int, ...], LIST, "use at most 3 items"),
        ("", str, FILE, "use the name of a file, relative to the folder of this file or absolute"),
    ],
)
def test_value_that_does_not_fit_gets_advice(value: object, hint: Any, key: Key, advice: str) -> None:
    with pytest.raises(BadValue) as caught:
        read_value(value, hint, key)
    assert str(caught.value) == advice


def test_every_item_that_does_not_fit_is_told() -> None:
    with pytest.raises(BadItems) as caught:
        read_value([0, 1, True], tuple[int, ...], LIST)
    assert caught.value.items == [(2, 1, forms.kept_kind(1)), (3, True, "use whole numbers")]


def test_every_item_that_is_there_twice_is_told_with_the_one_before() -> None:
    with pytest.raises(BadItems) as caught:
        read_value(["a", "b", "A", "a"], tuple[str, ...], DISTINCT)
    assert caught.value.items == [
        (3, "A", "the same as item 1; take it out"),
        (4, "a", "the same as item 1; take it out"),
    ]
    assert read_value(["a", "b"], tuple[str, ...], DISTINCT) == ("a", "b")


@given(texts | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans())
def test_written_value_is_read_back_by_toml(value: object) -> None:
    line = f"key = {write_value(value)}"
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert tomllib.loads(line) == {"key": value}


@given(st.lists(texts, max_size=3))
def test_written_list_is_read_back_by_toml(value: list[str]) -> None:
    assert tomllib.loads(f"key = {write_value(value)}") == {"key": value}


@given(texts)
def test_written_key_is_read_back_by_toml(name: str) -> None:
    assert tomllib.loads(f"{write_key(name)} = 1") == {name: 1}


def test_words_of_enums_are_written_as_text() -> None:
    assert write_value(Colour.RED) == '"red"'


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (5, "5"),
        ("a\x1b[31m\u202e", '"a\\u001b[31m\\u202e"'),
        ("x" * 100, '"' + "x" * 58 + "…"),
        ({"a": {"b": 1}}, "{…}"),
        ([[["deep"]]], "[[…]]"),
        ("nsec1qqq", HIDDEN),
        (["npub1", "nsec1qqq"], HIDDEN),
    ],
)
def test_message_shows_values_short_and_harmless(value: object, shown: str) -> None:
    assert show_value(value, ANY) == shown


def test_number_with_thousands_of_digits_is_not_written_out() -> None:
    assert show_value(1 << 100_000, ANY) == "a huge number"


def test_value_in_place_of_a_file_name_is_never_shown() -> None:
    assert show_value("hunter2", FILE) == HIDDEN
