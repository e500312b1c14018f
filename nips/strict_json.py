"""JSON as Nostr needs it: one meaning for each text, bounded before it is read.

Python's parser takes NaN, doubled keys, lone surrogates, integers of any length and any nesting that the stack holds.
Each of those makes two readers see two different events, or costs more than it should; all are refused here.
"""

from __future__ import annotations

import json
import re
from typing import Any

from nips.errors import InvalidJson

MAX_DEPTH = 32
"""Nesting allowed by default. An event inside a client message is 4 deep."""

MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 8785 §3.2.2.3)."""

# An unterminated string runs to the end of the text, so that no quote is scanned from twice (linear time).
_STRINGS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = re.compile(r"[^\[\]{}]+")


def parse(text: str, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """Read one JSON value; raise `InvalidJson` for anything ambiguous or larger than `max_bytes` of UTF-8."""
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise InvalidJson("text is not valid Unicode") from None
    if size > max_bytes:
        raise InvalidJson(f"text is larger than {max_bytes} bytes")
    _check_depth(text, max_depth)
    try:
        value = _DECODER.decode(text)
        if "\\u" in text:
            dump(value).encode()
    except InvalidJson:
        raise
    except UnicodeEncodeError:
        raise InvalidJson("lone surrogate in a string") from None
    except (ValueError, RecursionError):
        raise InvalidJson("not valid JSON") from None
    return value


def dump(value: Any) -> str:
    """Write a value without white space, characters beyond ASCII as they are (the form of NIP-01)."""
    return _ENCODER.encode(value)


def _check_depth(text: str, max_depth: int) -> None:
    if text.count("[") + text.count("{") <= max_depth:
        return
    depth = 0
    # Brackets inside strings do not nest; what is left after taking strings and plain text away are brackets only.
    for bracket in _NOT_BRACKETS.sub("", _STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > max_depth:
            raise InvalidJson(f"nested deeper than {max_depth}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise InvalidJson("a key appears twice in one object")
    return value


def _integer(digits: str) -> int:
    # Checked before int(): a 4 300-digit integer raises, a 4 000-digit one is slow.
    if len(digits) > 17 or not -MAX_INTEGER <= (number := int(digits)) <= MAX_INTEGER:
        raise InvalidJson("integer out of range")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise InvalidJson("number out of range")
    return number


def _constant(word: str) -> Any:
    raise InvalidJson(f"{word} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False)
