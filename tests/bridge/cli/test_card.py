"""The name tag of a bridge."""

from __future__ import annotations

import io

from rich.console import Console

from bridge.cli.card import facts_of, show_card
from nips.nip19 import decode_nprofile, decode_npub
from tests.support.wraps import BRIDGE

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


def test_terminal_gets_a_frame_and_a_code_that_fits_its_width() -> None:
    for width in (80, 140):
        lines = drawn(terminal=True, width=width, code=f"nostr:{dict(FACTS)['nprofile']}").splitlines()
        assert any("█" in line for line in lines)
        assert any("Title" in line for line in lines)


def test_no_code_is_drawn_unless_asked() -> None:
    assert "█" not in drawn(terminal=True, width=140, code=None)


def test_words_in_brackets_are_shown_as_they_are() -> None:
    out = io.StringIO()
    show_card(Console(file=out, force_terminal=True, width=100), "Title", [("turn", "see [turn]")])
    assert "[turn]" in out.getvalue()
