"""Our connection and a relay that others wrote: the one inside nostr-sdk, which guards kind 1059 by NIP-42."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from nostr_sdk import LocalRelay, LocalRelayBuilder

from client.authentication import AuthState
from client.bridge import BridgeClient
from client.clock import SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy
from client.publications import Outcome
from client.subscriptions import SubscriptionState
from client.wrapping import wrap_rumor
from nips import kinds
from nips.event import VerifiedEvent, sign_event
from nips.filter import Filter
from nips.keys import SecretKey
from nips.nip59 import make_rumor, open_wrap
from tests.support.deadline import within
from tests.support.fake_relay import running
from tests.support.wraps import AUTHOR, BRIDGE, STRANGER, drawn

CLOCK, ENTROPY = SystemClock(), SystemEntropy()


@asynccontextmanager
async def local_relay() -> AsyncIterator[str]:
    relay: LocalRelay = LocalRelayBuilder().auth_dm(True).build()
    await relay.run()
    try:
        yield str(await relay.url())
    finally:
        relay.shutdown()


def connection_to(url: str, *keys: SecretKey) -> RelayConnection:
    return RelayConnection(url, keys=keys, clock=CLOCK, entropy=ENTROPY)


def wraps_for(key: SecretKey) -> list[Filter]:
    return [Filter(kinds=kinds.WRAPS, tags={"p": frozenset({str(key.public_key)})})]


def a_wrap(content: str, *, to: SecretKey, kind: int = kinds.GIFT_WRAP) -> VerifiedEvent:
    rumor = make_rumor(AUTHOR.public_key, created_at=CLOCK.now(), kind=14, tags=[], content=content)
    return wrap_rumor(rumor, AUTHOR, to.public_key, kind=kind, clock=CLOCK, entropy=ENTROPY)


async def test_note_is_published_and_received() -> None:
    received: asyncio.Queue[VerifiedEvent] = asyncio.Queue()
    note = sign_event(AUTHOR, created_at=CLOCK.now(), kind=1, tags=[], content='"\\\n\x00😀', aux=drawn("aux"))
    async with within(), local_relay() as url:
        writer, reader = connection_to(url), connection_to(url)
        reader.subscribe("notes", lambda now: [Filter(kinds=frozenset({1}), since=now - 60)], received.put)
        async with running(writer, reader):
            await reader.wait_ready()
            assert (await writer.publish(note)).outcome is Outcome.ACCEPTED
            assert await received.get() == note
            assert (await writer.publish(note)).outcome is Outcome.ACCEPTED


async def test_stored_and_live_wraps_reach_the_authenticated_recipient() -> None:
    received: asyncio.Queue[VerifiedEvent] = asyncio.Queue()
    stored, live = a_wrap("stored", to=BRIDGE), a_wrap("live", to=BRIDGE, kind=kinds.EPHEMERAL_GIFT_WRAP)
    async with within(), local_relay() as url:
        writer, reader = connection_to(url), connection_to(url, BRIDGE)
        reader.subscribe("wraps", lambda now: wraps_for(BRIDGE), received.put)
        async with running(writer, reader):
            assert (await writer.publish(stored)).outcome is Outcome.ACCEPTED
            await reader.wait_ready()
            assert reader.status.auth == {BRIDGE.public_key: AuthState.ACCEPTED}
            assert (await writer.publish(live)).outcome is Outcome.ACCEPTED
            contents = [open_wrap(await received.get(), BRIDGE).content for _ in range(2)]
            assert contents == ["stored", "live"]


async def test_relay_that_takes_one_key_for_a_connection_serves_the_first() -> None:
    received: asyncio.Queue[VerifiedEvent] = asyncio.Queue()
    wrap = a_wrap("for the first", to=BRIDGE)
    served = asyncio.Event()

    async def end_of_stored() -> None:
        served.set()

    async with within(), local_relay() as url:
        writer, reader = connection_to(url), connection_to(url, BRIDGE, STRANGER)
        reader.subscribe("first", lambda now: wraps_for(BRIDGE), received.put, end_of_stored)
        reader.subscribe("second", lambda now: wraps_for(STRANGER), received.put)
        async with running(writer, reader):
            await served.wait()
            assert reader.status.auth == {
                BRIDGE.public_key: AuthState.ACCEPTED,
                STRANGER.public_key: AuthState.REFUSED,
            }
            assert (await writer.publish(wrap)).outcome is Outcome.ACCEPTED
            assert await received.get() == wrap


async def test_without_the_key_wraps_are_refused() -> None:
    async with within(), local_relay() as url:
        reader = connection_to(url)
        reader.subscribe("wraps", lambda now: wraps_for(BRIDGE), asyncio.Queue[VerifiedEvent]().put)
        async with running(reader):
            await reader.wait_ready()
            assert reader.status.subscriptions == {"wraps": SubscriptionState.REFUSED}


@pytest.mark.parametrize("kind", sorted(kinds.WRAPS))
async def test_bridge_is_asked_and_answers_through_it(kind: int) -> None:
    async with within(), local_relay() as url:
        ours, theirs = connection_to(url, AUTHOR), connection_to(url, BRIDGE)

        async def answer(wrap: VerifiedEvent) -> None:
            request = open_wrap(wrap, BRIDGE)
            response = make_rumor(
                BRIDGE.public_key,
                created_at=CLOCK.now(),
                kind=kinds.BRIDGE_RESPONSE,
                tags=[("p", request.pubkey), ("e", request.id)],
                content=json.dumps(
                    {
                        "_v": "1.0.0",
                        "id": json.loads(request.content)["id"],
                        "server_time": CLOCK.now(),
                        "result": {"kind": wrap.kind},
                    }
                ),
            )
            answered = wrap_rumor(response, BRIDGE, request.pubkey, kind=wrap.kind, clock=CLOCK, entropy=ENTROPY)
            # Whoever waits here for the verdict of the connection that delivers would wait for himself.
            answers.put_nowait(answered)

        answers: asyncio.Queue[VerifiedEvent] = asyncio.Queue()
        theirs.subscribe("requests", lambda now: wraps_for(BRIDGE), answer)
        client = BridgeClient(AUTHOR, BRIDGE.public_key, [ours], clock=CLOCK, entropy=ENTROPY)
        async with running(ours, theirs), asyncio.TaskGroup() as tasks:
            await theirs.wait_ready()
            call = tasks.create_task(client.call("bridge.info", kind=kind))
            assert (await theirs.publish(await answers.get())).outcome is Outcome.ACCEPTED
            assert await call == {"kind": kind}
