"""A page that is drawn again: only what changed is written."""

from __future__ import annotations

import io

from rich.console import Console

from bridge.cli.screen import Screen


def a_terminal(*, height: int = 10) -> tuple[Console, io.StringIO]:
    paper = io.StringIO()
    return Console(file=paper, force_terminal=True, width=40, height=height, _environ={"TERM": "xterm"}), paper


def written(paper: io.StringIO) -> str:
    text = paper.getvalue()
    paper.seek(0)
    paper.truncate()
    return text


def test_lines_that_stay_are_not_written_again() -> None:
    console, paper = a_terminal()
    with Screen(console) as screen:
        screen.draw("one\ntwo\nthree")
        assert written(paper) == "\x1b[?25lone\x1b[K\ntwo\x1b[K\nthree\x1b[K\n"
        screen.draw("one\n2\nthree")
        assert written(paper) == "\x1b[3A\n2\x1b[K\n\n"
        screen.draw("one\n2\nthree")
        assert written(paper) == "\x1b[3A\n\n\n"
    assert written(paper) == "\x1b[?25h"


def test_page_that_grows_or_shrinks_leaves_nothing_behind() -> None:
    console, paper = a_terminal()
    with Screen(console) as screen:
        screen.draw("one")
        screen.draw("one\ntwo")
        assert written(paper).endswith("\x1b[1A\ntwo\x1b[K\n")
        screen.draw("one")
        assert written(paper) == "\x1b[2A\n\x1b[J"


def test_page_does_not_scroll_a_terminal_that_is_too_low() -> None:
    console, paper = a_terminal(height=3)
    with Screen(console) as screen:
        screen.draw("1\n2\n3\n4")
        assert written(paper).count("\n") == 2


def test_terminal_of_another_size_is_drawn_from_the_top() -> None:
    console, paper = a_terminal()
    with Screen(console) as screen:
        screen.draw("one\ntwo")
        written(paper)
        console.width = 20
        screen.draw("one\ntwo")
        assert written(paper) == "\x1b[2J\x1b[Hone\ntwo\n"


def test_cursor_is_back_after_a_fault() -> None:
    console, paper = a_terminal()
    try:
        with Screen(console):
            raise KeyError
    except KeyError:
        pass
    assert written(paper).endswith("\x1b[?25h")
