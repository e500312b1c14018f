"""What only shows on the wire: exact texts, names of subscriptions, nothing lost or doubled where stored meets live."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import permutations

import pytest

from bridge.relay.endpoint import RelayEndpoint
from bridge.relay.limits import RelayLimits
from bridge.relay.rates import MailboxBuckets, per_second
from nips.filter import Filter
from nips.messages import Closed, Counted, Delivered, EndOfStored, Notice, write_count, write_publish, write_request
from storage.sqlite import SqliteStorage
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
    an_event,
    doors_to,
)
from tests.bridge.relay.peer import Peer, peer
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.entropy import SeededEntropy

MUCH = per_second(10_000, burst=10_000)
LIMITS = RelayLimits()
LIMITS = replace(
    LIMITS,
    session=replace(LIMITS.session, events=MUCH, queries=MUCH, max_held_events=1000),
    publish=replace(LIMITS.publish, mailbox=MailboxBuckets(recipient=MUCH, sender=MUCH)),
    query=replace(LIMITS.query, page=7),
)


@pytest.fixture
async def relay(storage: SqliteStorage) -> AsyncIterator[RelayEndpoint]:
    async with RelayEndpoint(
        bridge=BRIDGE.public_key,
        inbox=Inbox(),
        storage=storage,
        clock=FixedClock(NOW),
        entropy=SeededEntropy(),
        host="127.0.0.1",
        port=0,
        limits=LIMITS,
    ) as endpoint:
        yield endpoint


async def raw(client: Peer) -> str:
    """Return the next text as it is."""
    async with within():
        text = await client.socket.recv()
    assert isinstance(text, str)
    return text


# --- exact JSON

CONTENTS = [
    "".join(map(chr, range(0x20))),
    '"quotes" and \\backslashes\\ and /slashes/',
    "\x7f\x80\x9f\u2028\u2029\ufeff\ufffe",
    "\U0001f469\u200d\U0001f469\u200d\U0001f466 \u00e9 e\u0301",
    "\\u0041 \\n is no escape",
]


@pytest.mark.parametrize("content", CONTENTS, ids=range(len(CONTENTS)))
async def test_event_comes_back_as_it_was_signed_stored_and_live(relay: RelayEndpoint, content: str) -> None:
    event = an_event(kind=0, content=content, tags=[("t", content), ("x", "", content)])
    # However a client escapes it: the id is over the meaning (NIP-01).
    escaped = json.dumps(["EVENT", event.to_dict()], ensure_ascii=True)
    async with peer(relay.url) as author, peer(relay.url) as reader:
        assert await reader.request(a_filter(kinds=[0])) == []
        await author.say(escaped)
        assert json.loads(await raw(author)) == ["OK", event.id, True, ""]
        live = await raw(reader)
        assert live == f'["EVENT","s",{event.to_json()}]'
        await reader.say(write_request("t", [a_filter(kinds=[0], t=[content])]))
        assert await raw(reader) == f'["EVENT","t",{event.to_json()}]'
        assert await raw(reader) == '["EOSE","t",["finish"]]'


# --- names of subscriptions

NAMES = ["a", "x" * 64, "é" * 64, '"],["', "\x00\n", "\u2028", " ", "constructor"]


@pytest.mark.parametrize("name", NAMES)
async def test_name_of_a_subscription_is_any_short_text(relay: RelayEndpoint, name: str) -> None:
    event = an_event()
    async with peer(relay.url) as client:
        await client.publish(event)
        assert await client.request(a_filter(kinds=[0]), identity=name) == [event.id]
        await client.say(write_count(name, [a_filter(kinds=[0])]))
        assert await client.hear() == Counted(name, 1)


@pytest.mark.parametrize("name", ["", "x" * 65])
async def test_other_names_are_refused_and_the_connection_lives(relay: RelayEndpoint, name: str) -> None:
    async with peer(relay.url) as client:
        for frame in (write_request(name, [a_filter()]), write_count(name, [a_filter()])):
            await client.say(frame)
            assert await client.hear() == Notice("invalid: a subscription id is a string of 1 to 64 characters")
        assert await client.request(a_filter()) == []


async def test_name_used_again_replaces_the_subscription_of_its_own_connection_only(relay: RelayEndpoint) -> None:
    async with peer(relay.url) as one, peer(relay.url) as other, peer(relay.url) as author:
        assert await one.request(a_filter(kinds=[0])) == []
        assert await other.request(a_filter(kinds=[0])) == []
        assert await one.request(a_filter(kinds=[3])) == []
        profile, contacts = an_event(kind=0), an_event(kind=3)
        await author.publish(profile)
        await author.publish(contacts)
        assert await one.delivered() == ("s", contacts.id)
        assert await other.delivered() == ("s", profile.id)


# --- replaceable events


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_newest_stays_and_of_the_same_second_the_lowest_id_whatever_comes_first(
    relay: RelayEndpoint, order: tuple[int, ...]
) -> None:
    older = an_event(kind=10050, created_at=NOW - 1)
    same = sorted((an_event(kind=10050, content=text) for text in "ab"), key=lambda event: event.id)
    events = [older, *same]
    async with peer(relay.url) as client:
        for index in order:
            assert (await client.publish(events[index])).accepted
        assert await client.request(a_filter(kinds=[10050])) == [same[0].id]


# --- several filters


async def test_event_that_several_filters_match_is_sent_once_stored_and_live(relay: RelayEndpoint) -> None:
    stored, live = an_event(kind=0), an_event(kind=3)
    filters = [a_filter(kinds=[0, 3]), a_filter(authors=[SENDER.public_key]), a_filter(), a_filter(ids=[stored.id])]
    async with peer(relay.url) as client, peer(relay.url) as author:
        await author.publish(stored)
        assert await client.request(*filters) == [stored.id]
        await author.publish(live)
        assert await client.delivered() == ("s", live.id)
        await author.publish(an_event(BOB, kind=0))
        assert (await client.delivered())[1] == an_event(BOB, kind=0).id


# --- where stored meets live


async def test_what_is_published_during_a_long_answer_comes_exactly_once(relay: RelayEndpoint) -> None:
    old = [a_wrap(content=f"old {number}", created_at=NOW - number // 3) for number in range(150)]
    new = [a_wrap(content=f"new {number}", created_at=NOW - number) for number in range(150)]
    async with peer(relay.url) as reader, peer(relay.url) as author:
        for wrap in old:
            await author.say(write_publish(wrap))
        for _ in old:
            await author.hear()
        await reader.prove(ALICE)
        found: list[str] = []

        async def publish() -> None:
            for wrap in new:
                assert (await author.publish(wrap)).accepted

        async def read() -> None:
            await reader.say(write_request("s", [a_filter(kinds=[STORED]), a_filter()]))
            while len(found) < len(old) + len(new):
                message = await reader.hear()
                if isinstance(message, Delivered):
                    found.append(message.event.id)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(publish())
            tasks.create_task(read())
        # Whatever came twice would come before this.
        last = a_wrap(content="last")
        await author.publish(last)
        assert await reader.delivered() == ("s", last.id)
    assert sorted(found) == sorted(wrap.id for wrap in [*old, *new])


# --- read protection, at every door of the running relay


async def shown(client: Peer, wanted: Filter) -> list[str] | None:
    """Return the ids that a request shows, or None when it is refused; COUNT has to agree."""
    await client.say(write_count("count", [wanted]))
    counted = await client.hear()
    await client.say(write_request("s", [wanted]))
    found: list[str] = []
    while isinstance(message := await client.hear(), Delivered):
        found.append(message.event.id)
    if isinstance(message, Closed):
        assert counted == Closed("count", message.message)
        return None
    assert isinstance(message, EndOfStored)
    assert counted == Counted("count", len(found))
    return found


@pytest.mark.parametrize("door", DOORS)
async def test_stored_wrap_is_shown_to_its_recipient_alone(relay: RelayEndpoint, door: str) -> None:
    wrap = a_wrap(ALICE)
    wanted = doors_to(wrap)[door]
    async with peer(relay.url) as client, peer(relay.url) as author:
        await author.publish(wrap)
        assert not await shown(client, wanted)
        await client.prove(BOB)
        assert not await shown(client, wanted)
        await client.prove(SENDER)
        assert not await shown(client, wanted)
        await client.prove(ALICE)
        assert await shown(client, wanted) == [wrap.id]


@pytest.mark.parametrize("kind", [STORED, LIVE])
@pytest.mark.parametrize("door", DOORS)
async def test_wrap_is_delivered_to_its_recipient_alone(relay: RelayEndpoint, door: str, kind: int) -> None:
    wrap, sign = a_wrap(ALICE, kind=kind), an_event(kind=24133)
    async with peer(relay.url) as mine, peer(relay.url) as other, peer(relay.url) as author:
        for client, who in ((mine, ALICE), (other, BOB)):
            await client.request(doors_to(wrap)[door])
            await client.prove(who)
            await client.request(doors_to(wrap)[door])
            await client.request(a_filter(kinds=[24133]), identity="sign")
        await author.publish(wrap)
        await author.publish(sign)
        assert await mine.delivered() == ("s", wrap.id)
        heard = set()
        while "sign" not in heard:
            name, event_id = await other.delivered()
            heard.add(name)
            assert event_id == sign.id


async def test_second_p_tag_opens_no_door(relay: RelayEndpoint) -> None:
    for kind in (STORED, LIVE):
        tags = [("p", ALICE.public_key), ("p", BOB.public_key)]
        async with peer(relay.url) as author:
            verdict = await author.publish(an_event(kind=kind, tags=tags))
            assert (verdict.accepted, verdict.message) == (False, "invalid: tags: not exactly one p tag")


async def test_answers_to_deletion_requests_tell_strangers_nothing(relay: RelayEndpoint) -> None:
    """A wrap that is here, one that was, and one that never was: the same words."""
    here, gone, never = (a_wrap(ALICE, content=text) for text in ("here", "gone", "never"))
    async with peer(relay.url) as author, peer(relay.url) as stranger:
        for wrap in (here, gone):
            await author.publish(wrap)
        await author.publish(an_event(ALICE, kind=5, tags=[("e", gone.id)]))
        answers = [await stranger.publish(an_event(BOB, kind=5, tags=[("e", wrap.id)])) for wrap in (here, gone, never)]
        assert [(answer.accepted, answer.message) for answer in answers] == [(True, "")] * 3
        assert [(await author.publish(wrap)).accepted for wrap in (here, gone, never)] == [True, False, True]
        await stranger.prove(ALICE)
        assert sorted(await shown(stranger, a_filter(kinds=[STORED])) or ()) == sorted([here.id, never.id])
