"""No parser costs more than in proportion: sixteen times the hostile text is sixteen times the work, not 256 times."""

from __future__ import annotations

import re

import pytest

from tests.fuzz.growth import BAITS, Bait, Read, is_proportionate
from tests.fuzz.parsers import PARSERS


@pytest.mark.parametrize("name", BAITS)
def test_reading_costs_in_proportion_to_size(name: str) -> None:
    assert is_proportionate(BAITS[name])


def _by_slices(text: str) -> None:
    while text:
        text = text[1:]


def _by_search(text: str) -> bool:
    return re.search(r"\d*x", text) is not None


def _by_tuples(text: str) -> tuple[str, ...]:
    found: tuple[str, ...] = ()
    for letter in text:
        found += (letter,)
    return found


@pytest.mark.parametrize(("read", "base"), [(_by_slices, 8000), (_by_search, 400), (_by_tuples, 1500)])
def test_quadratic_reader_is_noticed(read: Read, base: int) -> None:
    assert not is_proportionate(Bait(read, lambda size: "1" * size, base=base))


def test_linear_reader_is_not_suspected() -> None:
    assert is_proportionate(Bait(sorted, lambda size: "1" * size))


def test_every_parser_has_a_bait() -> None:
    baited = {name.partition(":")[0] for name in BAITS}
    other_words = {"client-message": "client", "relay-message": "relay", "urls": "url", "seal": "wrap", "rumor": "wrap"}
    other_words |= {"padded-payload": "payload", "inspection": "wrap"}
    assert {other_words.get(name, name) for name in PARSERS} <= baited
