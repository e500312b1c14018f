"""JSON as Nostr needs it: one meaning for each text, bounded before it is read.

Python's parser takes NaN, doubled keys, lone surrogates, integers of any length and any nesting that the stack holds.
Each of those makes two readers see two different events, or costs more than it should; all are refused here.

Nearly all that peers send, and all that we write, is in the one form that `orjson` writes; that form has one meaning
by itself, so the fast library reads it. Whatever differs from it by a byte is left to Python's parser and its hooks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from nips.errors import InvalidJson

MAX_DEPTH = 32
"""Nesting allowed by default. An event inside a client message is 4 deep."""

MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 8785 §3.2.2.3)."""

Exact: TypeAlias = "bool | int | str | Sequence[Exact] | Mapping[str, Exact] | None"
"""What JSON keeps exact: all but numbers with a fraction."""

# An unterminated string runs to the end of the text, so that no quote is scanned from twice (linear time).
_STRINGS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = re.compile(r"[^\[\]{}]+")


def parse(text: str, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """Read one JSON value; raise `InvalidJson` for anything ambiguous or larger than `max_bytes` of UTF-8."""
    if len(text) > max_bytes:
        raise InvalidJson(f"text is larger than {max_bytes} bytes")
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise InvalidJson("text is not valid Unicode") from None
    if len(encoded) > max_bytes:
        raise InvalidJson(f"text is larger than {max_bytes} bytes")
    _check_depth(text, max_depth)
    try:
        value = orjson.loads(encoded)
        # Equal bytes leave no room for a doubled key, an escape, a rounded number: writing would have changed them.
        if orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER) == encoded:
            return value
    except (ValueError, TypeError):
        pass  # not JSON, or JSON that is refused: the careful reader says which
    return _read(text)


def dump(value: Any) -> str:
    """Write a value without white space, characters beyond ASCII as they are (the form of NIP-01)."""
    return _ENCODER.encode(value)


def dump_exact(value: Exact) -> bytes:
    """Write the same text faster, in UTF-8; raise `InvalidJson` for a lone surrogate.

    Not for numbers with a fraction: the library would write `null` for one that JSON has not.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        raise InvalidJson("lone surrogate in a string, or integer out of range") from None


def _read(text: str) -> Any:
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


def _check_depth(text: str, max_depth: int) -> None:
    if _openings(text, most=max_depth) <= max_depth:
        return
    depth = 0
    # Brackets inside strings do not nest; what is left after taking strings and plain text away are brackets only.
    for bracket in _NOT_BRACKETS.sub("", _STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > max_depth:
            raise InvalidJson(f"nested deeper than {max_depth}")


def _openings(text: str, *, most: int) -> int:
    """Return how many brackets open, strings included; at `most` + 1 it stops counting."""
    count = 0
    for bracket in "[{":
        at = text.find(bracket)
        while at >= 0 and count <= most:
            count += 1
            at = text.find(bracket, at + 1)
    return count


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
