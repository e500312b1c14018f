"""Filters of NIP-01: what a subscription asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from nips.errors import InvalidFilter, UnsupportedFilter
from nips.event import Event
from nips.kinds import MAX_KIND
from nips.strict_json import MAX_INTEGER

_HEX_64 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TAG_KEY = re.compile(r"#[a-zA-Z]", re.ASCII)
_NUMBERS = ("since", "until", "limit")

# What an id or a public key takes, so that of these each counts once.
_CHARACTERS_OF_ONE_VALUE = 64


class Candidate:
    """An event that many filters look at: its tags are gone through once, when the first of them asks for one."""

    __slots__ = ("_values", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self._values: dict[str, set[str]] | None = None

    def values(self, letter: str) -> Set[str]:
        """Return the first values of the tags of a single-letter name."""
        if self._values is None:
            self._values = {}
            for tag in self.event.tags:
                if len(tag) > 1 and len(tag[0]) == 1:
                    self._values.setdefault(tag[0], set()).add(tag[1])
        return self._values.get(letter, frozenset())


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that an event meets all of; None means no condition, an empty set means that nothing can meet it."""

    ids: frozenset[str] | None = None
    authors: frozenset[str] | None = None
    kinds: frozenset[int] | None = None
    tags: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Allowed values by tag letter, without the `#`."""
    since: int | None = None
    until: int | None = None
    limit: int | None = None
    """Of the initial query only (NIP-01)."""

    @property
    def weight(self) -> int:
        """How many values it holds, for a bound on memory; one of more than 64 characters counts for each 64 begun."""
        texts = [self.ids or (), self.authors or (), *self.tags.values()]
        return len(self.kinds or ()) + sum(_weight(text) for group in texts for text in group)

    def matches(self, event: Event | Candidate) -> bool:
        """Tell whether an event meets every condition; `limit` is none.

        Whoever asks many filters about one event makes a `Candidate` of it first.
        """
        candidate = event if isinstance(event, Candidate) else Candidate(event)
        event = candidate.event
        if self.ids is not None and event.id not in self.ids:
            return False
        if self.authors is not None and event.pubkey not in self.authors:
            return False
        if self.kinds is not None and event.kind not in self.kinds:
            return False
        if self.since is not None and event.created_at < self.since:
            return False
        if self.until is not None and event.created_at > self.until:
            return False
        return all(not wanted.isdisjoint(candidate.values(letter)) for letter, wanted in self.tags.items())

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of NIP-01, values in a fixed order."""
        named = {"ids": self.ids, "authors": self.authors, "kinds": self.kinds}
        value: dict[str, Any] = {name: sorted(wanted) for name, wanted in named.items() if wanted is not None}
        value |= {f"#{letter}": sorted(wanted) for letter, wanted in self.tags.items()}
        value |= {name: number for name in _NUMBERS if (number := getattr(self, name)) is not None}
        return value


def parse_filter(value: object, *, max_values: int, max_tag_conditions: int) -> Filter:
    """Return the filter in a JSON value; raise `InvalidFilter` naming the key that is wrong.

    A key that we do not know is an `UnsupportedFilter`: to ignore a condition would answer with events that nobody
    asked for.
    """
    if not isinstance(value, dict):
        raise InvalidFilter("a filter is an object")
    ids = authors = kinds = None
    tags: dict[str, frozenset[str]] = {}
    numbers: dict[str, int] = {}
    for key, wanted in value.items():
        if key == "ids":
            ids = _hex_set(key, wanted, max_values)
        elif key == "authors":
            authors = _hex_set(key, wanted, max_values)
        elif key == "kinds":
            kinds = _kind_set(wanted, max_values)
        elif key in _NUMBERS:
            numbers[key] = _number(key, wanted)
        elif _TAG_KEY.fullmatch(key):
            # `#e` and `#p` hold ids and keys, so a value of another form could never match (NIP-01).
            if len(tags) == max_tag_conditions:
                raise InvalidFilter(f"more than {max_tag_conditions} tag conditions in a filter")
            tags[key[1]] = (_hex_set if key in ("#e", "#p") else _text_set)(key, wanted, max_values)
        else:
            raise UnsupportedFilter("unknown key in a filter")
    return Filter(ids, authors, kinds, tags, numbers.get("since"), numbers.get("until"), numbers.get("limit"))


def _weight(text: str) -> int:
    return max(1, -(-len(text) // _CHARACTERS_OF_ONE_VALUE))


def _list(key: str, value: object, max_values: int) -> list[object]:
    if not isinstance(value, list):
        raise InvalidFilter(f"{key}: not an array")
    if len(value) > max_values:
        raise InvalidFilter(f"{key}: more than {max_values} values")
    return value


def _text_set(key: str, value: object, max_values: int) -> frozenset[str]:
    values = _list(key, value, max_values)
    if not all(isinstance(item, str) for item in values):
        raise InvalidFilter(f"{key}: not strings")
    return frozenset(str(item) for item in values)


def _hex_set(key: str, value: object, max_values: int) -> frozenset[str]:
    values = _text_set(key, value, max_values)
    if not all(_HEX_64.fullmatch(item) for item in values):
        raise InvalidFilter(f"{key}: not 64 lower-case hex digits")
    return values


def _kind_set(value: object, max_values: int) -> frozenset[int]:
    kinds = set()
    for item in _list("kinds", value, max_values):
        if type(item) is not int or not 0 <= item <= MAX_KIND:
            raise InvalidFilter(f"kinds: not integers from 0 to {MAX_KIND}")
        kinds.add(item)
    return frozenset(kinds)


def _number(key: str, value: object) -> int:
    if type(value) is not int or not 0 <= value <= MAX_INTEGER:
        raise InvalidFilter(f"{key}: not an integer from 0 to {MAX_INTEGER}")
    return value
