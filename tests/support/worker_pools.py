"""Pools of real worker processes for tests, and what can be known of a process from outside."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.workers.child import Child
from bridge.workers.jobs import Start
from bridge.workers.pool import PoolRules, WorkerPool
from client.backoff import BackoffLimits
from client.clock import SystemClock
from tests.support.deadline import SCALE, within
from tests.support.wraps import BRIDGE

START = Start(BRIDGE, max_known_senders=2, unsigned_seals=False)
SOON = BackoffLimits(first_seconds=0.01, cap_seconds=0.05)


def a_pool(workers: int, *, max_waiting_each: int = 64, timeout_seconds: float = 20 * SCALE) -> WorkerPool:
    """Return a pool that does not run yet."""
    rules = PoolRules(workers, max_waiting_each, timeout_seconds, SOON)
    return WorkerPool(START, rules=rules, clock=SystemClock())


@asynccontextmanager
async def running(pool: WorkerPool) -> AsyncIterator[WorkerPool]:
    """Run a pool, with every worker ready at first, and end it afterwards."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(pool.run())
        try:
            for child in pool.children:
                await ready(pool, child)
            yield pool
        finally:
            task.cancel()


async def ready(pool: WorkerPool, child: Child) -> None:
    """Return when a worker takes jobs."""
    news = pool._room
    async with within(20):
        while not child.has_room:
            news.clear()
            await news.wait()


async def has_a_job(child: Child) -> None:
    """Return when a worker was given a job."""
    async with within(20):
        while True:
            if len(child):
                return
            await asyncio.sleep(0)


def pid_of(child: Child) -> int:
    """Return the number of a running worker's process."""
    assert child.pid is not None
    return child.pid


async def gone(pid: int) -> None:
    """Return when a process is gone, whoever started it."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        async with within(20):
            await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def told(pid: int) -> bytes:
    """Return what everybody on the machine can read about how a process was started."""
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
