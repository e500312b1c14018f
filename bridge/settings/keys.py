"""What is known of each key besides its value: what it means, in which range it lies, which form it has."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import Field, dataclass, field
from typing import Any, TypeVar, cast

T = TypeVar("T")

Form = Callable[[Any], str | None]
"""Looks at a value, or at each value of a list: what to write instead, or None when it is well formed."""

Identity = Callable[[Any], Hashable]
"""What makes items of a list the same although they are written differently; no item may be there twice."""


@dataclass(frozen=True, slots=True)
class Key:
    """How a key is explained and checked."""

    meaning: str
    """What it does, for the operator: a sentence or two."""
    least: float | None = None
    most: float | None = None
    form: Form | None = None
    max_items: int | None = None
    identity: Identity | None = None
    is_file: bool = False
    """Names a file. Its value is never shown: it might be a secret that was pasted in the wrong place."""
    is_live: bool | None = None
    """Counts as soon as the file is read again; None: as its table says."""


@dataclass(frozen=True, slots=True)
class Table:
    """How a table is explained."""

    meaning: str
    is_live: bool | None = None
    """Its keys count as soon as the file is read again; None: as the table around it says, and else they do not."""


def number(default: T, meaning: str, *, least: float, most: float) -> T:
    """Declare a key that holds a number from `least` to `most`."""
    return _declare(default, Key(meaning, least=least, most=most))


def figure(meaning: str, *, least: float, most: float) -> Any:
    """Declare a number whose default depends on where its table stands."""
    return field(metadata={Key: Key(meaning, least=least, most=most)})


def text(default: str, meaning: str, *, form: Form | None = None) -> str:
    """Declare a key that holds text."""
    return _declare(default, Key(meaning, form=form))


def file_name(default: T, meaning: str, *, form: Form, max_items: int | None = None) -> T:
    """Declare a key that names a file, or several."""
    return _declare(default, Key(meaning, form=form, max_items=max_items, is_file=True))


def choice(default: T, meaning: str, *, is_live: bool | None = None) -> T:
    """Declare a key that holds true or false, or a word of an enum."""
    return _declare(default, Key(meaning, is_live=is_live))


def listing(
    default: tuple[T, ...], meaning: str, *, form: Form, max_items: int, identity: Identity | None = None
) -> tuple[T, ...]:
    """Declare a key that holds a list; `form` looks at each item, `identity` tells which are the same."""
    return _declare(default, Key(meaning, form=form, max_items=max_items, identity=identity))


def words(default: tuple[T, ...], meaning: str) -> tuple[T, ...]:
    """Declare a key that holds a list of words of an enum, each at most once."""
    return _declare(default, Key(meaning, max_items=20, identity=str))


def table(default: T, meaning: str, *, is_live: bool | None = None) -> T:
    """Declare a table of keys by its default."""
    return field(default=default, metadata={Table: Table(meaning, is_live)})


def key_of(declared: Field[Any]) -> Key:
    """Return what is known of a declared key."""
    return cast(Key, declared.metadata[Key])


def table_of(declared: Field[Any]) -> Table | None:
    """Return what is known of a declared table, or None when a key was declared."""
    return declared.metadata.get(Table)


def _declare(default: T, key: Key) -> T:
    return field(default=default, metadata={Key: key})
