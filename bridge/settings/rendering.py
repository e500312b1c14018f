"""From settings to a `relay.toml` that explains itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, fields
from enum import StrEnum
from textwrap import wrap
from types import GenericAlias
from typing import Any, get_args, get_type_hints

from bridge.settings.keys import Key, key_of, table_of
from bridge.settings.tree import Settings
from bridge.settings.values import write_value

LINE_LENGTH = 118
"""Longer comments are wrapped, longer lists written with one item on each line."""

HEAD = """\
# Settings of a Switchboard bridge and its relay (TOML).
#
# Every key is here, with what it does, its default, its unit and its range. A key that is left out has its default;
# a key that does not exist stops the start. Files are named relative to the folder of this file, or absolutely.
# Secrets are never written here: they lie in files of their own.
#
# What is marked (live) counts as soon as a running bridge reads this file again: `switchboard reload`, or SIGHUP. All
# else counts from the next start on. A file with a mistake in it is refused as a whole, and the old settings stay.
"""

_UNITS = {"_seconds": "seconds", "_bytes": "bytes", "_per_second": "per second"}


def render(settings: Settings) -> str:
    """Return the text of a settings file with every key explained; parsed again, it gives the same settings."""
    return "\n".join((HEAD, *_render_tables(settings, Settings(), "", is_live=False)))


def _render_tables(values: Any, defaults: Any, at: str, *, is_live: bool) -> Iterator[str]:
    for declared in fields(values):
        table = table_of(declared)
        if table is not None:
            name = f"{at}.{declared.name}".lstrip(".")
            inner = getattr(values, declared.name), getattr(defaults, declared.name)
            counts = is_live if table.is_live is None else table.is_live
            yield "\n".join(("", *_comment(f"{table.meaning} (live)" if counts else table.meaning), f"[{name}]\n"))
            yield from _render_keys(*inner, is_live=counts)
            yield from _render_tables(*inner, name, is_live=counts)


def _render_keys(values: Any, defaults: Any, *, is_live: bool) -> Iterator[str]:
    hints = get_type_hints(type(values))
    for declared in fields(values):
        if table_of(declared) is None:
            text = _explain(declared, hints[declared.name], getattr(defaults, declared.name))
            yield from _comment(f"{text}{_mark(key_of(declared), is_live)}")
            yield f"{_assign(declared.name, getattr(values, declared.name))}\n"


def _comment(text: str) -> list[str]:
    return wrap(
        text,
        width=LINE_LENGTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _explain(declared: Field[Any], hint: Any, default: object) -> str:
    key = key_of(declared)
    unit = next((f" {unit}" for ending, unit in _UNITS.items() if declared.name.endswith(ending)), "")
    return f"{key.meaning} (default {write_value(default)}{unit}{_range(key, hint)})"


def _mark(key: Key, is_live: bool) -> str:
    """Return the words about a key that differs from its table in when it counts."""
    if key.is_live is None or key.is_live is is_live:
        return ""
    return " (live)" if key.is_live else " (not live)"


def _range(key: Key, hint: Any) -> str:
    if isinstance(hint, GenericAlias) and issubclass(get_args(hint)[0], StrEnum):
        hint = get_args(hint)[0]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return f"; {' | '.join(write_value(word.value) for word in hint)}"
    if key.least is None or key.most is None:
        return ""
    return f"; {write_value(key.least)} to {write_value(key.most)}"


def _assign(name: str, value: object) -> str:
    line = f"{name} = {write_value(value)}"
    if not isinstance(value, tuple) or len(value) < 2 or len(line) <= LINE_LENGTH:
        return line
    return "\n".join((f"{name} = [", *(f"  {write_value(item)}," for item in value), "]"))
