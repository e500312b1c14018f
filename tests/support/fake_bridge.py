"""A bridge behind a fake relay: it opens requests and answers as a test says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed

from client.bridge import BridgeClient, BridgeLimits
from client.clock import SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy
from client.wrapping import wrap_rumor
from nips import kinds
from nips.event import VerifiedEvent, parse_event, sign_event, verify_event
from nips.keys import PublicKey, SecretKey
from nips.nip59 import Rumor, make_rumor, open_wrap
from tests.support.fake_relay import FakeRelay, FakeSession, Script, running
from tests.support.wraps import AUTHOR, BRIDGE, STRANGER, drawn

CLOCK, ENTROPY = SystemClock(), SystemEntropy()
PATIENT = BridgeLimits(retry_seconds=3_600, ready_seconds=3_600, publish_seconds=3_600)

Bridge = Callable[[FakeSession, VerifiedEvent, Rumor], Awaitable[None]]
"""What a bridge behind the relay does with a request that it could open."""


def relay_of(bridge: Bridge, *, accept: bool = True) -> Script:
    """Return the script of a relay that serves every REQ, takes every wrap and has a bridge behind it."""

    async def relay(session: FakeSession) -> None:
        try:
            while True:
                verb, *rest = json.loads(await session.socket.recv())
                if verb == "REQ":
                    session.subscription = rest[0]
                    await session.say("EOSE", rest[0])
                elif verb == "EVENT":
                    wrap = verify_event(parse_event(rest[0]))
                    if accept:
                        await session.say("OK", wrap.id, True, "")
                    await bridge(session, wrap, open_wrap(wrap, BRIDGE))
        except ConnectionClosed:
            pass

    return relay


async def deliver(session: FakeSession, wrap: VerifiedEvent) -> None:
    """Let the relay hand an event to whoever asked last."""
    await session.say("EVENT", session.subscription, wrap.to_dict())


def response_to(
    request: Rumor,
    *,
    by: SecretKey = BRIDGE,
    to: PublicKey = AUTHOR.public_key,
    kind: int = kinds.BRIDGE_RESPONSE,
    tags: list[tuple[str, ...]] | None = None,
    raw: str | None = None,
    wrap_kind: int = kinds.EPHEMERAL_GIFT_WRAP,
    **fields: Any,
) -> VerifiedEvent:
    """Return a wrapped response; `fields` are its content, `raw` stands for the whole content."""
    content = {"_v": "1.0.0", "id": json.loads(request.content)["id"], "server_time": CLOCK.now(), **fields}
    rumor = make_rumor(
        by.public_key,
        created_at=CLOCK.now(),
        kind=kind,
        tags=[("p", request.pubkey), ("e", request.id)] if tags is None else tags,
        content=json.dumps(content) if raw is None else raw,
    )
    return wrap_rumor(rumor, by, to, kind=wrap_kind, clock=CLOCK, entropy=ENTROPY)


def undecipherable() -> VerifiedEvent:
    """Return a wrap for our key that does not open."""
    tags = [("p", AUTHOR.public_key)]
    return sign_event(STRANGER, created_at=CLOCK.now(), kind=kinds.GIFT_WRAP, tags=tags, content="", aux=drawn("aux"))


async def echo(session: FakeSession, wrap: object, request: Rumor) -> None:
    """Answer with the request's own content."""
    await deliver(session, response_to(request, result=json.loads(request.content)))


async def say_nothing(session: FakeSession, wrap: VerifiedEvent, request: Rumor) -> None:
    """Be a bridge that is not there."""


@asynccontextmanager
async def client_of(
    *relays: FakeRelay, limits: BridgeLimits = PATIENT, invite: str | None = None
) -> AsyncIterator[BridgeClient]:
    """Run a client that asks over these relays."""
    connections = [RelayConnection(relay.url, keys=[AUTHOR], clock=CLOCK, entropy=ENTROPY) for relay in relays]
    client = BridgeClient(
        AUTHOR, BRIDGE.public_key, connections, clock=CLOCK, entropy=ENTROPY, limits=limits, invite=invite
    )
    async with running(*connections):
        yield client
