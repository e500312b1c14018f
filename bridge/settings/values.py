"""One value of a settings file: from what TOML gave to what the key asks for, and back to TOML."""

from __future__ import annotations

import json
from collections.abc import Hashable
from enum import StrEnum
from types import GenericAlias
from typing import Any, get_args

from bridge.settings.keys import Key
from bridge.settings.problems import did_you_mean

MAX_SHOWN_LENGTH = 60
"""Longer values are cut in messages."""

HIDDEN = "(not shown)"


class BadValue(ValueError):
    """A value does not fit its key; the text says what to write instead."""


class BadItems(ValueError):
    """Items of a list do not fit their key: (position from 1, item, what to write instead)."""

    def __init__(self, items: list[tuple[int, object, str]]) -> None:
        super().__init__(items)
        self.items = items


def read_value(value: object, hint: Any, key: Key) -> Any:
    """Return a value as the key holds it, or raise `BadValue` or `BadItems`."""
    if isinstance(hint, GenericAlias):
        return _read_list(value, get_args(hint)[0], key)
    if issubclass(hint, StrEnum):
        return _read_word(value, hint)
    if not _is_a(value, hint):
        quotes = ", without quotes" if isinstance(value, str) else ""
        raise BadValue(f"use {_expected(hint, key)}{quotes}")
    if not _is_in_range(value, key):
        raise BadValue(f"use {_expected(hint, key)}")
    if key.form is not None and (wrong := key.form(value)):
        raise BadValue(wrong)
    return value


def write_value(value: object) -> str:
    """Return a value as TOML writes it, on one line; what no key holds is only hinted at."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _write_text(value)
        case list() | tuple():
            return f"[{', '.join('[…]' if isinstance(item, list) else write_value(item) for item in value)}]"
        case dict():
            return "{…}"
        case int() if value.bit_length() > 64:
            return "a huge number"
        case _:
            return str(value)


def write_key(name: str) -> str:
    """Return a key as TOML writes it: bare where possible."""
    is_bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if is_bare else _write_text(name)


def show_value(value: object, key: Key) -> str:
    """Return a value as a message may show it: short, and never what might be a secret."""
    shown = write_value(value)
    if key.is_file or "nsec1" in shown or "ncryptsec1" in shown:
        return HIDDEN
    return shown if len(shown) <= MAX_SHOWN_LENGTH else shown[: MAX_SHOWN_LENGTH - 1] + "…"


def _read_list(value: object, hint: type, key: Key) -> tuple[Any, ...]:
    if not isinstance(value, list):
        example = '["…", "…"]' if issubclass(hint, str) else "[1, 2]"
        raise BadValue(f"use a list, such as {example}")
    if key.max_items is not None and len(value) > key.max_items:
        raise BadValue(f"use at most {key.max_items} items")
    bad_items: list[tuple[int, object, str]] = []
    items: list[Any] = []
    for position, item in enumerate(value, start=1):
        try:
            items.append(read_value(item, hint, key))
        except BadValue as bad:
            bad_items.append((position, item, str(bad)))
    if not bad_items and key.identity is not None:
        first: dict[Hashable, int] = {}
        for position, item in enumerate(value, start=1):
            if (before := first.setdefault(key.identity(item), position)) != position:
                bad_items.append((position, item, f"the same as item {before}; take it out"))
    if bad_items:
        raise BadItems(bad_items)
    return tuple(items)


def _read_word(value: object, words: type[StrEnum]) -> StrEnum:
    if isinstance(value, str) and value in set(words):
        return words(value)
    choices = " or ".join(write_value(word.value) for word in words)
    raise BadValue(f"use {choices}{did_you_mean(value, words)}")


def _is_a(value: object, hint: type) -> bool:
    # To Python a bool is an int; to an operator it is not.
    if isinstance(value, bool) or hint is bool:
        return hint is bool and isinstance(value, bool)
    return isinstance(value, (int, float) if hint is float else hint)


def _is_in_range(value: object, key: Key) -> bool:
    if key.least is None or key.most is None:
        return True
    return isinstance(value, int | float) and key.least <= value <= key.most


def _expected(hint: type, key: Key) -> str:
    if key.least is not None and key.most is not None:
        number = "a whole number" if hint is int else "a number"
        return f"{number} from {write_value(key.least)} to {write_value(key.most)}"
    if hint is int:
        return "whole numbers"
    return "true or false" if hint is bool else "text in quotes"


def _write_text(text: str) -> str:
    # JSON escapes what a basic string of TOML must; the rest is for terminals that obey invisible characters.
    return "".join(
        letter
        if letter.isprintable()
        else f"\\u{ord(letter):04x}"
        if ord(letter) < 0x10000
        else f"\\U{ord(letter):08x}"
        for letter in json.dumps(text, ensure_ascii=False)
    )
