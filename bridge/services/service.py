"""The shape of a service: a function from checked params and a caller to a result or a `Refusal`.

A service sees no socket, builds no JSON text, catches nothing broadly and logs nothing that is marked sensitive.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.callers import Caller
from storage.account_interface import Effect

Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fact:
    """An event about the calling account, to be recorded once the answer is durable."""

    name: str
    payload: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a service returns: the result as it goes to the client, without repr, and what to record with it."""

    result: Mapping[str, Any] = field(repr=False)
    facts: Sequence[Fact] = ()
    effect: Effect | None = None
    """What changes about the account, together with the answer: done by itself, it could be met by its own repeat."""


Service = Callable[[Params, Caller], Awaitable[Outcome]]
