"""How many are inside, and how many wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bridge.turn.gate import NOBODY, Gate, GateFull, GateRules
from tests.support.deadline import within


async def settle() -> None:
    """Give every task its turns, until all that is left are those that wait for an event."""
    for _ in range(20):
        await asyncio.sleep(0)


class Visitors:
    """Tasks that enter and stay until they are told to leave."""

    def __init__(self, gate: Gate, tasks: asyncio.TaskGroup) -> None:
        self.entered: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._gate = gate
        self._group = tasks
        self._leave: list[asyncio.Event] = []

    def come(self, user: str = NOBODY) -> None:
        """Have one more."""
        self._leave.append(asyncio.Event())
        self.tasks.append(self._group.create_task(self._visit(len(self.tasks), user)))

    def leave(self, number: int) -> None:
        """Tell one to leave."""
        self._leave[number].set()

    def end(self) -> None:
        """Have all leave."""
        for event in self._leave:
            event.set()

    async def _visit(self, number: int, user: str) -> None:
        await self._gate.enter(user)
        self.entered.append(number)
        try:
            await self._leave[number].wait()
        finally:
            self._gate.leave(user)


async def visit(gate: Gate, story: Callable[[Visitors], Awaitable[None]]) -> None:
    async with within(20), asyncio.TaskGroup() as tasks:
        visitors = Visitors(gate, tasks)
        await story(visitors)
        visitors.end()
    assert gate.inside == 0
    assert gate.waiting == 0


async def test_no_more_than_allowed_are_inside_and_the_rest_wait_in_order() -> None:
    gate = Gate(GateRules(max_inside=2, max_waiting=3))

    async def story(visitors: Visitors) -> None:
        for _ in range(5):
            visitors.come()
        await settle()
        assert gate.waiting == 3
        assert visitors.entered == [0, 1]
        visitors.leave(1)
        await settle()
        assert len(visitors.entered) == 3
        assert (visitors.entered, gate.inside) == ([0, 1, 2], 2)

    await visit(gate, story)


async def test_one_more_than_may_wait_is_sent_away() -> None:
    gate = Gate(GateRules(max_inside=1, max_waiting=2))

    async def story(visitors: Visitors) -> None:
        for _ in range(3):
            visitors.come()
        await settle()
        assert gate.waiting == 2
        with pytest.raises(GateFull):
            await gate.enter(NOBODY)

    await visit(gate, story)


async def test_who_gives_up_waiting_makes_room_for_the_next() -> None:
    gate = Gate(GateRules(max_inside=1, max_waiting=2))

    async def story(visitors: Visitors) -> None:
        for _ in range(3):
            visitors.come()
        await settle()
        assert gate.waiting == 2
        visitors.tasks[1].cancel()
        await settle()
        assert gate.waiting == 1
        visitors.leave(0)
        await settle()
        assert visitors.entered == [0, 2]

    await visit(gate, story)


async def test_who_is_let_in_and_called_away_at_once_takes_no_place() -> None:
    gate = Gate(GateRules(max_inside=1, max_waiting=2))

    async def story(visitors: Visitors) -> None:
        for _ in range(3):
            visitors.come()
        await settle()
        assert gate.waiting == 2
        visitors.leave(0)
        await settle()
        assert gate.waiting == 1
        # The place is given, and its visitor has not run yet.
        visitors.tasks[1].cancel()
        await settle()
        assert 2 in visitors.entered

    await visit(gate, story)


async def test_wider_gate_lets_in_who_waits_and_a_narrower_one_puts_nobody_out() -> None:
    gate = Gate(GateRules(max_inside=1, max_waiting=5))

    async def story(visitors: Visitors) -> None:
        for _ in range(4):
            visitors.come()
        await settle()
        assert gate.waiting == 3
        gate.adopt(GateRules(max_inside=3, max_waiting=5))
        await settle()
        assert visitors.entered == [0, 1, 2]
        gate.adopt(GateRules(max_inside=1, max_waiting=0))
        with pytest.raises(GateFull):
            await gate.enter(NOBODY)
        visitors.leave(0)
        visitors.leave(1)
        await settle()
        assert gate.inside == 1
        assert gate.waiting == 1

    await visit(gate, story)


async def test_one_user_has_no_more_places_than_allowed_and_others_go_past_who_waits() -> None:
    gate = Gate(GateRules(max_inside=8, max_waiting=40, max_inside_each=2))

    async def story(visitors: Visitors) -> None:
        for _ in range(12):
            visitors.come("many")
        await settle()
        assert (gate.inside, gate.waiting) == (2, 10)
        with pytest.raises(GateFull):
            await gate.enter("many")
        for user in "abcdef":
            visitors.come(user)
        await settle()
        assert visitors.entered == [0, 1, 12, 13, 14, 15, 16, 17]
        visitors.leave(12)
        await settle()
        assert (gate.inside, gate.waiting) == (7, 10)

    await visit(gate, story)


async def test_users_that_wait_have_their_turns_one_after_the_other() -> None:
    gate = Gate(GateRules(max_inside=1, max_waiting=9, max_inside_each=1))

    async def story(visitors: Visitors) -> None:
        for user in ("a", "b", "b", "b", "c", "c", "d"):
            visitors.come(user)
        await settle()
        for _ in range(6):
            visitors.leave(visitors.entered[-1])
            await settle()
        assert visitors.entered == [0, 1, 4, 6, 2, 5, 3]

    await visit(gate, story)


async def test_what_is_done_for_all_may_have_every_place() -> None:
    gate = Gate(GateRules(max_inside=3, max_waiting=3, max_inside_each=1))

    async def story(visitors: Visitors) -> None:
        for _ in range(6):
            visitors.come()
        await settle()
        assert (gate.inside, gate.waiting) == (3, 3)

    await visit(gate, story)


async def test_nothing_is_remembered_of_users_that_left_or_gave_up() -> None:
    gate = Gate(GateRules(max_inside=1, max_waiting=100, max_inside_each=1))

    async def story(visitors: Visitors) -> None:
        for number in range(50):
            visitors.come(f"user {number}")
        await settle()
        for number in range(1, 50, 2):
            visitors.tasks[number].cancel()

    await visit(gate, story)
    assert not gate._waiting
    assert not gate._inside
