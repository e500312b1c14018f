"""A soak run from start to verdict: the bridge, the load on it, and the samples taken meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from storage.hours import hour_after
from tests.soak.connection import CLOCK
from tests.soak.ledger import Kept, Requests
from tests.soak.load import admit_all, populate, rehearse, run_load
from tests.soak.plan import (
    AUTHORS,
    CLEARING_SECONDS,
    LIVE_SECONDS,
    MAX_DELETIONS,
    PURGE_SECONDS,
    RETENTION_SECONDS,
    WINDOW_SECONDS,
    Plan,
)
from tests.soak.verdict import AT_REST, COUNTED, Books, Run
from tests.soak.visitors import World
from tests.soak.vitals import Log, Sample, look
from tests.support.process import Switchboard

MAX_SAMPLES = 1000
WATCH_SECONDS = 50.0
"""How long a request is watched: a little less than its answer is kept."""

SLACK_SECONDS = PURGE_SECONDS + 20
"""How late a row may be made after its request was acknowledged, and how late it may be purged."""

REST_SECONDS = 60.0
HOUR = 3600


class Samples:
    """A bounded series: when it is full, every second one goes, and from then on only every second is taken."""

    def __init__(self, *, most: int = MAX_SAMPLES) -> None:
        self.kept: list[Sample] = []
        self._most = most
        self._stride = 1
        self._seen = 0

    def add(self, sample: Sample) -> None:
        """Take a sample, or leave it out."""
        if self._seen % self._stride == 0:
            self.kept.append(sample)
            if len(self.kept) > self._most:
                self.kept = self.kept[::2]
                self._stride *= 2
        self._seen += 1


def kept_by_retention(plan: Plan) -> dict[str, Kept]:
    """Return the books of tables whose rows have their time."""

    def to_the_hour(seconds: float) -> Callable[[float], float]:
        return lambda at: hour_after(int(at + seconds + 1)) * HOUR + CLEARING_SECONDS

    return {
        "seen": Kept(to_the_hour(plan.seen_seconds)),
        "responses": Kept(to_the_hour(2 * WINDOW_SECONDS + 1)),
        "gift_wraps": Kept(lambda at: at + RETENTION_SECONDS + SLACK_SECONDS),
        "outbox": Kept(lambda at: at + LIVE_SECONDS + SLACK_SECONDS),
    }


def settled_after(started: float, plan: Plan) -> float:
    """Return how long after a start no table can have more rows than before.

    Some rows go at a full hour. At the second after the start as much goes as a whole hour brought, and so at each from
    then on.
    """
    first = -(-started // HOUR) * HOUR
    return max(plan.warm_up_seconds, first + HOUR + CLEARING_SECONDS - started)


async def soak(plan: Plan, home: Path, *, on_sample: Callable[[Sample, World], None]) -> tuple[Run, World]:
    """Run a bridge in a fresh folder under load; return what is to be judged, and all that was counted."""
    log = Log()
    program = Switchboard(home, "--turn-host", "turn.example.org", change=plan.settings, keeps=log.keeps)
    async with program:
        world = World(
            url=program.url,
            port=program.port,
            bridge=program.public_key,
            chance=random.Random(plan.seconds),
            requests=Requests(watch_seconds=WATCH_SECONDS),
            kept=kept_by_retention(plan),
        )
        populate(world)
        await admit_all(world)
        await rehearse(world)
        idle = await _rest(program, None)
        begun_before = world.begun
        samples = Samples()
        started = CLOCK.now()
        async with asyncio.TaskGroup() as tasks:
            sampling = tasks.create_task(_sample(program, plan, world, samples, on_sample))
            await run_load(world, plan)
            sampling.cancel()
        after = await _rest(program, idle)
        world.requests.settle(float("inf"))
        world.done.add("slow reader dropped by the bridge", log.dropped)
    run = Run(
        plan=plan,
        samples=samples.kept,
        idle=idle,
        after=after,
        settled_at=settled_after(started, plan),
        books=_books(world, log, begun_before),
    )
    return run, world


async def _sample(
    program: Switchboard,
    plan: Plan,
    world: World,
    samples: Samples,
    on_sample: Callable[[Sample, World], None],
) -> None:
    begun = CLOCK.monotonic()
    while True:
        await asyncio.sleep(plan.sample_seconds)
        seen = await look(program, at=CLOCK.monotonic() - begun)
        sample = {**seen, **_allowed(plan, world, seen)}
        samples.add(sample)
        on_sample(sample, world)


def _allowed(plan: Plan, world: World, seen: Sample) -> Sample:
    now = CLOCK.now()
    allowed = {
        # What is acknowledged is in the books only when the client has read so.
        **{table: kept.allowed(now) + 200 for table, kept in world.kept.items()},
        "inbox": 1000,
        "accounts": plan.max_accounts,
        "devices": plan.max_accounts,
        "permits": 3 * plan.max_accounts,
        "public_events": 3 * AUTHORS + 2 * MAX_DELETIONS + 50,
        "deletions": MAX_DELETIONS + 50,
        "vanished": MAX_DELETIONS + 50,
    }
    return {f"allowed {table}": float(amount) for table, amount in allowed.items() if table in seen}


async def _rest(program: Switchboard, idle: Sample | None) -> Sample:
    """Return a sample once nobody is there and everything is as it was, or when it does not become so."""
    seen = await look(program, at=0)
    with suppress(TimeoutError):
        async with asyncio.timeout(REST_SECONDS):
            while any(seen[name] for name in AT_REST) or (
                idle is not None and any(seen[name] > idle[name] for name in COUNTED)
            ):
                await asyncio.sleep(1)
                seen = await look(program, at=0)
    return seen


def _books(world: World, log: Log, begun_before: int) -> Books:
    requests = world.requests
    return Books(
        visits=world.begun - begun_before,
        mishaps=dict(world.mishaps.counts),
        complaints=dict(log.complaints.counts),
        acknowledged=requests.acknowledged,
        answered_once=requests.answered_once,
        unanswered=requests.unanswered,
        answered_twice=requests.answered_twice,
    )
