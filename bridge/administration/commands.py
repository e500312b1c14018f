"""The commands of an operator, by name: the same for a bridge that runs and for the storage of one that does not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from bridge.administration.messages import CommandRefused, Json, Request
from bridge.reload import Reloaded, ReloadRefused
from bridge.settings.problems import did_you_mean


class Running(Protocol):
    """What only a bridge that runs can do."""

    async def status(self) -> Json:
        """Tell how it is."""
        ...

    async def reload(self) -> Reloaded:
        """Read the settings again; raise `ReloadRefused`."""
        ...


@dataclass(frozen=True, slots=True)
class Administration:
    """What commands work on."""

    running: Running | None
    """None: no bridge runs, and the storage was opened for the command."""

    async def carry_out(self, request: Request) -> Json:
        """Return the result of a command; raise `CommandRefused`."""
        command = COMMANDS.get(request.command)
        if command is None:
            hint = did_you_mean(request.command, COMMANDS)
            raise CommandRefused([f"there is no command {request.command!r}{hint}"])
        return await command.run(self, command.read(request.arguments))


@dataclass(frozen=True, slots=True)
class Argument:
    """What a command takes under one name."""

    kind: type
    default: Any = None
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    run: Callable[[Administration, Json], Awaitable[Json]]
    arguments: Mapping[str, Argument] = field(default_factory=dict)

    def read(self, given: Json) -> Json:
        """Return all arguments, defaults for what is not given; raise `CommandRefused`."""
        problems = [
            f"there is no argument {name!r}{did_you_mean(name, self.arguments)}"
            for name in given.keys() - self.arguments.keys()
        ]
        read: dict[str, Any] = {}
        for name, argument in self.arguments.items():
            value = read[name] = given.get(name, argument.default)
            if value is None and argument.is_required:
                problems.append(f"{name}: is needed")
            elif value is not None and type(value) is not argument.kind:
                problems.append(f"{name}: use a {argument.kind.__name__}")
        if problems:
            raise CommandRefused(problems)
        return read


async def _status(administration: Administration, arguments: Json) -> Json:
    return await _bridge(administration).status()


async def _reload(administration: Administration, arguments: Json) -> Json:
    try:
        reloaded = await _bridge(administration).reload()
    except ReloadRefused as refused:
        raise CommandRefused(refused.problems) from None
    return {"changed": list(reloaded.changed), "after_restart": list(reloaded.waiting)}


def _bridge(administration: Administration) -> Running:
    if administration.running is None:
        raise CommandRefused(["no bridge runs here"])
    return administration.running


COMMANDS: Final[Mapping[str, Command]] = {
    "status": Command(_status),
    "reload": Command(_reload),
}
