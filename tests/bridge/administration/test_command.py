"""What a command takes."""

from __future__ import annotations

import pytest

from bridge.administration.command import Argument, Command
from bridge.administration.messages import CommandRefused, Json


async def _nothing(on: None, arguments: Json) -> Json:
    return {}


COMMAND = Command(
    _nothing,
    {
        "name": Argument(str, is_required=True, most=5),
        "limit": Argument(int, default=10, least=1, most=20),
        "all": Argument(bool),
    },
)


def test_what_is_not_given_has_its_default() -> None:
    assert COMMAND.read({"name": "a"}) == {"name": "a", "limit": 10, "all": None}


def test_every_problem_of_the_arguments_is_told() -> None:
    with pytest.raises(CommandRefused) as caught:
        COMMAND.read({"limit": "1", "all": 1, "nmae": "a"})
    assert caught.value.problems == (
        "there is no argument 'nmae'; did you mean \"name\"?",
        "name: is needed",
        "limit: use a whole number",
        "all: use true or false",
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"limit": 0}, "limit: use 1 to 20"),
        ({"limit": 21}, "limit: use 1 to 20"),
        ({"limit": True}, "limit: use a whole number"),
        ({"name": "abcdef"}, "name: use 0 to 5 characters"),
    ],
)
def test_value_out_of_its_bounds_is_refused_with_them(given: Json, problem: str) -> None:
    with pytest.raises(CommandRefused) as caught:
        COMMAND.read({"name": "a", **given})
    assert caught.value.problems == (problem,)
