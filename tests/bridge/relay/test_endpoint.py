"""The whole relay over real sockets, on the real storage."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.relay.conversation import Conversation
from bridge.relay.endpoint import RelayEndpoint, own_urls
from bridge.relay.information import RelayProfile
from bridge.relay.limits import PublishLimits, RelayLimits, SessionLimits
from nips.messages import Closed, Ok, Prefix, prefix_of, write_publish
from nips.nip11 import MEDIA_TYPE
from storage.database import Limits
from storage.encryption import KeyRing
from storage.interface import HERE, Added
from storage.space import SpaceLimits
from storage.sqlite import SqliteStorage, open_storage
from tests.bridge.relay.builders import (
    ALICE,
    BOB,
    BRIDGE,
    DOORS,
    LIVE,
    NOW,
    SENDER,
    STORED,
    Inbox,
    a_filter,
    a_wrap,
    an_auth,
    an_event,
    doors_to,
)
from tests.bridge.relay.peer import peer
from tests.storage.builders import a_new_account
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.entropy import SeededEntropy

Start = Callable[..., AbstractAsyncContextManager[RelayEndpoint]]
KINDS = pytest.mark.parametrize("kind", [STORED, LIVE])


@pytest.fixture
def start(storage: SqliteStorage, inbox: Inbox, clock: FixedClock) -> Start:
    """Return what opens a relay on a free port."""

    @asynccontextmanager
    async def open_relay(**changes: Any) -> AsyncIterator[RelayEndpoint]:
        parts: dict[str, Any] = {"storage": storage, "inbox": inbox, "clock": clock, "host": "127.0.0.1", "port": 0}
        async with RelayEndpoint(bridge=BRIDGE.public_key, entropy=SeededEntropy(), **{**parts, **changes}) as endpoint:
            yield endpoint

    return open_relay


@pytest.fixture
async def relay(start: Start) -> AsyncIterator[RelayEndpoint]:
    async with start() as endpoint:
        yield endpoint


# --- keys that are worth nothing any more


async def test_connections_that_proved_a_key_are_closed_and_told_why(relay: RelayEndpoint) -> None:
    async with peer(relay.url) as alice, peer(relay.url) as both, peer(relay.url) as bob, peer(relay.url) as nobody:
        for client, key in ((alice, ALICE), (both, BOB), (both, ALICE), (bob, BOB)):
            assert (await client.prove(key)).accepted
        await alice.request(a_filter(kinds=[STORED, LIVE], p=[ALICE.public_key]))
        assert relay.dismiss([ALICE.public_key], "this key was revoked") == 2
        assert await alice.closed() == await both.closed() == (1008, "this key was revoked")
        assert await bob.request(a_filter(kinds=[10002])) == []
        assert await nobody.request(a_filter(kinds=[10002])) == []
        assert relay.dismiss([ALICE.public_key], "again") == 0


async def test_nothing_is_delivered_to_a_key_from_the_moment_on(relay: RelayEndpoint) -> None:
    async with peer(relay.url) as alice:
        await alice.prove(ALICE)
        await alice.request(a_filter(kinds=[LIVE], p=[ALICE.public_key]))
        assert relay.is_listening(ALICE.public_key, LIVE)
        relay.dismiss([ALICE.public_key], "gone")
        assert not relay.is_listening(ALICE.public_key, LIVE)
        assert not relay.hand_over(a_wrap(kind=LIVE))
        assert await alice.closed() == (1008, "gone")


async def test_key_may_be_proved_again_like_that_of_any_stranger(relay: RelayEndpoint) -> None:
    async with peer(relay.url) as alice:
        await alice.prove(ALICE)
        relay.dismiss([ALICE.public_key], "gone")
        await alice.closed()
    async with peer(relay.url) as alice:
        assert (await alice.prove(ALICE)).accepted


# --- one exchange


async def test_wrap_published_by_anybody_reaches_its_recipient_live_and_stored(relay: RelayEndpoint) -> None:
    async with peer(relay.url) as alice, peer(relay.url) as sender:
        assert (await alice.prove(ALICE)).accepted
        assert await alice.request(a_filter(kinds=[STORED, LIVE], p=[ALICE.public_key])) == []
        stored, live = a_wrap(), a_wrap(kind=LIVE)
        assert await sender.publish(stored) == Ok(stored.id, True, "")
        assert await sender.publish(live) == Ok(live.id, True, "")
        assert [await alice.delivered(), await alice.delivered()] == [("s", stored.id), ("s", live.id)]
        assert await alice.request(a_filter(kinds=[STORED, LIVE]), identity="again") == [stored.id]


async def test_wrap_for_the_bridge_is_handed_over_and_served_to_nobody(relay: RelayEndpoint, inbox: Inbox) -> None:
    wraps = [a_wrap(BRIDGE), a_wrap(BRIDGE, kind=LIVE)]
    async with peer(relay.url) as holder, peer(relay.url) as sender:
        await holder.prove(BRIDGE)
        assert await holder.request(a_filter()) == []
        for wrap in wraps:
            assert (await sender.publish(wrap)).accepted
        assert inbox.wraps == [(wrap, HERE) for wrap in wraps]
        assert await holder.request(a_filter(ids=[wrap.id for wrap in wraps]), identity="t") == []
        refused = await holder.request(a_filter(kinds=[STORED]), identity="u")
        assert isinstance(refused, Closed)


async def test_ok_for_the_bridges_wrap_is_sent_when_the_inbox_has_it(relay: RelayEndpoint, inbox: Inbox) -> None:
    inbox.gate = asyncio.Event()
    async with peer(relay.url) as sender, peer(relay.url) as other:
        wrap = a_wrap(BRIDGE)
        await sender.say(write_publish(wrap))
        # Others are served meanwhile.
        assert (await other.publish(an_event())).accepted
        assert inbox.wraps == []
        inbox.gate.set()
        assert await sender.hear() == Ok(wrap.id, True, "")


@pytest.mark.parametrize(
    ("verdict", "ok", "prefix"), [(Added.FULL, False, Prefix.RATE_LIMITED), (Added.DUPLICATE, True, Prefix.DUPLICATE)]
)
async def test_inbox_that_is_full_or_knows_the_wrap_is_told(
    relay: RelayEndpoint, inbox: Inbox, verdict: Added, ok: bool, prefix: Prefix
) -> None:
    inbox.verdict = verdict
    async with peer(relay.url) as sender:
        answer = await sender.publish(a_wrap(BRIDGE))
    assert (answer.accepted, prefix_of(answer.message)) == (ok, prefix)


async def test_public_events_are_everybodys(relay: RelayEndpoint) -> None:
    inbox_relays, remote_signing = an_event(ALICE, kind=10050), an_event(kind=24133)
    async with peer(relay.url) as reader, peer(relay.url) as author:
        await author.publish(inbox_relays)
        assert await reader.request(a_filter(kinds=[10050, 24133])) == [inbox_relays.id]
        await author.publish(remote_signing)
        newer = an_event(ALICE, kind=10050, created_at=NOW + 1)
        await author.publish(newer)
        assert [await reader.delivered(), await reader.delivered()] == [("s", remote_signing.id), ("s", newer.id)]
        older = await author.publish(an_event(ALICE, kind=10050, created_at=NOW - 1))
        assert older.accepted
        assert prefix_of(older.message) is Prefix.DUPLICATE
        assert await reader.request(a_filter(authors=[ALICE.public_key]), identity="t") == [newer.id]


async def test_auth_event_is_never_broadcast(start: Start) -> None:
    limits = RelayLimits(publish=PublishLimits(ephemeral_kinds=frozenset({22242})))
    async with start(limits=limits) as relay, peer(relay.url) as reader, peer(relay.url) as author:
        await reader.request(a_filter())
        refused = await author.publish(an_auth(ALICE))
        assert prefix_of(refused.message) is Prefix.BLOCKED
        await author.publish(last := an_event())
        assert await reader.delivered() == ("s", last.id)


# --- read protection through the socket


@KINDS
@pytest.mark.parametrize("door", DOORS)
async def test_no_door_leads_to_somebody_elses_wraps(relay: RelayEndpoint, door: str, kind: int) -> None:
    kept = a_wrap(kind=kind, tags=[("t", "call")])
    wanted = doors_to(kept)[door]
    async with peer(relay.url) as nobody, peer(relay.url) as bob, peer(relay.url) as alice, peer(relay.url) as sender:
        await sender.publish(kept)
        await bob.prove(BOB)
        await alice.prove(ALICE)
        stored = [kept.id] if kind == STORED else []
        assert await alice.request(wanted) == stored
        for reader, prefix in ((nobody, Prefix.AUTH_REQUIRED), (bob, Prefix.RESTRICTED)):
            answer = await reader.request(wanted)
            assert answer == [] or (isinstance(answer, Closed) and prefix_of(answer.message) is prefix)
        assert relay.deliver(kept) == 1
        assert await alice.delivered() == ("s", kept.id)
        # Whatever was wrongly delivered would come before the answer to this.
        for reader in (nobody, bob):
            assert await reader.request(a_filter(kinds=[1]), identity="end") == []


async def test_two_keys_on_one_connection_read_the_wraps_of_both(relay: RelayEndpoint) -> None:
    wraps = [a_wrap(ALICE, created_at=NOW), a_wrap(BOB, created_at=NOW - 1)]
    async with peer(relay.url) as reader, peer(relay.url) as sender:
        for wrap in wraps:
            await sender.publish(wrap)
        await reader.prove(ALICE)
        await reader.prove(BOB)
        assert await reader.request(a_filter(kinds=[STORED])) == [wrap.id for wrap in wraps]
        assert await reader.request(a_filter(kinds=[STORED], p=[BOB.public_key]), identity="t") == [wraps[1].id]


async def test_challenge_of_another_connection_proves_nothing(relay: RelayEndpoint) -> None:
    async with peer(relay.url) as first, peer(relay.url) as second:
        assert first.challenge != second.challenge
        second.challenge = first.challenge
        assert not (await second.prove(ALICE)).accepted
        assert (await first.prove(ALICE)).accepted


@KINDS
async def test_reading_without_auth_takes_the_recipients_name(start: Start, kind: int) -> None:
    wrap = a_wrap(kind=kind)
    async with start(read_without_auth=True) as relay, peer(relay.url) as reader, peer(relay.url) as sender:
        assert await reader.request(a_filter(kinds=[kind], p=[ALICE.public_key]), identity="named") == []
        assert isinstance(await reader.request(a_filter(kinds=[kind]), identity="kind"), Closed)
        assert await reader.request(a_filter(ids=[wrap.id]), identity="id") == []
        assert relay.is_listening(ALICE.public_key, kind)
        await sender.publish(wrap)
        assert await reader.delivered() == ("named", wrap.id)
        stored = [wrap.id] if kind == STORED else []
        assert await reader.request(a_filter(p=[ALICE.public_key]), identity="again") == stored
        assert await reader.request(a_filter(ids=[wrap.id]), identity="id again") == []


# --- for the rest of the program


async def test_listener_is_reported_and_counted(relay: RelayEndpoint) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    relay.on_listening = heard.put_nowait
    async with peer(relay.url) as alice:
        await alice.prove(ALICE)
        assert not relay.is_listening(ALICE.public_key, LIVE)
        await alice.request(a_filter(kinds=[LIVE], since=NOW - 60))
        async with within():
            assert await heard.get() == ALICE.public_key
        assert relay.is_listening(ALICE.public_key, LIVE)
        assert not relay.is_listening(ALICE.public_key, STORED)
        assert not relay.is_listening(BOB.public_key, LIVE)
        assert relay.deliver(a_wrap(kind=LIVE)) == 1
        assert relay.deliver(a_wrap(BOB, kind=LIVE)) == 0
        await alice.delivered()


async def test_answer_is_handed_over_once_its_reader_has_proved_the_key(start: Start) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with start(read_without_auth=True) as relay, peer(relay.url) as reader:
        relay.on_listening = heard.put_nowait
        await reader.request(a_filter(kinds=[LIVE], p=[ALICE.public_key]))
        async with within():
            assert await heard.get() == ALICE.public_key
        assert not relay.hand_over(a_wrap(kind=LIVE))
        await reader.delivered()
        await reader.prove(ALICE)
        async with within():
            assert await heard.get() == ALICE.public_key
        assert relay.hand_over(a_wrap(kind=LIVE))
        await reader.delivered()


async def test_own_events_are_served(relay: RelayEndpoint) -> None:
    async with peer(relay.url) as reader:
        assert await reader.request(a_filter(authors=[BRIDGE.public_key])) == []
        handler = an_event(BRIDGE, kind=31990, tags=[("d", "switchboard")])
        assert await relay.publish_own(handler) is Added.ADDED
        assert await reader.delivered() == ("s", handler.id)
        assert await reader.request(a_filter(kinds=[31990]), identity="t") == [handler.id]


async def test_information_document_names_the_bridge(start: Start) -> None:
    async with start(profile=RelayProfile("Mine", version="1.2.3")) as relay:

        def get() -> bytes:
            client = http.client.HTTPConnection("127.0.0.1", relay.port, timeout=10)
            try:
                client.request("GET", "/", headers={"Accept": MEDIA_TYPE})
                return client.getresponse().read()
            finally:
                client.close()

        document = json.loads(await asyncio.to_thread(get))
    assert document["self"] == BRIDGE.public_key
    assert document["name"] == "Mine"


async def test_public_url_is_what_clients_name(start: Start) -> None:
    async with start(public_url="wss://relay.example/nostr") as relay:
        assert relay.url == "wss://relay.example/nostr"
        async with peer(f"ws://127.0.0.1:{relay.port}/nostr") as client:
            assert not (await client.prove(ALICE)).accepted
            client.url = "wss://relay.example"
            assert (await client.prove(ALICE)).accepted


@pytest.mark.parametrize(
    ("public_url", "host", "urls"),
    [
        ("wss://relay.example", "127.0.0.1", ["wss://relay.example"]),
        ("", "127.0.0.1", ["ws://127.0.0.1:7", "ws://localhost:7", "ws://[::1]:7"]),
        ("", "::1", ["ws://[::1]:7", "ws://127.0.0.1:7", "ws://localhost:7"]),
        ("", "0.0.0.0", ["ws://0.0.0.0:7", "ws://127.0.0.1:7", "ws://localhost:7", "ws://[::1]:7"]),
        ("", "192.0.2.1", ["ws://192.0.2.1:7"]),
        ("", "2001:db8::1", ["ws://[2001:db8::1]:7"]),
    ],
)
def test_addresses_of_the_relay(public_url: str, host: str, urls: list[str]) -> None:
    assert list(own_urls(public_url, host, 7)) == urls


# --- ends


async def test_client_with_too_many_bad_frames_is_closed(start: Start) -> None:
    limits = RelayLimits(session=SessionLimits(max_bad_frames=2))
    async with start(limits=limits) as relay, peer(relay.url) as client:
        for _ in range(2):
            await client.say("nonsense")
        assert await client.closed() == (1008, "too many frames that make no sense")


async def test_client_that_leaves_leaves_nothing(relay: RelayEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, end = asyncio.Event(), Conversation.end

    def end_and_tell(conversation: Conversation) -> None:
        end(conversation)
        gone.set()

    monkeypatch.setattr(Conversation, "end", end_and_tell)
    async with peer(relay.url) as client:
        await client.prove(ALICE)
        await client.request(a_filter())
        assert relay.is_listening(ALICE.public_key, STORED)
    async with within():
        await gone.wait()
    assert not relay.is_listening(ALICE.public_key, STORED)
    assert len(relay._subscriptions) == 0


async def test_relay_stops_after_answering_what_it_read(relay: RelayEndpoint, inbox: Inbox) -> None:
    inbox.gate = asyncio.Event()
    async with peer(relay.url) as sender, peer(relay.url) as alice, asyncio.TaskGroup() as tasks:
        await alice.prove(ALICE)
        await alice.request(a_filter(kinds=[LIVE]))
        wrap = a_wrap(BRIDGE)
        await sender.say(write_publish(wrap))
        assert (await alice.publish(an_event())).accepted
        stopping = tasks.create_task(relay.stop_reading())
        inbox.gate.set()
        assert await sender.hear() == Ok(wrap.id, True, "")
        async with within():
            await stopping
        # The answer to what was accepted still reaches its asker.
        answer = a_wrap(kind=LIVE)
        assert relay.deliver(answer) == 1
        assert await alice.delivered() == ("s", answer.id)
        tasks.create_task(relay.drain())
        assert [await client.closed() for client in (sender, alice)] == [(1001, "the relay is stopping")] * 2


async def test_what_is_stored_outlives_a_restart(
    start: Start, storage: SqliteStorage, tmp_path: Any, clock: FixedClock, inbox: Inbox
) -> None:
    wrap, public = a_wrap(), an_event(ALICE, kind=10050)
    async with start() as relay, peer(relay.url) as sender:
        for event in (wrap, public):
            await sender.publish(event)
        port = relay.port
    await storage.close()
    reopened = await open_storage(tmp_path / "switchboard.db", KeyRing([(1, bytes(32))]))
    try:
        async with start(storage=reopened, port=port) as relay, peer(relay.url) as alice:
            assert relay.port == port
            await alice.prove(ALICE)
            assert await alice.request(a_filter()) == sorted([wrap.id, public.id])
            again = await alice.publish(wrap)
            assert again == Ok(wrap.id, True, "duplicate: already have this event")
    finally:
        await reopened.close()


async def test_request_that_takes_too_long_is_closed_and_others_go_on(start: Start, tmp_path: Path) -> None:
    storage = await open_storage(tmp_path / "bounded.db", KeyRing([(1, bytes(32))]), Limits(max_read_steps=1000))
    for number in range(200):
        await storage.public_events.put(an_event(kind=10000 + number))
    async with start(storage=storage) as relay, peer(relay.url) as client:
        too_much = await client.request(a_filter(authors=[SENDER.public_key]))
        assert too_much == Closed("s", "error: this takes too long to find, ask for less")
        assert await client.request(a_filter(kinds=[10007])) == [an_event(kind=10007).id]
    await storage.close()


async def test_full_relay_refuses_others_events_and_serves_what_it_has(start: Start, tmp_path: Path) -> None:
    space = SpaceLimits(max_bytes=512 * 1024, reserve_bytes=2**20)
    storage = await open_storage(tmp_path / "small.db", KeyRing([(1, bytes(32))]), Limits(space=space))
    await storage.accounts.admit(replace(a_new_account(), pubkey=ALICE.public_key), max_accounts=1)
    async with within(30), start(storage=storage) as relay, peer(relay.url) as client:
        accepted: list[str] = []
        while (await client.publish(wrap := a_wrap(content=f"{len(accepted)} {'x' * 20_000}"))).accepted:
            accepted.append(wrap.id)
        full = "error: this relay is full, try another or come back later"
        for event in (wrap, an_event(kind=10050)):
            assert await client.publish(event) == Ok(event.id, False, full)
        assert (await client.publish(a_wrap(BRIDGE))).accepted
        assert (await client.publish(a_wrap(kind=LIVE))).accepted
        assert (await client.prove(ALICE)).accepted
        found = await client.request(a_filter(kinds=[STORED], p=[ALICE.public_key]))
        assert len(accepted) > 5
        assert not isinstance(found, Closed)
        assert sorted(found) == sorted(accepted)
    await storage.close()


async def test_wraps_for_keys_without_an_account_go_first_where_room_is_scarce(
    start: Start, tmp_path: Path, clock: FixedClock
) -> None:
    space = SpaceLimits(max_bytes=512 * 1024, reserve_bytes=2**20)
    storage = await open_storage(tmp_path / "small.db", KeyRing([(1, bytes(32))]), Limits(space=space))
    limits = RelayLimits(publish=PublishLimits(brief_retention_seconds=100))
    try:
        async with within(30), start(storage=storage, limits=limits) as relay, peer(relay.url) as client:
            taken = 0
            while (await client.publish(a_wrap(content=f"{taken} {'x' * 20_000}"))).accepted:
                taken += 1
        early, late = [(await storage.purge(now=clock.now() + later, buckets={}))["gift_wraps"] for later in (99, 100)]
    finally:
        await storage.close()
    assert early == 0
    assert 0 < late < taken


async def test_live_wrap_deleted_before_a_restart_is_not_passed_on_after_it(start: Start) -> None:
    wrap = a_wrap(kind=LIVE)
    async with start() as relay, peer(relay.url) as alice:
        assert (await alice.publish(an_event(ALICE, kind=5, tags=[("e", wrap.id)]))).accepted
    async with start() as relay, peer(relay.url) as sender:
        assert (await sender.publish(wrap)).message.startswith("blocked:")
