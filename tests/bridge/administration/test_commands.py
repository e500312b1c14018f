"""Commands by name, and what they take."""

from __future__ import annotations

import re

import pytest

from bridge.administration.commands import COMMANDS, Administration, Argument, Command
from bridge.administration.messages import CommandRefused, Json, Request
from bridge.reload import Reloaded, ReloadRefused

ASIDE = Administration(running=None)


class AnsweringBridge:
    """Stands for a bridge that runs."""

    def __init__(self, *problems: str) -> None:
        self._problems = problems

    async def status(self) -> Json:
        return {"version": "1"}

    async def reload(self) -> Reloaded:
        if self._problems:
            raise ReloadRefused(self._problems)
        return Reloaded(["permits.turn.burst"], ["relay.port"])


async def test_status_is_what_the_bridge_tells() -> None:
    assert await Administration(AnsweringBridge()).carry_out(Request("status", {})) == {"version": "1"}


async def test_reload_tells_what_counts_and_what_waits() -> None:
    assert await Administration(AnsweringBridge()).carry_out(Request("reload", {})) == {
        "changed": ["permits.turn.burst"],
        "after_restart": ["relay.port"],
    }


async def test_refused_reload_tells_every_problem() -> None:
    with pytest.raises(CommandRefused) as caught:
        await Administration(AnsweringBridge("one", "two")).carry_out(Request("reload", {}))
    assert caught.value.problems == ("one", "two")


@pytest.mark.parametrize("command", ["status", "reload"])
async def test_what_only_a_running_bridge_does_is_refused_without_one(command: str) -> None:
    with pytest.raises(CommandRefused, match="no bridge runs"):
        await ASIDE.carry_out(Request(command, {}))


async def test_unknown_command_is_refused_with_the_nearest() -> None:
    with pytest.raises(CommandRefused, match=re.escape("'relaod'; did you mean \"reload\"?")):
        await ASIDE.carry_out(Request("relaod", {}))


@pytest.mark.parametrize("command", COMMANDS)
async def test_unknown_argument_is_refused_by_every_command(command: str) -> None:
    with pytest.raises(CommandRefused, match="there is no argument 'colour'"):
        await ASIDE.carry_out(Request(command, {"colour": 1}))


async def _nothing(administration: Administration, arguments: Json) -> Json:
    return {}


COMMAND = Command(
    _nothing, {"name": Argument(str, is_required=True), "limit": Argument(int, default=10), "all": Argument(bool)}
)


def test_what_is_not_given_has_its_default() -> None:
    assert COMMAND.read({"name": "a"}) == {"name": "a", "limit": 10, "all": None}


def test_every_problem_of_the_arguments_is_told() -> None:
    with pytest.raises(CommandRefused) as caught:
        COMMAND.read({"limit": "1", "all": 1, "nmae": "a"})
    assert caught.value.problems == (
        "there is no argument 'nmae'; did you mean \"name\"?",
        "name: is needed",
        "limit: use a int",
        "all: use a bool",
    )


def test_truth_is_no_number() -> None:
    with pytest.raises(CommandRefused, match="limit"):
        COMMAND.read({"name": "a", "limit": True})
