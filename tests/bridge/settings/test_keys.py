"""Every key that is declared is explained and bounded."""

from __future__ import annotations

from dataclasses import Field
from enum import StrEnum
from types import GenericAlias
from typing import Any, get_args, get_type_hints

import pytest

from bridge.settings.keys import key_of, table_of
from bridge.settings.pairs import value_of
from bridge.settings.reading import all_declared
from bridge.settings.tree import Settings
from bridge.settings.values import read_value

DECLARED = [(place, declared) for place, declared in all_declared(Settings())]
KEYS = [(place, declared) for place, declared in DECLARED if table_of(declared) is None]

each_key = pytest.mark.parametrize(("place", "declared"), KEYS, ids=[f"{place}.{key.name}" for place, key in KEYS])


def hint_of(place: str, declared: Field[Any]) -> Any:
    return get_type_hints(type(value_of(Settings(), place)))[declared.name]


def test_every_table_is_explained_in_one_line() -> None:
    tables = [table for _, declared in DECLARED if (table := table_of(declared))]
    assert len(tables) >= 13
    assert all(table.meaning.endswith(".") and "\n" not in table.meaning for table in tables)


@each_key
def test_key_is_explained_in_whole_sentences(place: str, declared: Field[Any]) -> None:
    meaning = key_of(declared).meaning
    assert meaning.endswith(".")
    assert meaning[0].isupper()
    assert "\n" not in meaning


@each_key
def test_number_has_a_range_and_everything_else_has_none(place: str, declared: Field[Any]) -> None:
    key, is_number = key_of(declared), hint_of(place, declared) in (int, float)
    assert (key.least is not None and key.most is not None) == is_number


@each_key
def test_list_has_a_form_or_words_and_a_bound(place: str, declared: Field[Any]) -> None:
    hint = hint_of(place, declared)
    if isinstance(hint, GenericAlias):
        assert issubclass(get_args(hint)[0], StrEnum) or key_of(declared).form is not None
        assert key_of(declared).max_items is not None


@each_key
def test_default_is_a_value_that_the_key_takes(place: str, declared: Field[Any]) -> None:
    default = getattr(value_of(Settings(), place), declared.name)
    written = list(default) if isinstance(default, tuple) else default
    assert read_value(written, hint_of(place, declared), key_of(declared)) == default


@each_key
def test_unit_is_in_the_name_of_what_has_one(place: str, declared: Field[Any]) -> None:
    words = ("timeout", "interval", "retention", "window", "grace", "deadline", "ttl", "age", "backoff", "refill")
    if any(word in declared.name.split("_") for word in words):
        assert declared.name.endswith("_seconds")


@each_key
def test_no_key_holds_a_secret(place: str, declared: Field[Any]) -> None:
    words = {"secret", "password", "username", "token"} & set(declared.name.split("_"))
    assert not words or (declared.name.endswith(("_file", "_files")) and key_of(declared).is_file)


@each_key
def test_word_of_an_enum_is_written_in_lower_case(place: str, declared: Field[Any]) -> None:
    hint = hint_of(place, declared)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        assert all(word.value.islower() for word in hint)
