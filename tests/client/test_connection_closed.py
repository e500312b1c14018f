"""The end of a connection: it says goodbye, hands on what it has, and leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest

from client.backoff import BackoffLimits
from client.clock import SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy
from client.limits import ConnectionLimits
from client.publications import Outcome
from nips.event import VerifiedEvent
from tests.support.deadline import within
from tests.support.fake_relay import FakeRelay, FakeSession, running
from tests.support.link_conversation import a_note
from tests.support.relay_connection import Inbox, connection_to, notes, silence


async def test_closing_says_goodbye_and_ends_everything() -> None:
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def relay(session: FakeSession) -> None:
        await session.expect("EVENT")
        await codes.put(await session.wait_closed())

    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url)
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(connection.run())
            publishing = tasks.create_task(connection.publish(a_note()))
            await connection.wait_ready()
            await connection.close()
            assert await codes.get() == 1000
            assert (await publishing).outcome is Outcome.UNANSWERED
            await run
        assert (await connection.publish(a_note())).outcome is Outcome.UNANSWERED
        await connection.close()


async def test_closing_hands_on_what_was_received() -> None:
    release = asyncio.Event()
    inbox = Inbox()

    async def wait_for_release(event: VerifiedEvent) -> None:
        await release.wait()
        await inbox.take(event)

    async def relay(session: FakeSession) -> None:
        await session.expect("REQ")
        await session.say("EVENT", "a", a_note("one").to_dict())
        await session.say("EVENT", "a", a_note("two").to_dict())
        await session.say("EOSE", "a")
        await session.wait_closed()
        release.set()

    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url)
        connection.subscribe("a", notes, wait_for_release)
        async with running(connection):
            await connection.wait_ready()
        assert [inbox.events.get_nowait().content for _ in range(2)] == ["one", "two"]


async def test_subscriber_that_hangs_does_not_hold_the_closing_up(caplog: pytest.LogCaptureFixture) -> None:
    async def hang(event: VerifiedEvent) -> None:
        await asyncio.Event().wait()

    async def relay(session: FakeSession) -> None:
        await session.expect("REQ")
        await session.say("EVENT", "a", a_note("one").to_dict())
        await session.say("EVENT", "a", a_note("two").to_dict())
        await session.say("EOSE", "a")

    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url, close_seconds=0.05)
        connection.subscribe("a", notes, hang)
        async with running(connection):
            await connection.wait_ready()
    assert "were not handed on" in caplog.text


async def test_closing_between_two_attempts_waits_for_neither() -> None:
    attempts: asyncio.Queue[str] = asyncio.Queue()

    async def refuse(host: str) -> str:
        await attempts.put(host)
        raise OSError("nothing there")

    patient = ConnectionLimits(backoff=BackoffLimits(first_seconds=3_600, cap_seconds=3_600))
    connection = RelayConnection(
        "ws://relay.invalid", clock=SystemClock(), entropy=SystemEntropy(), limits=patient, resolve=refuse
    )
    async with within(), running(connection):
        assert await attempts.get() == "relay.invalid"
    assert attempts.empty()


async def test_cancelled_run_leaves_no_task_and_no_caller_waiting() -> None:
    codes: asyncio.Queue[int | None] = asyncio.Queue()

    async def relay(session: FakeSession) -> None:
        await session.expect("EVENT")
        await codes.put(await session.wait_closed())

    async with within(), FakeRelay(relay) as server:
        connection = connection_to(server.url)
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(connection.run())
            publishing = tasks.create_task(connection.publish(a_note()))
            await connection.wait_ready()
            names = {task.get_coro() for task in asyncio.all_tasks()}
            run.cancel()
            assert (await publishing).outcome is Outcome.UNANSWERED
        assert await codes.get() == 1000
        left = {task.get_coro() for task in asyncio.all_tasks()} & names
        assert not [coroutine for coroutine in left if "RelayConnection" in repr(coroutine)]


async def test_connection_runs_once() -> None:
    async with within(), FakeRelay(silence) as server:
        connection = connection_to(server.url)
        async with running(connection):
            await connection.wait_ready()
            with pytest.raises(RuntimeError, match="once"):
                await connection.run()


async def test_connection_that_never_ran_closes_at_once() -> None:
    connection = connection_to("ws://127.0.0.1:9")
    async with within():
        await connection.close()
    assert (await connection.publish(a_note())).outcome is Outcome.UNANSWERED
