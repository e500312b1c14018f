"""A command: what it takes, and what carries it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from bridge.administration.messages import CommandRefused, Json
from bridge.settings.problems import did_you_mean

On = TypeVar("On")
"""What a command works on."""

_KINDS: Mapping[type, str] = {str: "text", int: "a whole number", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class Argument:
    """What a command takes under one name."""

    kind: type
    default: Any = None
    is_required: bool = False
    least: int = 0
    most: int = 2**53 - 1
    """Bounds of a number, and of the length of a text."""

    def problem(self, value: object) -> str | None:
        """Return what is wrong with a value, if something is."""
        if value is None:
            return "is needed" if self.is_required else None
        if type(value) is not self.kind:
            return f"use {_KINDS[self.kind]}"
        measure = len(value) if isinstance(value, str) else value
        if isinstance(measure, int) and not self.least <= measure <= self.most:
            unit = " characters" if isinstance(value, str) else ""
            return f"use {self.least} to {self.most}{unit}"
        return None


@dataclass(frozen=True, slots=True)
class Command(Generic[On]):
    """One command."""

    run: Callable[[On, Json], Awaitable[Json]]
    arguments: Mapping[str, Argument] = field(default_factory=dict)

    def read(self, given: Json) -> Json:
        """Return all arguments, defaults for what is not given; raise `CommandRefused` with every problem."""
        unknown = [name for name in given if name not in self.arguments]
        problems = [f"there is no argument {name!r}{did_you_mean(name, self.arguments)}" for name in unknown]
        read = {name: given.get(name, argument.default) for name, argument in self.arguments.items()}
        for name, argument in self.arguments.items():
            if wrong := argument.problem(read[name]):
                problems.append(f"{name}: {wrong}")
        if problems:
            raise CommandRefused(problems)
        return read
