"""Wraps that are answered before they are written down: OK with the answer, and kept only when that takes long."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge import inbox
from nips.nip59 import open_wrap
from storage.errors import StorageBusy
from storage.interface import HERE, Added, Answer, Recorded
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.edges import ScriptedProvider
from tests.support.pipeline import LIVE, STORED, Client, Pipeline, a_pipeline

ALICE = Client("alice")
TURN = "turn.get_credentials"


def note_commits(bridge: Pipeline, patch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the number of replies which each commit writes."""
    commit, written = bridge.storage.requests.commit, []

    async def noting(answer: Answer) -> Recorded:
        written.append(len(answer.replies))
        return await commit(answer)

    patch.setattr(bridge.storage.requests, "commit", noting)
    return written


async def rows(bridge: Pipeline) -> int:
    return len(await bridge.storage.outbox.waiting(destination=HERE, now=bridge.clock.now()))


def fail_to_keep(bridge: Pipeline, patch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> Added:
        raise StorageBusy("no wrap is kept here")

    patch.setattr(bridge.storage.inbox, "add", fail)


async def test_what_is_answered_soon_is_never_written_down_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_pipeline(tmp_path, changes={"inbox.keep_after_seconds": 10}) as bridge:
        fail_to_keep(bridge, monkeypatch)
        wrap = bridge.wrap(bridge.request(ALICE, TURN), ALICE)
        assert await bridge.accept(wrap) == [Added.ADDED]
        # It is acknowledged with its answer, not before.
        assert len(await bridge.answers(ALICE)) == 1
        assert await bridge.accept(wrap) == [Added.DUPLICATE]


async def test_what_takes_long_is_kept_and_acknowledged_before_its_answer(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    async with a_pipeline(tmp_path, provider=provider, changes={"inbox.keep_after_seconds": 0.01}) as bridge:
        wrap = bridge.wrap(bridge.request(ALICE, TURN), ALICE)
        assert await bridge.accept(wrap) == [Added.ADDED]
        assert await bridge.waiting() == [wrap.id]
        assert await bridge.answers(ALICE) == []
        provider.gate.set()
        await bridge.settle()
        assert await bridge.waiting() == []
        assert len(await bridge.answers(ALICE)) == 1
    assert len(provider.users) == 1


async def test_what_is_not_kept_when_the_inbox_is_full_is_refused(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    changes = {"inbox.keep_after_seconds": 0.01, "inbox.max_waiting": 1}
    async with a_pipeline(tmp_path, provider=provider, changes=changes) as bridge:
        wraps = [bridge.wrap(bridge.request(ALICE, TURN), ALICE) for _ in range(2)]
        verdicts = [await bridge.accept(wrap) for wrap in wraps]
        assert verdicts == [[Added.ADDED], [Added.FULL]]
        provider.gate.set()
        await bridge.settle()
        assert await bridge.waiting() == []


async def test_an_answer_that_cannot_be_recorded_is_tried_again_once_its_wrap_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_pipeline(tmp_path, changes={"inbox.keep_after_seconds": 10}) as bridge:
        commit, tries = bridge.storage.requests.commit, [StorageBusy("queue")]

        async def fail_once(answer: Any) -> Any:
            if tries:
                raise tries.pop()
            return await commit(answer)

        monkeypatch.setattr(bridge.storage.requests, "commit", fail_once)
        assert await bridge.give(bridge.wrap(bridge.request(ALICE, TURN), ALICE)) == [Added.ADDED]
        assert tries == []
        assert len(await bridge.answers(ALICE)) == 1


async def test_a_wrap_that_can_neither_be_answered_nor_kept_is_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_pipeline(tmp_path, changes={"inbox.keep_after_seconds": 10}) as bridge:
        wrap = bridge.wrap(bridge.request(ALICE, TURN), ALICE)
        with monkeypatch.context() as patch:
            fail_to_keep(bridge, patch)

            async def fail(_: Any) -> Any:
                raise StorageBusy("no answer is recorded here")

            patch.setattr(bridge.storage.requests, "commit", fail)
            with pytest.raises(StorageBusy, match="no wrap is kept"):
                await bridge.accept(wrap)
        assert await bridge.answers(ALICE) == []
        assert await bridge.give(wrap) == [Added.ADDED]
        assert len(await bridge.answers(ALICE)) == 1


async def test_what_nobody_waits_for_any_more_is_answered_all_the_same(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    async with a_pipeline(tmp_path, provider=provider, changes={"inbox.keep_after_seconds": 10}) as bridge:
        wrap = bridge.wrap(bridge.request(ALICE, TURN), ALICE)
        accepting = asyncio.create_task(bridge.core.inbox.accept(wrap, link="here"))
        await provider.wait_asked(1)
        accepting.cancel()
        provider.gate.set()
        await bridge.settle()
        assert len(await bridge.answers(ALICE)) == 1
        async with within():
            assert await bridge.accept(wrap) == [Added.DUPLICATE]


async def test_live_answer_that_is_delivered_before_ok_needs_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_pipeline(tmp_path, changes={"inbox.keep_after_seconds": 10}) as bridge:
        written = note_commits(bridge, monkeypatch)
        bridge.here.listen(ALICE.key, LIVE)
        assert await bridge.accept(bridge.wrap(bridge.request(ALICE, TURN), ALICE, LIVE)) == [Added.ADDED]
        assert len(bridge.here.delivered) == 1
        assert written == [0]
        assert await rows(bridge) == 0


async def test_live_answer_that_reaches_nobody_after_all_gets_a_row_before_ok(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_pipeline(tmp_path, changes={"inbox.keep_after_seconds": 10}) as bridge:
        written = note_commits(bridge, monkeypatch)
        bridge.here.listen(ALICE.key, LIVE)
        with monkeypatch.context() as patch:
            patch.setattr(bridge.here, "hand_over", lambda wrap: False)
            assert await bridge.accept(bridge.wrap(bridge.request(ALICE, TURN), ALICE, LIVE)) == [Added.ADDED]
            assert (written, await rows(bridge)) == ([0], 1)
        bridge.core.outbox.listener_came(ALICE.key)
        await bridge.settle()
        assert len(bridge.here.delivered) == 1
        assert await rows(bridge) == 0


async def test_live_answer_to_what_was_acknowledged_before_has_a_row_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    async with a_pipeline(tmp_path, provider=provider, changes={"inbox.keep_after_seconds": 0.01}) as bridge:
        written = note_commits(bridge, monkeypatch)
        bridge.here.listen(ALICE.key, LIVE)
        assert await bridge.accept(bridge.wrap(bridge.request(ALICE, TURN), ALICE, LIVE)) == [Added.ADDED]
        provider.gate.set()
        await bridge.settle()
        assert written == [1]
        assert len(bridge.here.delivered) == 1
        assert await rows(bridge) == 0


async def test_answer_that_is_recorded_and_gets_no_row_is_sent_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "FIRST_RETRY_SECONDS", 0.001)
    async with a_pipeline(tmp_path, changes={"inbox.keep_after_seconds": 10}) as bridge:
        bridge.here.listen(ALICE.key, LIVE)
        rumor = bridge.request(ALICE, TURN)
        with monkeypatch.context() as patch:

            async def fail(_: Any) -> Any:
                raise StorageBusy("no row")

            patch.setattr(bridge.here, "hand_over", lambda wrap: False)
            patch.setattr(bridge.storage.outbox, "add", fail)
            wraps = [bridge.wrap(rumor, ALICE, LIVE), bridge.wrap(rumor, ALICE, LIVE)]
            assert await bridge.accept(*wraps) == [Added.ADDED, Added.ADDED]
        await bridge.settle()
        bridge.core.outbox.listener_came(ALICE.key)
        await bridge.settle()
        assert await bridge.waiting() == []
        assert len({open_wrap(wrap, ALICE.secret).id for wrap in bridge.here.delivered}) == 1
        assert await bridge.remaining(ALICE, "turn") == 99


async def test_same_wrap_gets_the_answer_that_a_crash_kept_from_it(tmp_path: Path) -> None:
    clock = FixedClock()
    changes = {"inbox.keep_after_seconds": 10}
    async with a_pipeline(tmp_path, clock=clock, changes=changes) as bridge:
        rumor = bridge.request(ALICE, TURN)
        wrap, recorded = bridge.wrap(rumor, ALICE, LIVE), asyncio.Event()
        bridge.here.listen(ALICE.key, LIVE)

        async def crash(*_: Any, **__: Any) -> None:
            recorded.set()
            await asyncio.Event().wait()

        bridge.core.outbox.send_now = crash  # type: ignore[method-assign]
        accepting = asyncio.create_task(bridge.core.inbox.accept(wrap, link=HERE))
        async with within(20):
            await recorded.wait()
        accepting.cancel()
    async with a_pipeline(tmp_path, clock=clock, changes=changes, run=2) as bridge:
        bridge.here.listen(ALICE.key, LIVE)
        assert await bridge.accept(wrap) == [Added.ADDED]
        assert len(bridge.here.delivered) == 1
        await bridge.settle()
        assert await bridge.accept(wrap) == [Added.DUPLICATE]
        assert len(bridge.here.delivered) == 1
        assert await bridge.remaining(ALICE, "turn") == 99


@pytest.mark.parametrize("kind", [LIVE, STORED])
async def test_whoever_waits_for_ok_is_told_when_the_workers_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int
) -> None:
    async with a_pipeline(tmp_path, is_running=False, changes={"inbox.keep_after_seconds": 100}) as bridge:
        bridge.here.listen(ALICE.key, LIVE)
        commit, committing = bridge.storage.requests.commit, asyncio.Event()

        async def slowly(answer: Answer) -> Recorded:
            committing.set()
            await asyncio.Event().wait()
            return await commit(answer)

        monkeypatch.setattr(bridge.storage.requests, "commit", slowly)
        wrap = bridge.wrap(bridge.request(ALICE, TURN), ALICE, kind)
        async with within(20), asyncio.TaskGroup() as tasks:
            workers = tasks.create_task(bridge.core.inbox.run())
            accepting = tasks.create_task(bridge.core.inbox.accept(wrap, link=HERE))
            await committing.wait()
            workers.cancel()
            assert await accepting is Added.ADDED
        assert await bridge.waiting() == [wrap.id]


async def test_copies_of_a_wrap_use_up_nothing_for_its_author(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.free.burst": 3}) as bridge:
        rumor = bridge.request(ALICE, TURN)
        wrap = bridge.wrap(rumor, ALICE)
        await bridge.give(wrap)
        for _ in range(9):
            assert await bridge.give(wrap) == [Added.DUPLICATE]
        assert len(await bridge.send(ALICE, rumor)) == 1
