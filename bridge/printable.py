"""What may stand on a terminal of words that others chose: names of devices, notes, what relays say.

A terminal obeys control characters, and separators of lines and columns would let one value pass for several.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, Final

_BIDIRECTIONAL: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of Unicode: controls with tab and newline, half surrogate pairs, separators of lines and paragraphs."""


def printable(text: str) -> str:
    """Return a text as one line that a terminal only shows: what it would obey is replaced."""
    return "".join("\ufffd" if _is_obeyed(character) else character for character in text)


def printable_values(value: Any) -> Any:
    """Return a value as JSON has it, with all its texts made printable."""
    match value:
        case str():
            return printable(value)
        case Mapping():
            return {printable(name): printable_values(inner) for name, inner in value.items()}
        case list() | tuple():
            return [printable_values(inner) for inner in value]
    return value


def _is_obeyed(character: str) -> bool:
    return character in _BIDIRECTIONAL or unicodedata.category(character) in _UNPRINTABLE
