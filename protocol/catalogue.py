"""The catalogue of the contract as frozen values: methods, refusals, events and limiters.

The JSON files beside this module are the contract (docs/protocol.md explains it); this module only reads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a client is told when a request is refused: a code, its status and its fixed text."""

    code: str
    status: int
    message: str
    retry: bool
    """Whether the same request may succeed later, unchanged."""


@dataclass(frozen=True, slots=True)
class EventType:
    """Something the bridge reports to its operator."""

    name: str
    payload: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limiter:
    """A limiter's figures as published; the operator's settings may differ."""

    name: str
    burst: int
    refill_seconds: float
    """Time after which one permit is back."""


@dataclass(frozen=True, slots=True)
class MethodCodes:
    """The codes that a method answers where several methods refuse alike."""

    unauthorized: str
    rate_limited: str
    invalid: str


@dataclass(frozen=True, slots=True)
class Method:
    """What clients may ask for, and on what terms."""

    name: str
    anonymous: bool
    """Whether a throw-away key may call it."""
    stranger: bool
    """Whether a caller that proves nothing may call it."""
    limiter: str
    codes: MethodCodes
    own_codes: tuple[str, ...]
    params_schema: str
    """File name in `schemas/`."""
    result_schema: str
    """File name in `schemas/`."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that has a name in the contract, by name."""

    version: str
    """The contract's version: `_v` of what the bridge writes."""
    methods: Mapping[str, Method]
    refusals: Mapping[str, Refusal]
    events: Mapping[str, EventType]
    limiters: Mapping[str, Limiter]

    def method(self, name: str) -> Method | None:
        """Return the method of this name: a peer's word, so there may be none."""
        return self.methods.get(name)

    def refusal(self, code: str) -> Refusal:
        """Return the refusal of a code; KeyError: the code is not in the contract."""
        return self.refusals[code]

    def event(self, name: str) -> EventType:
        """Return the event of a name; KeyError: the name is not in the contract."""
        return self.events[name]

    def limiter(self, name: str) -> Limiter:
        """Return the limiter of a name; KeyError: the name is not in the contract."""
        return self.limiters[name]


def load_catalogue() -> Catalogue:
    """Read the catalogue from the files of this package."""
    return Catalogue(
        version=read_json("wire.json")["version"],
        methods=MappingProxyType({name: _method(name, entry) for name, entry in read_json("methods.json").items()}),
        refusals=MappingProxyType({code: Refusal(code, **entry) for code, entry in read_json("errors.json").items()}),
        events=MappingProxyType(
            {name: EventType(name, tuple(entry["payload"])) for name, entry in read_json("events.json").items()}
        ),
        limiters=MappingProxyType({name: Limiter(name, **entry) for name, entry in read_json("limiters.json").items()}),
    )


def read_json(name: str) -> dict[str, Any]:
    """Read one JSON file of this package by its path inside it."""
    content: dict[str, Any] = json.loads(files("protocol").joinpath(name).read_text(encoding="utf-8"))
    return content


def _method(name: str, entry: dict[str, Any]) -> Method:
    return Method(
        **{**entry, "name": name, "codes": MethodCodes(**entry["codes"]), "own_codes": tuple(entry["own_codes"])}
    )
