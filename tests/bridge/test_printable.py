"""Words of others on a terminal: shown, never obeyed."""

from __future__ import annotations

import pytest

from bridge.printable import printable, printable_values

OBEYED = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ud800",
]


@pytest.mark.parametrize("character", OBEYED, ids=lambda character: f"{ord(character):04x}")
def test_what_a_terminal_obeys_is_replaced(character: str) -> None:
    assert printable(f"a{character}b") == "a\ufffdb"


@pytest.mark.parametrize("text", ["", "Phone of Zoë", "הטלפון שלי", "👩‍👩‍👧 [b]x[/b]", "é\u0301"])
def test_what_is_only_shown_stays(text: str) -> None:
    assert printable(text) == text


def test_texts_are_found_however_deep_and_numbers_stay() -> None:
    assert printable_values({"a\n": [{"b": "c\x1b"}, 1, None, True]}) == {"a\ufffd": [{"b": "c\ufffd"}, 1, None, True]}
