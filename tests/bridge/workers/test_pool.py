"""Workers do what the bridge itself would do, share it, and lose nothing when they end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from bridge.errors import SealingFailed
from bridge.workers import jobs
from bridge.workers.jobs import WorkerFault
from nips import kinds
from nips.errors import InvalidWrap
from nips.event import parse_event, verify_event
from nips.keys import PublicKey
from nips.nip59 import make_rumor, open_wrap
from nips.strict_json import parse
from tests.support.deadline import SCALE, within
from tests.support.worker_pools import a_pool, gone, has_a_job, pid_of, ready, running
from tests.support.wraps import AUTHOR, BRIDGE, NOW, a_rumor, a_seal, a_wrap, deviant_wraps

ROOT = Path(__file__).resolve().parents[3]
WRAPS = [verify_event(parse_event(a_wrap(a_seal(a_rumor(content=str(number)))))) for number in range(40)]
OPENED = [open_wrap(wrap, BRIDGE) for wrap in WRAPS]
ANSWER = make_rumor(BRIDGE.public_key, created_at=NOW, kind=24391, tags=[], content="{}")


async def test_answers_are_those_of_the_bridge_itself() -> None:
    async with running(a_pool(1)) as pool, within(20):
        assert await asyncio.gather(*map(pool.open, WRAPS)) == OPENED
        for name, (wrap, reason) in deviant_wraps().items():
            if name not in ("wrap sig wrong", "wrap id wrong"):
                with pytest.raises(InvalidWrap, match=f"^{reason}"):
                    await pool.open(verify_event(parse_event(wrap)))


async def test_wraps_are_made_for_their_recipient_and_never_twice_the_same() -> None:
    async with running(a_pool(2)) as pool, within(20):
        made = await asyncio.gather(*(pool.wrap(ANSWER, AUTHOR.public_key, kind=kinds.GIFT_WRAP) for _ in range(20)))
    assert {open_wrap(wrap, AUTHOR).id for wrap in made} == {ANSWER.id}
    assert len({wrap.pubkey for wrap in made}) == len({wrap.content for wrap in made}) == 20
    for wrap in made:
        # Its signature was taken on trust.
        verify_event(parse_event(parse(wrap.to_json(), max_bytes=10_000)))


async def test_fault_of_a_worker_fails_the_job_alone() -> None:
    async with running(a_pool(1)) as pool, within(20):
        with pytest.raises(WorkerFault, match=r"^InvalidKey$"):
            await pool.wrap(ANSWER, PublicKey("ff" * 32), kind=kinds.GIFT_WRAP)
        assert await pool.open(WRAPS[0]) == OPENED[0]


async def test_two_workers_share_the_load() -> None:
    async with running(a_pool(2, max_waiting_each=20)) as pool, within(20):
        await asyncio.gather(*map(pool.open, WRAPS))
        assert [child.answered for child in pool.children] == [20, 20]


async def test_no_worker_has_more_than_its_bound_and_the_rest_wait_their_turn() -> None:
    async with running(a_pool(2, max_waiting_each=3)) as pool, within(20), asyncio.TaskGroup() as tasks:
        opening = [tasks.create_task(pool.open(wrap)) for wrap in WRAPS]
        most = 0
        while not all(task.done() for task in opening):
            most = max(most, *map(len, pool.children))
            await asyncio.sleep(0)
        assert most == 3
        assert [task.result() for task in opening] == OPENED


async def test_crash_of_a_worker_loses_nothing() -> None:
    async with running(a_pool(2)) as pool, within(20), asyncio.TaskGroup() as tasks:
        first, second = pool.children
        os.kill(pid_of(first), signal.SIGSTOP)
        opening = [tasks.create_task(pool.open(wrap)) for wrap in WRAPS]
        await asyncio.sleep(0)
        assert len(first) == len(WRAPS) // 2
        os.kill(pid_of(first), signal.SIGKILL)
        assert await asyncio.gather(*opening) == OPENED
        assert second.answered >= len(WRAPS) // 2


async def test_worker_that_ended_is_started_again() -> None:
    async with running(a_pool(1)) as pool, within(20):
        (only,) = pool.children
        for _ in range(3):
            before = pid_of(only)
            os.kill(before, signal.SIGSTOP)
            opening = asyncio.ensure_future(pool.open(WRAPS[0]))
            await asyncio.sleep(0)
            os.kill(before, signal.SIGKILL)
            assert await opening == OPENED[0]
            assert pid_of(only) != before


async def test_job_that_two_workers_ended_with_fails_and_the_pool_goes_on() -> None:
    async with running(a_pool(2)) as pool, within(20):
        for child in pool.children:
            os.kill(pid_of(child), signal.SIGSTOP)
        opening = asyncio.ensure_future(pool.open(WRAPS[0]))
        for child in pool.children:
            await has_a_job(child)
            os.kill(pid_of(child), signal.SIGKILL)
        with pytest.raises(SealingFailed):
            await opening
        assert await pool.open(WRAPS[0]) == OPENED[0]


async def test_job_that_finds_no_worker_fails_in_time() -> None:
    pool = a_pool(2, timeout_seconds=0.05)
    with pytest.raises(SealingFailed, match="no worker"):
        await pool.open(WRAPS[0])


async def test_worker_that_cannot_be_started_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = sys.executable
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    pool = a_pool(1, timeout_seconds=0.2 * SCALE)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(pool.run())
        with pytest.raises(SealingFailed):
            await pool.open(WRAPS[0])
        monkeypatch.setattr(sys, "executable", real)
        await ready(pool, pool.children[0])
        assert await pool.open(WRAPS[0]) == OPENED[0]
        run.cancel()
    told = [record.__dict__["facts"] for record in caplog.records if record.message == "worker ended"]
    assert told[0]["reason"] == "FileNotFoundError"
    assert told[-1]["retry_in_seconds"] > told[0]["retry_in_seconds"]


async def test_workers_end_with_the_pool() -> None:
    async with running(a_pool(2)) as pool:
        numbers = [pid_of(child) for child in pool.children]
    for number in numbers:
        await gone(number)


async def test_bridge_that_is_killed_leaves_no_worker_behind() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.worker_parent", cwd=ROOT, stdin=PIPE, stdout=PIPE
    )
    assert parent.stdout is not None
    async with within(20):
        numbers = [int(number) for number in (await parent.stdout.readline()).split()]
    assert len(numbers) == 2
    for number in numbers:
        os.kill(number, 0)
    parent.kill()
    await parent.communicate()
    for number in numbers:
        await gone(number)


def test_a_job_is_smaller_than_a_pipe() -> None:
    # So that a request of usual size is written in one call.
    assert len(jobs.opening(WRAPS[0])) < 65_536
