"""Filters of NIP-01: read strictly, matched exactly."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from string import ascii_letters
from typing import Any

import pytest
from hypothesis import given, settings

from nips.errors import InvalidFilter, UnsupportedFilter
from nips.event import Event
from nips.filter import Candidate, Filter, parse_filter
from nips.keys import PublicKey
from nips.strict_json import MAX_INTEGER, dump, parse
from tests.support.strategies import few_events, few_filters

A, B = "aa" * 32, "bb" * 32

EVENT = Event(
    id=A,
    pubkey=PublicKey(B),
    created_at=100,
    kind=1059,
    tags=(("p", A), ("p", B, "wss://a"), ("t", "news", "more"), ("t",), ("-",), ("pp", "x")),
    content="",
    sig="00" * 64,
)


def _read(value: Any, max_values: int = 10, max_tag_conditions: int = 4) -> Filter:
    return parse_filter(value, max_values=max_values, max_tag_conditions=max_tag_conditions)


@pytest.mark.parametrize(
    ("value", "matches"),
    [
        ({}, True),
        ({"ids": [A]}, True),
        ({"ids": [B, A]}, True),
        ({"ids": [B]}, False),
        ({"ids": []}, False),
        ({"authors": [B]}, True),
        ({"authors": [A]}, False),
        ({"authors": []}, False),
        ({"kinds": [1059]}, True),
        ({"kinds": [1, 21059]}, False),
        ({"kinds": []}, False),
        ({"since": 100}, True),
        ({"since": 101}, False),
        ({"until": 100}, True),
        ({"until": 99}, False),
        ({"since": 100, "until": 100}, True),
        ({"since": 101, "until": 99}, False),
        ({"limit": 0}, True),
        ({"#p": [A]}, True),
        ({"#p": [B]}, True),
        ({"#p": ["cc" * 32]}, False),
        ({"#p": []}, False),
        ({"#P": [A]}, False),
        ({"#t": ["news"]}, True),
        ({"#t": ["more"]}, False),
        ({"#t": [""]}, False),
        ({"#t": ["New", "news"]}, True),
        ({"#x": ["x"]}, False),
        ({"#t": ["news"], "#p": [A]}, True),
        ({"#t": ["old"], "#p": [A]}, False),
        ({"kinds": [1059], "ids": [B]}, False),
    ],
)
def test_event_meets_every_condition_or_does_not_match(value: dict[str, Any], matches: bool) -> None:
    assert _read(value).matches(EVENT) is matches


def test_only_first_values_of_tags_count() -> None:
    event = dataclasses.replace(EVENT, tags=(("t", "a", "b"), ("t", "c")))
    assert [_read({"#t": [value]}).matches(event) for value in "abc"] == [True, False, True]


SETS = ["ids", "authors", "kinds", "#e", "#p", "#t"]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("value", [None, 1, A, {}, {"a": 1}, True], ids=repr)
def test_list_of_values_is_an_array(name: str, value: object) -> None:
    with pytest.raises(InvalidFilter, match=f"{name}: not an array"):
        _read({name: value})


@pytest.mark.parametrize("name", ["ids", "authors", "#e", "#p"])
@pytest.mark.parametrize(
    "value", [None, 1, "", "aa", "A" * 64, A + "\n", A[:-1], A + "a", "g" * 64, [A], "\u0661" * 64]
)
def test_ids_and_keys_are_64_lower_case_hex_digits(name: str, value: object) -> None:
    with pytest.raises(InvalidFilter, match=f"{name}: not"):
        _read({name: [A, value]})


@pytest.mark.parametrize("value", [None, 1, ["a"], {}], ids=repr)
def test_values_of_tags_are_strings(value: object) -> None:
    with pytest.raises(InvalidFilter, match="#t: not strings"):
        _read({"#t": [value]})


def test_largest_and_smallest_numbers_are_read() -> None:
    assert _read({"kinds": [0, 65535]}).kinds == frozenset({0, 65535})
    assert _read({"since": 0, "until": MAX_INTEGER}) == Filter(since=0, until=MAX_INTEGER)


@pytest.mark.parametrize("value", [None, True, 1.0, "1", -1, 65536, [1]], ids=repr)
def test_kinds_are_16_bit_integers(value: object) -> None:
    with pytest.raises(InvalidFilter, match="kinds: not integers"):
        _read({"kinds": [0, 65535, value]})


@pytest.mark.parametrize("name", ["since", "until", "limit"])
@pytest.mark.parametrize("value", [None, True, 1.0, "1", -1, MAX_INTEGER + 1, [1], {}], ids=repr)
def test_numbers_are_whole_and_not_below_zero(name: str, value: object) -> None:
    with pytest.raises(InvalidFilter, match=f"{name}: not an integer"):
        _read({name: value})


@pytest.mark.parametrize(
    "name", ["", "id", "search", "#", "#pp", "#1", "#-", "#é", "p", "Ids", "#p\n", "#\u0430", "&t"]
)
def test_unknown_condition_is_refused_and_not_ignored(name: str) -> None:
    with pytest.raises(UnsupportedFilter, match="unknown key"):
        _read({name: [A]})


@pytest.mark.parametrize("value", [None, [], "{}", 1, True], ids=repr)
def test_filter_is_an_object(value: object) -> None:
    with pytest.raises(InvalidFilter, match="object"):
        _read(value)


@pytest.mark.parametrize("name", SETS)
def test_number_of_values_is_bounded(name: str) -> None:
    values: list[object] = [1, 2, 3] if name == "kinds" else [A, B, "cc" * 32]
    _read({name: values}, max_values=3)
    with pytest.raises(InvalidFilter, match=f"{name}: more than 2 values"):
        _read({name: values}, max_values=2)


def test_repeated_values_count_before_they_are_merged() -> None:
    with pytest.raises(InvalidFilter, match="more than 2"):
        _read({"ids": [A, A, A]}, max_values=2)


def test_number_of_tag_conditions_is_bounded() -> None:
    assert len(_read({"#t": ["a"], "#T": [], "kinds": [1], "ids": [A]}, max_tag_conditions=2).tags) == 2
    with pytest.raises(InvalidFilter, match="more than 2 tag conditions"):
        _read({"#t": ["a"], "#T": [], "#p": [A]}, max_tag_conditions=2)


@pytest.mark.parametrize(
    ("value", "weight"),
    [
        ({}, 0),
        ({"since": 1, "until": 2, "limit": 3}, 0),
        ({"kinds": [1, 2]}, 2),
        ({"ids": [A, B], "authors": [A], "#p": [B]}, 4),
        ({"#t": ["", "a", "a" * 64]}, 3),
        ({"#t": ["a" * 65], "#x": ["a" * 129]}, 5),
    ],
)
def test_weight_counts_values_and_long_ones_more_than_once(value: dict[str, Any], weight: int) -> None:
    assert _read(value).weight == weight


class _Counting(tuple[tuple[str, ...], ...]):
    """Tags that count how often they are gone through."""

    passes = 0

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        self.passes += 1
        return super().__iter__()


def test_tags_are_gone_through_once_however_many_filters_look() -> None:
    tags = _Counting((letter, "a") for letter in ascii_letters)
    candidate = Candidate(dataclasses.replace(EVENT, tags=tags))
    wanted = [_read({f"#{letter}": ["a"], "#t": ["a", "b"], "#x": ["b"]}) for letter in "abcdfghij"]
    assert not any(one.matches(candidate) for one in wanted)
    assert tags.passes == 1


def test_tags_are_not_looked_at_for_filters_without_them() -> None:
    tags = _Counting(EVENT.tags)
    event = dataclasses.replace(EVENT, tags=tags)
    assert _read({"kinds": [1059], "since": 1}).matches(event)
    assert not _read({"kinds": [1], "#t": ["news"]}).matches(event)
    assert tags.passes == 0


def test_filter_is_written_in_a_fixed_order() -> None:
    value = {"limit": 5, "#p": [B, A], "kinds": [7, 1], "until": 9, "ids": [B, A], "since": 2, "authors": [A], "#t": []}
    assert dump(_read(value).to_dict()) == dump(
        {"ids": [A, B], "authors": [A], "kinds": [1, 7], "#p": [A, B], "#t": [], "since": 2, "until": 9, "limit": 5}
    )


def test_what_is_absent_is_not_written() -> None:
    assert Filter().to_dict() == {}
    assert Filter(since=0, limit=0).to_dict() == {"since": 0, "limit": 0}


@given(few_filters)
@settings(max_examples=100)
def test_written_filter_reads_back_the_same(wanted: Filter) -> None:
    assert _read(parse(dump(wanted.to_dict()), max_bytes=10_000)) == wanted


def _naively(value: dict[str, Any], event: dict[str, Any]) -> bool:
    """Match JSON against JSON, one condition after the other, as NIP-01 tells it."""
    for key, wanted in value.items():
        if key.startswith("#"):
            if not any(tag[0] == key[1:] and len(tag) > 1 and tag[1] in wanted for tag in event["tags"]):
                return False
        elif key in ("since", "until"):
            early, late = (wanted, event["created_at"]) if key == "since" else (event["created_at"], wanted)
            if early > late:
                return False
        elif key != "limit" and event[{"ids": "id", "authors": "pubkey", "kinds": "kind"}[key]] not in wanted:
            return False
    return True


@given(few_filters, few_events)
@settings(max_examples=400)
def test_matching_agrees_with_a_naive_reading(wanted: Filter, event: Event) -> None:
    assert wanted.matches(event) == wanted.matches(Candidate(event)) == _naively(wanted.to_dict(), event.to_dict())
