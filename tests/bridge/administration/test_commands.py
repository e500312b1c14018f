"""Commands by name, and what they take."""

from __future__ import annotations

import re
from typing import cast

import pytest

from bridge.administration.callers import Callers
from bridge.administration.commands import COMMAND_NAMES, Administration
from bridge.administration.messages import CommandRefused, Json, Request
from bridge.reload import Reloaded, ReloadRefused

NOBODY = cast(Callers, None)
"""No command in this file is about callers."""

ASIDE = Administration(NOBODY)


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
    assert await Administration(NOBODY, AnsweringBridge()).carry_out(Request("status", {})) == {"version": "1"}


async def test_reload_tells_what_counts_and_what_waits() -> None:
    assert await Administration(NOBODY, AnsweringBridge()).carry_out(Request("reload", {})) == {
        "changed": ["permits.turn.burst"],
        "after_restart": ["relay.port"],
    }


async def test_refused_reload_tells_every_problem() -> None:
    with pytest.raises(CommandRefused) as caught:
        await Administration(NOBODY, AnsweringBridge("one", "two")).carry_out(Request("reload", {}))
    assert caught.value.problems == ("one", "two")


@pytest.mark.parametrize("command", ["status", "reload"])
async def test_what_only_a_running_bridge_does_is_refused_without_one(command: str) -> None:
    with pytest.raises(CommandRefused, match="no bridge runs"):
        await ASIDE.carry_out(Request(command, {}))


async def test_unknown_command_is_refused_with_the_nearest() -> None:
    with pytest.raises(CommandRefused, match=re.escape("'relaod'; did you mean \"reload\"?")):
        await ASIDE.carry_out(Request("relaod", {}))


@pytest.mark.parametrize("command", COMMAND_NAMES)
async def test_unknown_argument_is_refused_by_every_command(command: str) -> None:
    with pytest.raises(CommandRefused, match="there is no argument 'colour'"):
        await ASIDE.carry_out(Request(command, {"colour": 1}))
