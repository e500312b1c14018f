"""The bridge client: one request, one result, over relays that lose and repeat and past strangers that forge."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from client.bridge import BridgeClient, BridgeLimits
from client.connection import RelayConnection
from client.envelope import Reply
from nips import kinds
from nips.event import VerifiedEvent, parse_event, verify_event
from nips.nip59 import Rumor, WrapWindow, check_times, open_wrap
from protocol.validation import validate_envelope
from tests.support.bridge_results import RESULTS
from tests.support.deadline import within
from tests.support.fake_bridge import (
    CLOCK,
    ENTROPY,
    client_of,
    deliver,
    echo,
    relay_of,
    response_to,
    undecipherable,
)
from tests.support.fake_relay import FakeRelay, FakeSession, running
from tests.support.wraps import AUTHOR, BRIDGE, STRANGER


async def test_call_returns_the_result() -> None:
    async with within(), FakeRelay(relay_of(echo)) as relay, client_of(relay) as client:
        content = await client.call("account.get", {"a": 1})
        validate_envelope(content)
        assert (content["_v"], content["method"], content["params"]) == ("1.0.0", "account.get", {"a": 1})
        assert len(bytes.fromhex(content["id"])) == 16
        assert client.server_time is not None
        assert abs(client.server_time - CLOCK.now()) < 60


async def test_request_is_a_rumor_for_the_bridge_in_a_fresh_live_wrap() -> None:
    seen: list[tuple[VerifiedEvent, Rumor]] = []

    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        seen.append((wrap, request))
        await echo(session, wrap, request)

    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        await client.call("account.get")
    ((wrap, request),) = seen
    assert (request.pubkey, request.kind, request.tags) == (AUTHOR.public_key, 24390, (("p", BRIDGE.public_key),))
    assert wrap.kind == 21059
    check_times(wrap, now=CLOCK.now(), window=WrapWindow())


async def test_request_that_waits_for_the_bridge_travels_in_a_stored_wrap_that_expires() -> None:
    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        assert (wrap.kind, wrap.first_tag("expiration")) == (1059, str(expires_at))
        await deliver(session, response_to(request, result=json.loads(request.content), wrap_kind=1059))

    expires_at = CLOCK.now() + 600
    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        content = await client.call(
            "account.get", kind=kinds.GIFT_WRAP, expires_at=expires_at, reply=Reply.STORED, invite="code"
        )
        assert (content["expires_at"], content["reply"], content["invite"]) == (expires_at, "stored", "code")


async def test_nothing_is_asked_before_the_answer_can_be_heard() -> None:
    async def relay(session: FakeSession) -> None:
        _, name, *filters = await session.expect("REQ")
        assert [wanted["kinds"] for wanted in filters] == [[1059], [21059]]
        assert all(wanted["#p"] == [AUTHOR.public_key] for wanted in filters)
        assert CLOCK.now() - filters[0]["since"] > 2 * 86_400
        await session.say("CLOSED", name, "auth-required: only what is yours")
        await session.say("AUTH", "challenge")
        _, auth = await session.expect("AUTH")
        await session.say("OK", auth["id"], True, "")
        await session.expect("REQ")
        await session.say("EOSE", name)
        _, wrap = await session.expect("EVENT")
        request = open_wrap(verify_event(parse_event(wrap)), BRIDGE)
        # Before its OK: an answer needs none.
        await session.say("EVENT", name, response_to(request, result={"done": True}).to_dict())

    async with within(), FakeRelay(relay) as server, client_of(server) as client:
        assert await client.call("account.get") == {"done": True}


async def test_only_the_bridges_answer_to_this_request_counts() -> None:
    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        forged: dict[str, Any] = {"result": {"forged": True}}
        asker, other = ("p", request.pubkey), ("p", STRANGER.public_key)
        for wrap in (
            response_to(request, by=STRANGER, **forged),
            response_to(request, kind=14, **forged),
            response_to(request, kind=24392, **forged),
            response_to(request, tags=[asker], **forged),
            response_to(request, tags=[asker, ("e",)], **forged),
            response_to(request, tags=[asker, ("e", "00" * 32)], **forged),
            response_to(request, tags=[other, ("e", request.id)], **forged),
            response_to(request, to=STRANGER.public_key, **forged),
        ):
            await deliver(session, wrap)
        await deliver(session, undecipherable())
        await deliver(session, response_to(request, result={"true": True}))

    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        assert await client.call("account.get") == {"true": True}


async def test_what_comes_while_nothing_is_asked_is_left_alone() -> None:
    async def relay(session: FakeSession) -> None:
        _, session.subscription, *_ = await session.expect("REQ")
        await deliver(session, undecipherable())
        await session.say("EOSE", session.subscription)
        _, wrap = await session.expect("EVENT")
        await echo(session, wrap, open_wrap(verify_event(parse_event(wrap)), BRIDGE))

    async with within(), FakeRelay(relay) as server, client_of(server) as client:
        assert (await client.call("account.get"))["method"] == "account.get"


async def test_request_that_brings_no_answer_is_sent_again_as_the_same_rumor_in_a_new_wrap() -> None:
    seen: list[tuple[str, str]] = []

    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        seen.append((wrap.id, request.id))
        if len(seen) == 3:
            await deliver(session, response_to(request, result={}))

    limits = BridgeLimits(retry_seconds=0.02)
    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay, limits=limits) as client:
        assert await client.call("account.get") == {}
    wraps, rumors = zip(*seen, strict=True)
    assert (len(set(wraps)), len(set(rumors))) == (3, 1)


async def test_request_whose_verdict_never_comes_is_sent_again_too() -> None:
    requests = 0

    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        nonlocal requests
        requests += 1
        if requests == 2:
            await deliver(session, response_to(request, result={}))

    limits = BridgeLimits(retry_seconds=0.02, publish_seconds=0.02)
    script = relay_of(bridge, accept=False)
    async with within(), FakeRelay(script) as relay, client_of(relay, limits=limits) as client:
        assert await client.call("account.get") == {}


async def test_relay_that_never_ends_what_is_stored_is_asked_all_the_same() -> None:
    async def relay(session: FakeSession) -> None:
        _, name, *_ = await session.expect("REQ")
        _, wrap = await session.expect("EVENT")
        request = open_wrap(verify_event(parse_event(wrap)), BRIDGE)
        await session.say("EVENT", name, response_to(request, result={}).to_dict())

    limits = BridgeLimits(ready_seconds=0.05)
    async with within(), FakeRelay(relay) as server, client_of(server, limits=limits) as client:
        assert await client.call("account.get") == {}


async def test_repeated_answers_are_one() -> None:
    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        for number in range(3):
            await deliver(session, response_to(request, result={"answer": number}))

    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        assert await client.call("account.get") == {"answer": 0}
        assert await client.call("account.get") == {"answer": 0}


async def test_calls_at_once_each_get_their_own_answer() -> None:
    waiting: list[Rumor] = []

    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        waiting.append(request)
        if len(waiting) == 10:
            for each in reversed(waiting):
                await deliver(session, response_to(each, result=json.loads(each.content)["params"]))

    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        results = await asyncio.gather(*(client.call("account.get", {"n": number}) for number in range(10)))
        assert results == [{"n": number} for number in range(10)]


async def test_bridge_that_answers_over_another_relay_is_heard() -> None:
    subscribed: asyncio.Future[FakeSession] = asyncio.get_running_loop().create_future()

    async def asking(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        await deliver(await subscribed, response_to(request, result={"over": "the other"}))

    async def answering(session: FakeSession) -> None:
        _, name, *_ = await session.expect("REQ")
        session.subscription = name
        await session.say("EOSE", name)
        await session.expect("EVENT")
        subscribed.set_result(session)

    async with (
        within(),
        FakeRelay(relay_of(asking)) as one,
        FakeRelay(answering) as other,
        client_of(one, other) as client,
    ):
        assert await client.call("account.get") == {"over": "the other"}


async def test_closed_client_is_given_nothing_more() -> None:
    async def relay(session: FakeSession) -> None:
        _, name, *_ = await session.expect("REQ")
        await session.say("EOSE", name)
        assert await session.expect("CLOSE") == ["CLOSE", name]
        closed.set()

    closed = asyncio.Event()
    async with within(), FakeRelay(relay) as server:
        connection = RelayConnection(server.url, clock=CLOCK, entropy=ENTROPY)
        client = BridgeClient(AUTHOR, BRIDGE.public_key, [connection], clock=CLOCK, entropy=ENTROPY)
        async with running(connection):
            await connection.wait_ready()
            client.close()
            await closed.wait()


async def test_each_method_returns_its_own_value() -> None:
    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        method = json.loads(request.content)["method"]
        await deliver(session, response_to(request, result=RESULTS[method]))

    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        assert (await client.info()).pubkey == BRIDGE.public_key
        assert (await client.account()).pubkey == AUTHOR.public_key
        assert (await client.turn_credentials()).password == "a password"


async def test_access_key_has_sixteen_bytes() -> None:
    async with within(), FakeRelay(relay_of(echo)) as relay, client_of(relay) as client:
        for wrong in (b"", bytes(15), bytes(17)):
            with pytest.raises(ValueError, match="16 bytes"):
                await client.set_access_key(wrong)


@pytest.mark.parametrize(("relay_only", "params"), [(False, {}), (True, {"relay_only": True})])
async def test_relay_only_is_asked_for_when_wished(relay_only: bool, params: dict[str, bool]) -> None:
    async def bridge(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
        assert json.loads(request.content)["params"] == params
        await deliver(session, response_to(request, result=RESULTS["turn.get_credentials"]))

    async with within(), FakeRelay(relay_of(bridge)) as relay, client_of(relay) as client:
        await client.turn_credentials(relay_only=relay_only)
