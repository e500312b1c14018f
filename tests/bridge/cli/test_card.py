"""The name tag of a bridge."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from bridge.cli.card import facts_of, show_card
from nips.nip19 import decode_nprofile, decode_npub
from tests.support.wraps import BRIDGE

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
MODULES = re.compile("[█▀▄].*[█▀▄]")
FACTS = facts_of(BRIDGE.public_key, ["wss://one.example", "wss://two.example"])


def drawn(*, terminal: bool, width: int, code: str | None) -> str:
    out = io.StringIO()
    show_card(Console(file=out, force_terminal=terminal, width=width), "Title", FACTS, code=code)
    return out.getvalue()


def test_facts_name_the_key_and_every_relay() -> None:
    facts = dict(FACTS)
    assert decode_npub(facts["npub"]) == BRIDGE.public_key
    assert decode_nprofile(facts["nprofile"]).relays == ("wss://one.example", "wss://two.example")


def test_pipe_gets_one_plain_line_a_fact() -> None:
    lines = drawn(terminal=False, width=40, code="nostr:x").splitlines()
    assert lines == [f"{name}: {value}" for name, value in FACTS]


@pytest.mark.parametrize("width", [80, 99, 100, 140])
def test_terminal_gets_a_frame_and_a_whole_code_that_fit_its_width(width: int) -> None:
    lines = [
        COLOUR.sub("", line)
        for line in drawn(terminal=True, width=width, code=f"nostr:{dict(FACTS)['nprofile']}").splitlines()
    ]
    assert "Title" in lines[0]
    assert [cell_len(line) for line in lines] == [width] * len(lines)
    assert set(lines[-1]) <= set("╰─╯")
    # A line of text holds two rows of a code, which is a square: cut off nowhere.
    spans = [found.span() for line in lines if (found := MODULES.search(line))]
    columns = max(end for _, end in spans) - min(start for start, _ in spans)
    assert columns in (2 * len(spans), 2 * len(spans) - 1)


def test_no_code_is_drawn_unless_asked() -> None:
    assert "█" not in drawn(terminal=True, width=140, code=None)


def test_words_in_brackets_are_shown_as_they_are() -> None:
    out = io.StringIO()
    show_card(Console(file=out, force_terminal=True, width=100), "Title", [("turn", "see [turn]")])
    assert "[turn]" in out.getvalue()
