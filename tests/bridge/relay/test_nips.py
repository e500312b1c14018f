"""Each NIP that the relay says it supports, seen on the wire; what it does not support is not in its document."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest

from bridge.relay.endpoint import RelayEndpoint
from bridge.relay.limits import PublishLimits, QueryLimits, RelayLimits
from nips.event import VerifiedEvent
from nips.messages import Closed, Counted, EndOfStored, Hint, Ok, write_count, write_publish, write_request
from nips.nip11 import MEDIA_TYPE
from nips.nip13 import difficulty
from storage.sqlite import SqliteStorage
from tests.bridge.relay.builders import (
    ALICE,
    BOB,
    BRIDGE,
    LIVE,
    NOW,
    SENDER,
    STORED,
    Inbox,
    a_filter,
    a_wrap,
    altered,
    an_event,
)
from tests.bridge.relay.peer import Peer, peer
from tests.support.clock import FixedClock
from tests.support.entropy import SeededEntropy

BITS = 5
LIMITS = RelayLimits(publish=PublishLimits(min_pow_difficulty=BITS), query=QueryLimits(max_limit=3, default_limit=3))


def worked(make: Callable[[list[tuple[str, ...]]], VerifiedEvent]) -> VerifiedEvent:
    """Return an event with the work that this relay asks for."""
    events = (make([("nonce", str(number), str(BITS))]) for number in count())
    return next(event for event in events if difficulty(event.id) >= BITS)


def worked_event(kind: int = 0, *tags: tuple[str, ...], by: object = SENDER, created_at: int = NOW) -> VerifiedEvent:
    return worked(lambda nonce: an_event(by, kind=kind, tags=[*nonce, *tags], created_at=created_at))  # type: ignore[arg-type]


def worked_wrap(kind: int = STORED, content: str = "sealed") -> VerifiedEvent:
    return worked(lambda nonce: a_wrap(ALICE, kind=kind, tags=nonce, content=content))


def refused(verdict: Ok, words: str) -> bool:
    return not verdict.accepted and verdict.message.startswith(words)


async def nip01(client: Peer) -> None:
    event = worked_event()
    assert (await client.publish(event)).accepted
    assert await client.request(a_filter(kinds=[0], authors=[SENDER.public_key])) == [event.id]
    assert refused(await client.publish(altered(event, content="other")), "invalid: ")


async def nip09(client: Peer) -> None:
    event = worked_event()
    await client.publish(event)
    request = worked_event(5, ("e", event.id), ("k", "0"))
    assert (await client.publish(request)).accepted
    assert await client.request(a_filter(authors=[SENDER.public_key])) == [request.id]
    assert refused(await client.publish(event), "blocked: ")


async def nip11(client: Peer) -> None:
    assert (await information(client))["limitation"]["max_limit"] == 3


async def nip13(client: Peer) -> None:
    assert (await information(client))["limitation"]["min_pow_difficulty"] == BITS
    verdict = await client.publish(an_event(kind=0))
    assert refused(verdict, "pow: 5 bits of work are needed")
    assert (await client.publish(worked_event())).accepted


async def nip17(client: Peer) -> None:
    listed, wrap = worked_event(10050, ("relay", client.url), by=ALICE), worked_wrap()
    assert (await client.publish(listed)).accepted
    assert (await client.publish(wrap)).accepted
    assert await client.request(a_filter(kinds=[10050], authors=[ALICE.public_key])) == [listed.id]
    await client.prove(ALICE)
    assert await client.request(a_filter(kinds=[STORED])) == [wrap.id]


async def nip40(client: Peer) -> None:
    assert refused(await client.publish(worked_event(0, ("expiration", str(NOW)))), "invalid: ")
    assert (await client.publish(worked_event(0, ("expiration", str(NOW + 1))))).accepted


async def nip42(client: Peer) -> None:
    assert client.challenge
    assert (await client.prove(ALICE)).accepted
    assert (await client.prove(BOB)).accepted


async def nip45(client: Peer) -> None:
    await client.publish(worked_event())
    await client.say(write_count("q", [a_filter(kinds=[0]), a_filter()]))
    assert await client.hear() == Counted("q", 1)
    await client.say(write_count("q", [a_filter(kinds=[STORED])]))
    closed = await client.hear()
    assert isinstance(closed, Closed)
    assert closed.message.startswith("auth-required: ")


async def nip59(client: Peer) -> None:
    stored, live = worked_wrap(), worked_wrap(LIVE)
    await client.publish(stored)
    assert isinstance(await client.request(a_filter(kinds=[STORED, LIVE])), Closed)
    await client.prove(ALICE)
    assert await client.request(a_filter(kinds=[STORED, LIVE])) == [stored.id]
    await client.say(write_publish(live))
    assert {type(await client.hear()).__name__ for _ in range(2)} == {"Delivered", "Ok"}
    assert await client.request(a_filter(ids=[live.id]), identity="t") == []


async def nip62(client: Peer) -> None:
    event = worked_event(by=ALICE)
    await client.publish(event)
    await client.publish(worked_wrap())
    assert refused(await client.publish(worked_event(62, ("relay", "wss://other.example"), by=ALICE)), "invalid: ")
    request = worked_event(62, ("relay", client.url), by=ALICE)
    assert (await client.publish(request)).accepted
    await client.prove(ALICE)
    assert await client.request(a_filter()) == [request.id]
    assert refused(await client.publish(event), "blocked: ")


async def nip65(client: Peer) -> None:
    listed = worked_event(10002, ("r", "wss://relay.example"))
    assert (await client.publish(listed)).accepted
    assert await client.request(a_filter(kinds=[10002], r=["wss://relay.example"])) == [listed.id]


async def nip67(client: Peer) -> None:
    for number in range(4):
        await client.publish(worked_event(10002 if number == 3 else 0, by=(ALICE, BOB, SENDER, BRIDGE)[number]))
    for wanted, hint in ((a_filter(), Hint.MORE), (a_filter(kinds=[0]), Hint.FINISH)):
        await client.say(write_request("s", [wanted]))
        heard = [await client.hear() for _ in range(4)]
        assert heard[-1] == EndOfStored("s", hint)


async def nip70(client: Peer) -> None:
    event = worked_event(0, ("-",))
    assert refused(await client.publish(event), "auth-required: ")
    await client.prove(ALICE)
    assert refused(await client.publish(event), "restricted: ")
    await client.prove(SENDER)
    assert (await client.publish(event)).accepted


CHECKS: dict[int, Callable[[Peer], Awaitable[None]]] = {
    1: nip01,
    9: nip09,
    11: nip11,
    13: nip13,
    17: nip17,
    40: nip40,
    42: nip42,
    45: nip45,
    59: nip59,
    62: nip62,
    65: nip65,
    67: nip67,
    70: nip70,
}


async def information(client: Peer) -> dict[str, Any]:
    """Return the relay's document."""

    def fetch() -> str:
        connection = http.client.HTTPConnection(client.url.removeprefix("ws://"), timeout=10)
        connection.request("GET", "/", headers={"Accept": MEDIA_TYPE})
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    document: dict[str, Any] = json.loads(await asyncio.to_thread(fetch))
    return document


def a_relay(storage: SqliteStorage) -> RelayEndpoint:
    return RelayEndpoint(
        bridge=BRIDGE.public_key,
        inbox=Inbox(),
        storage=storage,
        clock=FixedClock(NOW),
        entropy=SeededEntropy(),
        host="127.0.0.1",
        port=0,
        limits=LIMITS,
    )


async def test_document_names_the_nips_that_are_checked_here(storage: SqliteStorage) -> None:
    async with a_relay(storage) as relay, peer(relay.url) as client:
        assert (await information(client))["supported_nips"] == list(CHECKS)


@pytest.mark.parametrize("nip", CHECKS)
async def test_nip_is_supported(storage: SqliteStorage, nip: int) -> None:
    async with a_relay(storage) as relay, peer(relay.url) as client:
        await CHECKS[nip](client)
