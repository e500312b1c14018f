"""Sessions carried out: the seam between stored and live, failures of ours, and who is told that somebody listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bridge.relay.admission import Admission
from bridge.relay.conversation import ACCEPTED, Backstage, Conversation
from bridge.relay.limits import PublishLimits, QueryLimits, SessionLimits
from bridge.relay.proved import ProvedKeys
from bridge.relay.rates import per_second
from bridge.relay.session import Farewell, Session
from bridge.relay.stored import Reading, StoredEvents
from bridge.relay.subscriptions import Subscriptions
from bridge.relay.turns import Share
from bridge.relay.visibility import ReadProtection, View
from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.messages import (
    Challenge,
    Closed,
    Counted,
    Delivered,
    EndOfStored,
    Hint,
    Notice,
    Ok,
    RelayMessage,
    write_authenticate,
    write_close,
    write_count,
    write_publish,
    write_request,
)
from storage.errors import StorageBusy, StorageFailed
from storage.relay_interface import StoredEvent
from storage.sqlite import SqliteStorage
from tests.bridge.relay.builders import (
    ALICE,
    BOB,
    BRIDGE,
    CHALLENGE,
    LIVE,
    NOW,
    RELAY_URL,
    STORED,
    Inbox,
    a_filter,
    a_wrap,
    altered,
    an_auth,
    an_event,
    heard,
)
from tests.support.clock import FixedClock


@dataclass
class Talk:
    """A conversation, what was pushed to it, and what it told others."""

    backstage: Backstage
    limits: SessionLimits
    open_reading: bool = False
    pushed: list[RelayMessage] = field(default_factory=list)
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        session = Session(
            challenge=CHALLENGE,
            relay_urls=[RELAY_URL],
            protection=ReadProtection(BRIDGE.public_key, self.open_reading),
            limits=self.limits,
        )
        self.conversation = Conversation(session, self.backstage, self._push, Share(), self.interrupted.set)

    def _push(self, text: str) -> bool:
        self.pushed.append(heard(text))
        return True

    async def answer(self, frame: str) -> AsyncGenerator[str]:
        for answer in self.conversation.receive(frame):
            if isinstance(answer, str):
                yield answer
            elif isinstance(answer, AsyncGenerator):
                async with aclosing(answer) as texts:
                    async for text in texts:
                        yield text
            else:
                yield await answer

    async def answers(self, frame: str) -> list[RelayMessage]:
        async with aclosing(self.answer(frame)) as texts:
            return [heard(text) async for text in texts]

    async def prove(self, who: Any = ALICE) -> None:
        (verdict,) = await self.answers(write_authenticate(an_auth(who)))
        assert isinstance(verdict, Ok)
        assert verdict.accepted


@pytest.fixture
def listening() -> list[str]:
    """Return the list of keys that were reported as listening."""
    return []


@pytest.fixture
def backstage(storage: SqliteStorage, inbox: Inbox, clock: FixedClock, listening: list[str]) -> Backstage:
    subscriptions = Subscriptions()
    return Backstage(
        admission=Admission(
            bridge=BRIDGE.public_key,
            inbox=inbox,
            storage=storage,
            relay_urls=lambda: [RELAY_URL],
            deliver=subscriptions.deliver,
            on_gone=lambda keys: None,
            clock=clock,
            limits=PublishLimits(),
        ),
        stored=StoredEvents(
            gift_wraps=storage.gift_wraps,
            public_events=storage.public_events,
            clock=clock,
            limits=QueryLimits(page=1),
        ),
        subscriptions=subscriptions,
        proved=ProvedKeys(),
        clock=clock,
        on_listening=listening.append,
    )


@pytest.fixture
def talk(backstage: Backstage) -> Talk:
    return Talk(backstage, SessionLimits())


def ids(messages: Sequence[RelayMessage]) -> list[str]:
    """Return the event ids of deliveries, and the other messages by name."""
    return [message.event.id if isinstance(message, Delivered) else type(message).__name__ for message in messages]


async def publish(talk: Talk, event: VerifiedEvent) -> None:
    (verdict,) = await talk.answers(write_publish(event))
    assert isinstance(verdict, Ok)
    assert verdict.accepted


async def test_challenge_comes_first_and_every_verb_is_answered(talk: Talk) -> None:
    assert heard(talk.conversation.greet()) == Challenge(CHALLENGE)
    event = an_event()
    assert await talk.answers(write_publish(event)) == [Ok(event.id, True, "")]
    assert await talk.answers(write_publish(event)) == [Ok(event.id, True, "duplicate: already have this event")]
    assert ids(await talk.answers(write_request("s", [a_filter()]))) == [event.id, "EndOfStored"]
    assert await talk.answers(write_close("s")) == []
    (notice,) = await talk.answers("nonsense")
    assert isinstance(notice, Notice)


async def test_every_verdict_is_counted_by_its_prefix(talk: Talk) -> None:
    event = an_event()
    for published in (event, event, altered(event, content="forged"), an_event(kind=1)):
        await talk.answers(write_publish(published))
    assert talk.backstage.verdicts == {ACCEPTED: 1, "duplicate": 1, "invalid": 1, "blocked": 1}


# --- the seam


async def test_what_comes_between_stored_and_live_comes_once_and_in_its_place(talk: Talk) -> None:
    await talk.prove()
    other = Talk(talk.backstage, SessionLimits())
    old = [a_wrap(created_at=NOW - number - 1, content=str(number)) for number in range(3)]
    for wrap in old:
        await publish(other, wrap)
    live, older, after = a_wrap(content="live"), a_wrap(created_at=NOW - 100), a_wrap(content="after")
    heard_so_far: list[RelayMessage] = []
    async with aclosing(talk.answer(write_request("s", [a_filter(kinds=[STORED])]))) as texts:
        heard_so_far.append(heard(await anext(texts)))
        # Both are stored and delivered while pages are read; the second still turns up on a later page.
        await publish(other, live)
        await publish(other, older)
        async for text in texts:
            heard_so_far.append(heard(text))
            if isinstance(heard_so_far[-1], EndOfStored):
                await publish(other, after)
    assert ids(heard_so_far) == [
        *(wrap.id for wrap in old),
        older.id,
        "EndOfStored",
        live.id,
        after.id,
    ]
    assert talk.pushed == []
    last = a_wrap(content="last")
    await publish(other, last)
    assert ids(talk.pushed) == [last.id]


async def test_subscription_is_open_before_anything_is_read(talk: Talk) -> None:
    async with aclosing(talk.answer(write_request("s", [a_filter(kinds=[24133])]))) as texts:
        event = an_event(kind=24133)
        assert isinstance(heard(await anext(texts)), EndOfStored)
        assert talk.backstage.subscriptions.deliver(event) == 1
        assert ids([heard(text) async for text in texts]) == [event.id]


async def test_event_that_two_filters_match_is_sent_once(talk: Talk) -> None:
    event = an_event()
    await publish(talk, event)
    found = await talk.answers(write_request("s", [a_filter(kinds=[0]), a_filter(ids=[event.id])]))
    assert ids(found) == [event.id, "EndOfStored"]


async def test_no_more_is_held_back_than_allowed(backstage: Backstage) -> None:
    talk = Talk(backstage, SessionLimits(max_held_events=2))
    async with aclosing(talk.answer(write_request("s", [a_filter(kinds=[0])]))) as texts:
        assert isinstance(heard(await anext(texts)), EndOfStored)
        for number in range(3):
            backstage.subscriptions.deliver(an_event(kind=0, content=str(number)))
        (closed,) = [heard(text) async for text in texts]
    assert closed == Closed("s", "error: too many events came meanwhile, ask again")
    assert len(backstage.subscriptions) == 0
    assert not talk.conversation.is_listening


async def test_overflow_before_the_end_of_stored_events_is_no_end(backstage: Backstage) -> None:
    talk = Talk(backstage, SessionLimits(max_held_events=0))
    await publish(talk, an_event())
    async with aclosing(talk.answer(write_request("s", [a_filter()]))) as texts:
        await anext(texts)
        backstage.subscriptions.deliver(an_event(content="another"))
        assert [type(heard(text)) for text in [text async for text in texts]] == [Closed]


async def test_flood_of_ephemeral_events_does_not_end_a_catch_up(backstage: Backstage) -> None:
    talk = Talk(backstage, SessionLimits(max_held_events=1))
    await publish(talk, an_event())
    async with aclosing(talk.answer(write_request("s", [a_filter()]))) as texts:
        await anext(texts)
        floods = [an_event(kind=24133, content=str(number)) for number in range(9)]
        for flood in floods:
            backstage.subscriptions.deliver(flood)
        assert ids([heard(text) async for text in texts]) == ["EndOfStored", floods[0].id]
    assert len(backstage.subscriptions) == 1


async def test_event_that_a_reader_finds_before_it_is_delivered_comes_once(
    backstage: Backstage, storage: SqliteStorage
) -> None:
    """The storage has it, and whoever stored it has not got to delivering it."""
    talk, event = Talk(backstage, SessionLimits()), an_event()
    under_way = backstage.subscriptions.under_way
    with under_way.storing([event.id]):
        await storage.public_events.put(event)
        assert ids(await talk.answers(write_request("s", [a_filter()]))) == [event.id, "EndOfStored"]
        backstage.subscriptions.deliver(event)
    assert talk.pushed == []
    # Remembered for that once only.
    backstage.subscriptions.deliver(event)
    assert ids(talk.pushed) == [event.id]


async def test_two_keys_on_one_connection_get_the_wraps_of_both(talk: Talk) -> None:
    for_alice, for_bob = a_wrap(ALICE), a_wrap(BOB)
    await publish(talk, for_alice)
    await publish(talk, for_bob)
    await talk.prove(ALICE)
    assert ids(await talk.answers(write_request("s", [a_filter(kinds=[STORED])]))) == [for_alice.id, "EndOfStored"]
    await talk.prove(BOB)
    for wrap in (a_wrap(ALICE, kind=LIVE), a_wrap(BOB, kind=LIVE)):
        await publish(talk, wrap)
    assert ids(talk.pushed) == []
    found = await talk.answers(write_request("s", [a_filter(kinds=[STORED, LIVE])]))
    assert set(ids(found)) == {for_alice.id, for_bob.id, "EndOfStored"}
    live = [a_wrap(ALICE, kind=LIVE, content="2"), a_wrap(BOB, kind=LIVE, content="2")]
    for wrap in live:
        await publish(talk, wrap)
    assert ids(talk.pushed) == [wrap.id for wrap in live]


async def test_subscription_from_before_auth_gets_live_wraps_as_soon_as_ok_is_on_its_way(talk: Talk) -> None:
    await talk.answers(write_request("s", [a_filter()]))
    wrap = a_wrap(kind=LIVE)
    assert talk.backstage.subscriptions.deliver(wrap) == 0
    async with aclosing(talk.answer(write_authenticate(an_auth(ALICE)))) as texts:
        await anext(texts)
        assert talk.backstage.subscriptions.deliver(wrap) == 1
    assert ids(talk.pushed) == [wrap.id]


# --- who is told that somebody listens


@pytest.mark.parametrize("kind", [STORED, LIVE])
async def test_listener_is_reported_after_the_end_of_stored_events(talk: Talk, listening: list[str], kind: int) -> None:
    await talk.prove()
    assert listening == []
    async with aclosing(talk.answer(write_request("s", [a_filter(kinds=[kind])]))) as texts:
        assert isinstance(heard(await anext(texts)), EndOfStored)
        assert listening == []
        assert [text async for text in texts] == []
    assert listening == [ALICE.public_key]
    assert talk.pushed == []


@pytest.mark.parametrize("wanted", [a_filter(kinds=[0]), a_filter(since=NOW + 1), a_filter(ids=["00" * 32])])
async def test_who_hears_no_wraps_is_not_reported(talk: Talk, listening: list[str], wanted: Filter) -> None:
    await talk.prove()
    await talk.answers(write_request("s", [wanted]))
    assert listening == []


async def test_listener_is_reported_when_auth_opens_its_eyes(talk: Talk, listening: list[str]) -> None:
    await talk.answers(write_request("s", [a_filter()]))
    await talk.prove(ALICE)
    assert listening == [ALICE.public_key]
    await talk.prove(BOB)
    assert listening == [ALICE.public_key, BOB.public_key]


async def test_listener_without_auth_is_reported_where_reading_is_open(
    backstage: Backstage, listening: list[str]
) -> None:
    talk = Talk(backstage, SessionLimits(), open_reading=True)
    await talk.answers(write_request("s", [a_filter(kinds=[STORED], p=[ALICE.public_key], since=NOW - 60)]))
    assert listening == [ALICE.public_key]


# --- ends


async def test_closed_replaced_and_ended_subscriptions_get_nothing_more(talk: Talk) -> None:
    subscriptions = talk.backstage.subscriptions
    await talk.answers(write_request("s", [a_filter()]))
    await talk.answers(write_request("s", [a_filter(kinds=[24133])]))
    assert len(subscriptions) == 1
    assert subscriptions.deliver(an_event()) == 0
    await talk.answers(write_close("s"))
    assert len(subscriptions) == 0
    assert not talk.conversation.is_listening
    await talk.answers(write_request("t", [a_filter()]))
    talk.conversation.end()
    assert len(subscriptions) == 0


async def test_client_that_leaves_amid_stored_events_leaves_nothing(talk: Talk) -> None:
    await publish(talk, an_event())
    async with aclosing(talk.answer(write_request("s", [a_filter()]))) as texts:
        await anext(texts)
    talk.conversation.end()
    assert len(talk.backstage.subscriptions) == 0


@pytest.mark.parametrize("event", [an_event(kind=24133), an_event(kind=1)], ids=["repeated", "not taken"])
async def test_whoever_repeats_or_sends_what_is_not_taken_beyond_the_rate_is_sent_away(
    backstage: Backstage, event: VerifiedEvent
) -> None:
    talk = Talk(backstage, SessionLimits(max_bad_frames=3, events=per_second(1, burst=5)))
    for _ in range(5):
        await talk.answers(write_publish(event))
    assert talk.conversation.farewell is None
    for _ in range(3):
        await talk.answers(write_publish(event))
    assert talk.conversation.farewell is not None


async def test_forger_beyond_its_rate_is_sent_away(backstage: Backstage) -> None:
    talk = Talk(backstage, SessionLimits(events=per_second(1, burst=3), max_bad_frames=1))
    forged = altered(a_wrap(), sig=an_event().sig)
    for number in range(4):
        assert talk.conversation.farewell is None, number
        (verdict,) = await talk.answers(write_publish(forged))
        assert verdict == Ok(forged.id, False, "invalid: sig: not the author's signature")
    assert talk.conversation.farewell is not None
    assert talk.conversation.farewell.code == 1008


# --- failures of ours


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StorageBusy("10000 writes wait"), "error: try again later"),
        (StorageFailed("disk I/O error"), "error: try again later"),
        (RuntimeError("a recipient's key"), "error: internal error"),
    ],
)
async def test_failure_of_ours_tells_nothing(
    talk: Talk, inbox: Inbox, caplog: pytest.LogCaptureFixture, error: Exception, words: str
) -> None:
    inbox.error = error
    wrap = a_wrap(BRIDGE)
    assert await talk.answers(write_publish(wrap)) == [Ok(wrap.id, False, words)]
    assert str(error) not in caplog.text
    assert ("failed" in caplog.messages) is isinstance(error, RuntimeError)


class Torn(Reading):
    """Fails after the first event."""

    def __init__(self, error: Exception) -> None:
        super().__init__([], turn=nullcontext, most=1, page=1)
        self.error = error

    async def pages(self) -> AsyncGenerator[Sequence[StoredEvent]]:
        event = an_event()
        yield [StoredEvent(event.id, event.created_at, event.to_json())]
        raise self.error


class Broken(StoredEvents):
    """Cannot be read to the end."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def read(self, view: View, share: Share) -> Reading:
        return Torn(self.error)

    async def count(self, views: Sequence[View], share: Share) -> int:
        raise self.error


