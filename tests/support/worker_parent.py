"""A process with busy workers, to be killed: prints their numbers in one line and goes on until its input ends."""

from __future__ import annotations

import asyncio
import sys

from bridge.workers.pool import WorkerPool
from nips.event import VerifiedEvent, parse_event, verify_event
from tests.support.worker_pools import a_pool, pid_of, running
from tests.support.wraps import a_rumor, a_seal, a_wrap


async def _keep_busy(pool: WorkerPool, wrap: VerifiedEvent) -> None:
    while True:
        await pool.open(wrap)


async def _main() -> None:
    wrap = verify_event(parse_event(a_wrap(a_seal(a_rumor()))))
    async with running(a_pool(2)) as pool, asyncio.TaskGroup() as tasks:
        busy = [tasks.create_task(_keep_busy(pool, wrap)) for _ in range(20)]
        await pool.open(wrap)
        print(*(pid_of(child) for child in pool.children), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        for task in busy:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(_main())
