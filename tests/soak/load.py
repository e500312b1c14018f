"""The mix of clients, in a bounded stream: so many begin each second, whatever becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from client.entropy import draw_key
from nips.kinds import EPHEMERAL_GIFT_WRAP
from tests.soak import mischief, visits
from tests.soak.connection import CLOCK, ENTROPY
from tests.soak.plan import AUTHORS, VISITORS, Plan
from tests.soak.visitors import Visitor, World

MAX_UNDER_WAY = 200
"""Beyond that a client stays at home: the driver's own bound."""

Activity = Callable[[World], Awaitable[None]]

MIX: Final[Mapping[Activity, float]] = MappingProxyType(
    {
        visits.ask_stored: 24,
        visits.ask_live: 24,
        visits.arrive: 8,
        visits.ask_info: 6,
        visits.ask_account: 4,
        visits.ask_and_come_back: 4,
        visits.ask_twice: 2,
        visits.write_to_each_other: 8,
        visits.count: 2,
        visits.publish_and_read: 3,
        visits.publish_and_withdraw: 1,
        mischief.publish_unopenable: 2,
        mischief.publish_misattributed: 2,
        mischief.ask_malformed: 2,
        mischief.read_without_key: 2,
        mischief.fail_to_authenticate: 0.5,
        mischief.subscribe_too_much: 0.5,
        mischief.break_frames: 1.5,
        mischief.send_oversize: 0.5,
        mischief.vanish_mid_frame: 2,
        mischief.ask_for_page: 0.8,
        mischief.read_slowly: 0.2,
    }
)
"""Shares of all visits, in hundredths."""


def populate(world: World) -> None:
    """Make those who come again and again."""
    world.visitors.extend(Visitor(world) for _ in range(VISITORS))
    world.authors.extend(draw_key(ENTROPY) for _ in range(AUTHORS))


async def admit_all(world: World) -> None:
    """Let every returning key have its account before newcomers take the room."""
    for visitor in world.visitors:
        await visitor.come()
        await visitor.ask(visits.TURN, EPHEMERAL_GIFT_WRAP)
        await visitor.leave()


async def rehearse(world: World) -> None:
    """Let one of each kind come and go, so that what is made on first use is there."""
    for activity in MIX:
        await _watched(world, activity)
    await disperse(world)


async def run_load(world: World, plan: Plan) -> None:
    """Begin visits at the planned pace for the planned time, and return when the last has ended."""
    under_way: set[asyncio.Task[None]] = set()
    activities: Sequence[Activity] = tuple(MIX)
    weights = tuple(MIX.values())
    begun = CLOCK.monotonic()
    number = 0
    while (due := begun + number / plan.rate) < begun + plan.seconds:
        await asyncio.sleep(max(0.0, due - CLOCK.monotonic()))
        number += 1
        if len(under_way) >= MAX_UNDER_WAY:
            world.done.add("stayed at home")
            continue
        (activity,) = world.chance.choices(activities, weights)
        task = asyncio.create_task(_watched(world, activity))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        if number % 100 == 0:
            world.requests.settle(CLOCK.monotonic())
    await asyncio.gather(*under_way)
    await disperse(world)


async def disperse(world: World) -> None:
    """Send everybody home."""
    for visitor in world.visitors:
        async with visitor.at_work:
            await visitor.leave()


async def _watched(world: World, activity: Activity) -> None:
    name = activity.__name__
    world.begun += 1
    try:
        await activity(world)
    except Exception as error:  # noqa: BLE001 - whatever happens to one client is a figure of the run, not its end
        world.mishaps.add(f"{name}: {type(error).__name__}: {error}"[:200])
    else:
        world.done.add(name)