@pytest.fixture
async def broken(backstage: Backstage) -> AsyncIterator[Talk]:
    yield Talk(replace(backstage, stored=Broken(StorageFailed("malformed page 17"))), SessionLimits())


async def test_request_that_cannot_be_read_is_closed_and_leaves_its_place(broken: Talk, listening: list[str]) -> None:
    await broken.prove()
    delivered, closed = await broken.answers(write_request("s", [a_filter()]))
    assert isinstance(delivered, Delivered)
    assert closed == Closed("s", "error: try again later")
    assert len(broken.backstage.subscriptions) == 0
    assert not broken.conversation.is_listening
    assert listening == []


async def test_what_cannot_be_counted_is_refused_and_closes_nothing(broken: Talk) -> None:
    assert await broken.answers(write_count("q", [a_filter()])) == [Closed("q", "error: try again later")]


# --- counting


async def test_count_is_of_what_a_request_would_show(talk: Talk) -> None:
    mine, yours, public = a_wrap(ALICE), a_wrap(BOB), an_event()
    for event in (mine, yours, public):
        await publish(talk, event)
    both = [a_filter(), a_filter(ids=[mine.id, yours.id]), a_filter(kinds=[0], limit=1), a_filter(kinds=[STORED])]
    assert await talk.answers(write_count("q", both)) == [Counted("q", 1)]
    await talk.prove(ALICE)
    assert await talk.answers(write_count("q", both)) == [Counted("q", 2)]
    await talk.prove(BOB)
    assert await talk.answers(write_count("q", both)) == [Counted("q", 3)]
    assert await talk.answers(write_count("q", [a_filter(kinds=[])])) == [Counted("q", 0)]


