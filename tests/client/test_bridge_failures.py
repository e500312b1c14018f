"""Calls that bring no result: each says why, and as soon as it is certain."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from client.bridge import BridgeClient, BridgeLimits
from client.connection import RelayConnection
from client.errors import (
    BridgeRefusal,
    BridgeSilent,
    BridgeUnreachable,
    InvalidResponse,
    Refusal,
    TooManyCalls,
)
from client.publications import Outcome, Verdict
from nips.event import VerifiedEvent
from nips.nip59 import Rumor
from tests.support.deadline import SCALE, within
from tests.support.fake_bridge import (
    CLOCK,
    ENTROPY,
    client_of,
    deliver,
    echo,
    relay_of,
    response_to,
    say_nothing,
)
from tests.support.fake_relay import FakeRelay, FakeSession, running
from tests.support.wraps import AUTHOR, BRIDGE


async def test_refusal_of_the_bridge_is_raised_with_its_facts() -> None:
    error: dict[str, Any] = {
        "code": "CALL_RELAY_RATE_LIMITED",
        "status": 429,
        "message": "Please wait.",
        "retry": True,
        "retry_after": 7,
        "field": "/params",
        "data": {"a": 1},
    }

    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        await deliver(session, response_to(request, error=error))

    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        with pytest.raises(BridgeRefusal) as caught:
            await client.turn_credentials()
        assert caught.value.refusal == Refusal(**error)


async def test_refusal_of_a_request_whose_id_the_bridge_could_not_read_counts() -> None:
    error = {"code": "BRIDGE_INVALID_REQUEST", "status": 400, "message": "No.", "retry": False, "field": "/id"}

    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        await deliver(session, response_to(request, id=None, error=error))

    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        with pytest.raises(BridgeRefusal):
            await client.call("account.get")


@pytest.mark.parametrize(
    "wrong",
    [
        {"raw": "nonsense"},
        {"raw": "{}"},
        {"result": {}, "_v": "2.0.0"},
        {"result": {}, "id": "another"},
        {"result": {}, "server_time": None},
    ],
    ids=str,
)
async def test_nonsense_of_the_bridge_ends_the_call(wrong: dict[str, Any]) -> None:
    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        await deliver(session, response_to(request, **wrong))

    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        with pytest.raises(InvalidResponse):
            await client.call("account.get")
        assert client.server_time is None


async def test_silent_bridge_is_told_from_a_silent_relay() -> None:
    async with within(), FakeRelay(relay_of(say_nothing)) as relay, client_of(relay) as client:
        with pytest.raises(BridgeSilent) as caught:
            await client.call("account.get", timeout_seconds=0.3 * SCALE)
        assert caught.value.verdicts == {relay.url: Verdict(Outcome.ACCEPTED)}


async def test_relay_that_is_not_there_is_waited_for_until_the_time_is_over() -> None:
    async with FakeRelay(relay_of(echo)) as gone:
        connection = RelayConnection(gone.url, clock=CLOCK, entropy=ENTROPY)
    limits = BridgeLimits(ready_seconds=0.02)
    client = BridgeClient(AUTHOR, BRIDGE.public_key, [connection], clock=CLOCK, entropy=ENTROPY, limits=limits)
    async with within(), running(connection):
        with pytest.raises(BridgeSilent) as caught:
            await client.call("account.get", timeout_seconds=0.1)
        assert caught.value.verdicts == {}


async def refuse(session: FakeSession) -> None:
    """Be a relay that serves but takes nothing."""
    _, name, *_ = await session.expect("REQ")
    await session.say("EOSE", name)
    _, wrap = await session.expect("EVENT")
    await session.say("OK", wrap["id"], False, "blocked: kind")


async def test_call_that_every_relay_refuses_fails_at_once() -> None:
    async with within(), FakeRelay(refuse) as relay, client_of(relay) as client:
        with pytest.raises(BridgeUnreachable) as caught:
            await client.call("account.get", timeout_seconds=3_600)
        assert caught.value.verdicts == {relay.url: Verdict(Outcome.REFUSED, "blocked: kind")}


async def test_call_that_no_relay_would_answer_fails_at_once() -> None:
    async def relay(session: FakeSession) -> None:
        _, name, *_ = await session.expect("REQ")
        await session.say("CLOSED", name, "restricted: not you")

    async with within(), FakeRelay(relay) as server, client_of(server) as client:
        with pytest.raises(BridgeUnreachable) as caught:
            await client.call("account.get", timeout_seconds=3_600)
        assert caught.value.verdicts[server.url].outcome is Outcome.REFUSED


async def test_one_relay_that_works_is_enough() -> None:
    refused = asyncio.Event()

    async def bad_relay(session: FakeSession) -> None:
        await refuse(session)
        refused.set()

    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        await refused.wait()
        await echo(session, wrap, request)

    async with (
        within(),
        FakeRelay(bad_relay) as bad,
        FakeRelay(relay_of(bridge)) as good,
        client_of(bad, good) as client,
    ):
        assert (await client.call("account.get"))["method"] == "account.get"


async def test_calls_that_wait_are_bounded() -> None:
    asked = asyncio.Event()

    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        if asked.is_set():
            await echo(session, wrap, request)
        asked.set()

    limits = BridgeLimits(max_calls=1)
    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay, limits=limits) as client:
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(client.call("account.get"))
            await asked.wait()
            with pytest.raises(TooManyCalls):
                await client.call("account.get")
            first.cancel()
        await client.call("account.get")


def test_bridge_without_a_relay_cannot_be_asked() -> None:
    with pytest.raises(ValueError, match="at least one relay"):
        BridgeClient(AUTHOR, BRIDGE.public_key, [], clock=CLOCK, entropy=ENTROPY)
