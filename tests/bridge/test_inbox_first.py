"""Wraps that are answered before they are written down: OK with the answer, and kept only when that takes long."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from storage.errors import StorageBusy
from storage.interface import Added
from tests.support.deadline import within
from tests.support.edges import ScriptedProvider
from tests.support.pipeline import Client, Pipeline, a_pipeline

ALICE = Client("alice")
TURN = "turn.get_credentials"


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