async def test_count_opens_nothing_and_touches_no_subscription_of_its_name(talk: Talk) -> None:
    await talk.answers(write_request("s", [a_filter(kinds=[0])]))
    assert await talk.answers(write_count("s", [a_filter(kinds=[0])])) == [Counted("s", 0)]
    (closed,) = await talk.answers(write_count("s", [a_filter(kinds=[STORED])]))
    assert isinstance(closed, Closed)
    assert len(talk.backstage.subscriptions) == 1
    event = an_event()
    await publish(talk, event)
    assert ids(talk.pushed) == [event.id]


# --- the hint of NIP-67


async def hint(talk: Talk, *filters: Filter) -> Hint | None:
    *_, end = await talk.answers(write_request("s", filters))
    assert isinstance(end, EndOfStored)
    return end.hint


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ([5], Hint.MORE),
        ([6], Hint.FINISH),
        ([7], Hint.FINISH),
        ([None], Hint.FINISH),
        ([0], None),
        ([None, None], Hint.FINISH),
        ([None, 5], None),
        ([5, None], None),
        ([5, 4], Hint.MORE),
        ([0, None], None),
        ([0, 5], Hint.MORE),
    ],
)
async def test_end_of_stored_events_says_only_what_is_certain(
    talk: Talk, limits: Sequence[int | None], expected: Hint | None
) -> None:
    """Six match. Where one filter left out what another sent, nobody knows without reading on."""
    for number in range(6):
        await publish(talk, a_wrap(content=str(number), created_at=NOW - number // 3))
    await talk.prove()
    mine = {"kinds": [STORED], "p": [ALICE.public_key]}
    filters = [a_filter(**mine) if limit is None else a_filter(**mine, limit=limit) for limit in limits]
    assert await hint(talk, *filters) is expected


async def test_what_may_not_be_seen_does_not_show_in_the_hint(talk: Talk) -> None:
    wanted = a_filter(limit=1)
    await publish(talk, an_event())
    assert await hint(talk, wanted) is None
    for number in range(3):
        await publish(talk, a_wrap(BOB, content=str(number), created_at=NOW + number))
    assert await hint(talk, wanted) is None
    await talk.prove(ALICE)
    assert await hint(talk, wanted) is None
    await talk.prove(BOB)
    assert await hint(talk, wanted) is Hint.MORE


@pytest.mark.parametrize("wanted", [a_filter(p=[BOB.public_key]), a_filter(ids=[a_wrap(BOB).id])])
async def test_it_is_not_finished_while_wraps_are_withheld(talk: Talk, wanted: Filter) -> None:
    await publish(talk, a_wrap(BOB))
    assert await hint(talk, wanted, a_filter(kinds=[0])) is None
    assert await hint(talk, a_filter(kinds=[0])) is Hint.FINISH
    await talk.prove(BOB)
    assert await hint(talk, a_filter(p=[BOB.public_key]), a_filter(kinds=[0])) is Hint.FINISH


async def test_limit_of_ours_is_told_too(storage: SqliteStorage, backstage: Backstage, clock: FixedClock) -> None:
    limits = QueryLimits(max_limit=2, default_limit=2, page=1)
    stored = StoredEvents(
        gift_wraps=storage.gift_wraps, public_events=storage.public_events, clock=clock, limits=limits
    )
    talk = Talk(replace(backstage, stored=stored), SessionLimits())
    for kind in (0, 3):
        await publish(talk, an_event(kind=kind))
    public = a_filter(kinds=[0, 3, 10050])
    assert await hint(talk, public) is Hint.FINISH
    await publish(talk, an_event(kind=10050))
    assert await hint(talk, public) is Hint.MORE
    assert await hint(talk, a_filter()) is Hint.MORE
    assert await hint(talk, a_filter(limit=3)) is Hint.MORE
    assert await hint(talk, a_filter(kinds=[1])) is Hint.FINISH
    assert await hint(talk, a_filter(kinds=[])) is Hint.FINISH


# --- sent away


async def test_who_is_dismissed_hears_of_nothing_any_more_and_is_told_why(backstage: Backstage) -> None:
    talk = Talk(backstage, SessionLimits())
    await talk.prove(ALICE)
    await talk.answers(write_request("s", [a_filter(kinds=[STORED, LIVE], p=[ALICE.public_key])]))
    assert backstage.proved.dismiss([ALICE.public_key], "a reason") == 1
    assert talk.interrupted.is_set()
    assert talk.conversation.farewell == Farewell(1008, "a reason")
    assert backstage.subscriptions.deliver(a_wrap(kind=LIVE)) == 0
    assert (len(backstage.subscriptions), len(backstage.proved), talk.pushed) == (0, 0, [])


async def test_who_proved_another_key_stays(backstage: Backstage) -> None:
    talk = Talk(backstage, SessionLimits())
    await talk.prove(BOB)
    assert backstage.proved.dismiss([ALICE.public_key], "a reason") == 0
    assert talk.conversation.farewell is None
    talk.conversation.end()
    assert len(backstage.proved) == 0
