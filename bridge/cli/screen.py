"""A page that is drawn again in its place: only lines that changed are written, so that nothing flickers.

Over a slow terminal that makes a redraw some dozen bytes instead of the whole page.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType

_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_TO_END_OF_LINE, _TO_END_OF_SCREEN, _CLEAR = "\x1b[K", "\x1b[J", "\x1b[2J\x1b[H"


class Screen:
    """A terminal with a page on it, from entering to leaving; the last page stays."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: list[str] = []
        self._size = console.size

    def __enter__(self) -> Self:
        self._console.file.write(_HIDE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._console.file.write(_SHOW)
        self._console.file.flush()

    def draw(self, page: RenderableType) -> None:
        """Show a page in place of the one before; what does not fit below is left out."""
        # Asked first: whoever resizes meanwhile gets the next page right.
        size = self._console.size
        with self._console.capture() as capture:
            self._console.print(page, highlight=False)
        lines = capture.get().splitlines()[: size.height - 1]
        # The write is one, so that no terminal shows half of it.
        self._console.file.write(self._changes(lines, is_resized=size != self._size))
        self._console.file.flush()
        self._shown, self._size = lines, size

    def _changes(self, lines: list[str], *, is_resized: bool) -> str:
        if is_resized:
            # The terminal has broken the lines anew, and nobody knows where they are.
            return _CLEAR + "".join(f"{line}\n" for line in lines)
        before = self._shown
        parts = [f"\x1b[{len(before)}A"] if before else []
        for number, line in enumerate(lines):
            is_new = number >= len(before) or line != before[number]
            parts.append(f"{line}{_TO_END_OF_LINE}\n" if is_new else "\n")
        if len(lines) < len(before):
            parts.append(_TO_END_OF_SCREEN)
        return "".join(parts)
