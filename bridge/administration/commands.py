"""The commands of an operator, by name: the same for a bridge that runs and for the storage of one that does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from bridge.administration.callers import CALLER_COMMANDS, Callers
from bridge.administration.command import Command
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

    callers: Callers
    running: Running | None = None
    """None: no bridge runs, and the storage was opened for the command."""

    async def carry_out(self, request: Request) -> Json:
        """Return the result of a command; raise `CommandRefused`."""
        name = request.command
        if name in CALLER_COMMANDS:
            command = CALLER_COMMANDS[name]
            return await command.run(self.callers, command.read(request.arguments))
        if name in BRIDGE_COMMANDS:
            arguments = BRIDGE_COMMANDS[name].read(request.arguments)
            if self.running is None:
                raise CommandRefused(["no bridge runs here"])
            return await BRIDGE_COMMANDS[name].run(self.running, arguments)
        raise CommandRefused([f"there is no command {name!r}{did_you_mean(name, COMMAND_NAMES)}"])


async def _status(running: Running, arguments: Json) -> Json:
    return await running.status()


async def _reload(running: Running, arguments: Json) -> Json:
    try:
        reloaded = await running.reload()
    except ReloadRefused as refused:
        raise CommandRefused(refused.problems) from None
    return {"changed": list(reloaded.changed), "after_restart": list(reloaded.waiting)}


BRIDGE_COMMANDS: Final[Mapping[str, Command[Running]]] = {"status": Command(_status), "reload": Command(_reload)}
"""The commands that need a running bridge, by name."""

COMMAND_NAMES: Final = (*BRIDGE_COMMANDS, *CALLER_COMMANDS)
