"""A worker's process seen from the bridge: what it takes, what becomes of it, and who may see what."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.workers import jobs
from bridge.workers.child import Child, ChildEnded
from nips.event import parse_event, verify_event
from nips.nip59 import open_wrap
from tests.support.deadline import SCALE, within
from tests.support.worker_pools import START, gone, pid_of, told
from tests.support.wraps import BRIDGE, a_rumor, a_seal, a_wrap

WRAPS = [verify_event(parse_event(a_wrap(a_seal(a_rumor(content=str(number)))))) for number in range(8)]
JOBS = [jobs.opening(wrap) for wrap in WRAPS]


@asynccontextmanager
async def a_child(
    *, max_waiting: int = 8, timeout_seconds: float = 20 * SCALE, start: bytes = START.to_frame()
) -> AsyncIterator[tuple[Child, asyncio.Task[int]]]:
    """Run a worker once; it ends with the block, if it has not ended before."""
    room = asyncio.Event()
    child = Child(start, max_waiting=max_waiting, timeout_seconds=timeout_seconds, on_room=room.set)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(child.run())
        try:
            if start:
                async with within(20):
                    await room.wait()
            yield child, run
        finally:
            run.cancel()


async def test_answers_are_given_to_those_who_asked() -> None:
    async with a_child() as (child, _), within():
        answers = await asyncio.gather(*map(child.do, JOBS))
        assert [jobs.read_opened(answer) for answer in answers] == [open_wrap(wrap, BRIDGE) for wrap in WRAPS]
        assert (len(child), child.answered) == (0, len(JOBS))


async def test_worker_has_no_room_beyond_its_bound() -> None:
    async with a_child(max_waiting=3) as (child, _), within(), asyncio.TaskGroup() as tasks:
        for job in JOBS[:3]:
            assert child.has_room
            tasks.create_task(child.do(job))
            await asyncio.sleep(0)
        assert len(child) == 3
        assert not child.has_room


async def test_worker_that_does_not_run_has_no_room() -> None:
    child = Child(START.to_frame(), max_waiting=1, timeout_seconds=1, on_room=lambda: None)
    assert not child.has_room
    assert child.pid is None


async def test_one_who_no_longer_waits_does_not_shift_the_answers() -> None:
    async with a_child() as (child, _), within(), asyncio.TaskGroup() as tasks:
        first, second, third = [tasks.create_task(child.do(job)) for job in JOBS[:3]]
        await asyncio.sleep(0)
        second.cancel()
        assert jobs.read_opened(await first).content == "0"
        assert jobs.read_opened(await third).content == "2"


async def test_jobs_of_a_worker_that_ends_are_given_back() -> None:
    async with a_child() as (child, run), within():
        pid = pid_of(child)
        os.kill(pid, signal.SIGSTOP)
        waiting = [asyncio.ensure_future(child.do(job)) for job in JOBS]
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        for given_back in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(given_back, ChildEnded)
        assert await run == -signal.SIGKILL
        assert (len(child), child.has_room, child.pid) == (0, False, None)


async def test_worker_that_answers_nothing_in_time_is_killed() -> None:
    async with a_child(timeout_seconds=0.3 * SCALE) as (child, run), within():
        os.kill(pid_of(child), signal.SIGSTOP)
        with pytest.raises(ChildEnded):
            await child.do(JOBS[0])
        assert await run == -signal.SIGKILL


async def test_worker_that_has_nothing_to_do_is_left_alone() -> None:
    async with a_child() as (child, _), within():
        child._kill_if_stuck()
        assert jobs.read_opened(await child.do(JOBS[0])).content == "0"


async def test_worker_that_never_gets_ready_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.workers.child.START_SECONDS", 0.01)
    async with a_child(start=b"") as (_, run), within(20):
        assert await run == -signal.SIGKILL


async def test_worker_that_is_stopped_ends_with_its_run_all_the_same() -> None:
    async with a_child() as (child, _):
        pid = pid_of(child)
        os.kill(pid, signal.SIGSTOP)
    await gone(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_for_the_whole_group_do_not_end_a_worker(number: signal.Signals) -> None:
    async with a_child() as (child, _), within():
        os.kill(pid_of(child), number)
        assert jobs.read_opened(await child.do(JOBS[0])).content == "0"


async def test_process_ends_with_its_run() -> None:
    async with a_child() as (child, _):
        pid = pid_of(child)
    await gone(pid)


async def test_secret_is_not_among_what_everybody_can_read() -> None:
    async with a_child() as (child, _):
        public = told(pid_of(child))
    assert b"bridge.workers" in public
    for secret in (BRIDGE.reveal(), BRIDGE.reveal().hex().encode()):
        assert secret not in public


async def test_worker_holds_no_descriptor_but_its_pipes() -> None:
    # With another worker's pipe in hand it would keep that one from seeing its input end.
    async with a_child(), a_child() as (second, _):
        links = {link.readlink() for link in Path(f"/proc/{pid_of(second)}/fd").iterdir()}
        assert len([link for link in links if link.name.startswith("pipe:")]) == 2
        assert len(links) == 3
