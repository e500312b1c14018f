"""What a check is: one rule of one NIP, proved or broken by talking to a relay over its socket."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.relay.scene import Scene


class Level(StrEnum):
    """How much a rule binds; a rule of our own binds our relay, and says something about others."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"
    OWN = "own rule"


class CheckFailed(AssertionError):
    """The relay broke the rule; the text says what was expected and what came."""


class NotApplicable(Exception):
    """The rule says nothing about this relay; the text says why."""


Script = Callable[["Scene"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Check:
    """One rule, where it stands, and the conversation that proves it."""

    name: str
    level: Level
    rule: str
    source: str
    script: Script

    @property
    def nip(self) -> str:
        """The NIP that it belongs to, as scores name it."""
        return self.name.partition(".")[0].replace("nip", "NIP-")


def rules(prefix: str, document: str) -> Callable[[Level, str], Callable[[Script], Check]]:
    """Return the decorator of a module: a script becomes the check `prefix.name`, its docstring the rule."""

    def rule(level: Level, section: str) -> Callable[[Script], Check]:
        def make(script: Script) -> Check:
            name = getattr(script, "__name__", "")
            return Check(f"{prefix}.{name}", level, inspect.getdoc(script) or "", f"{document}, {section}", script)

        return make

    return rule


def expect(is_so: bool, otherwise: str) -> None:
    """Fail the check, with words for what came, unless the relay did as the rule says."""
    if not is_so:
        raise CheckFailed(otherwise)
