"""The door for events: every step's refusals, their order, and what becomes of what is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from bridge.line import Origin
from bridge.relay.admission import KNOWN, OUTDATED, TAKEN, Admission, Verdict
from bridge.relay.limits import PublishLimits, TimeWindow
from bridge.relay.rates import MailboxBuckets, per_day, per_second
from bridge.relay.refusals import AuthRequired, Blocked, RateLimited, Refused, Restricted, Unacceptable, WorkNeeded
from nips.errors import InvalidEvent, InvalidWrap, NipError
from nips.event import Event, VerifiedEvent
from nips.keys import PublicKey
from nips.kinds import AUTH
from nips.nip13 import difficulty
from nips.nip59 import WrapWindow
from storage.account_interface import NewAccount
from storage.errors import StorageBusy
from storage.interface import HERE, Added, Answer, StoredReply
from storage.sqlite import SqliteStorage
from tests.bridge.relay.builders import (
    ALICE,
    BOB,
    BRIDGE,
    LIVE,
    NOW,
    RELAY_URL,
    SENDER,
    STORED,
    Inbox,
    a_filter,
    a_key,
    a_wrap,
    altered,
    an_auth,
    an_event,
)
from tests.support.clock import FixedClock

WRAP_KINDS = pytest.mark.parametrize("kind", [STORED, LIVE])


@dataclass
class Door:
    """An admission and everything behind it."""

    storage: SqliteStorage
    inbox: Inbox
    clock: FixedClock
    limits: PublishLimits = field(default_factory=PublishLimits)
    delivered: list[VerifiedEvent] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    """Keys that may not act any more."""

    def __post_init__(self) -> None:
        self.set(self.limits)

    def set(self, limits: PublishLimits) -> None:
        self.admission = Admission(
            bridge=BRIDGE.public_key,
            inbox=self.inbox,
            storage=self.storage,
            relay_urls=lambda: [RELAY_URL],
            deliver=self._deliver,
            on_gone=self.gone.extend,
            clock=self.clock,
            limits=limits,
        )

    async def admit(
        self, event: Event, *, keys: Sequence[PublicKey] = (), wait_seconds: float = 0, sender: str = ""
    ) -> Verdict:
        verdict = self.admission.consider(event, keys=keys, wait_seconds=wait_seconds, sender=sender)
        return verdict if isinstance(verdict, Verdict) else await verdict()

    async def wraps(self) -> list[str]:
        everybody = {key.public_key for key in (ALICE, BOB, BRIDGE)}
        rows = await self.storage.gift_wraps.query(a_filter(), recipients=everybody, now=self.clock.now(), limit=100)
        return [row.id for row in rows]

    async def public(self) -> list[str]:
        rows = await self.storage.public_events.query(a_filter(), now=self.clock.now(), limit=100)
        return [row.id for row in rows]

    def _deliver(self, event: VerifiedEvent) -> int:
        self.delivered.append(event)
        return 1


@pytest.fixture
def door(storage: SqliteStorage, inbox: Inbox, clock: FixedClock) -> Door:
    return Door(storage, inbox, clock)


# --- what becomes of what is taken


async def test_stored_wrap_is_kept_and_delivered(door: Door) -> None:
    wrap = a_wrap()
    assert await door.admit(wrap) == TAKEN
    assert await door.wraps() == [wrap.id]
    assert door.delivered == [wrap]
    assert door.inbox.wraps == []


async def test_live_wrap_is_delivered_and_never_kept(door: Door) -> None:
    wrap = a_wrap(kind=LIVE)
    assert await door.admit(wrap) == TAKEN
    assert door.delivered == [wrap]
    assert await door.wraps() == []


@WRAP_KINDS
async def test_wrap_for_the_bridge_goes_to_its_inbox_and_nowhere_else(door: Door, kind: int) -> None:
    wrap = a_wrap(BRIDGE, kind=kind)
    assert await door.admit(wrap) == TAKEN
    assert door.inbox.wraps == [(wrap, HERE)]
    assert await door.wraps() == []
    assert door.delivered == []


async def test_wrap_for_the_bridge_is_taken_though_live_wraps_are_not_passed_on(door: Door) -> None:
    door.set(PublishLimits(ephemeral_kinds=frozenset()))
    assert await door.admit(a_wrap(BRIDGE, kind=LIVE)) == TAKEN
    with pytest.raises(Blocked):
        await door.admit(a_wrap(ALICE, kind=LIVE))


async def test_configured_ephemeral_kind_is_delivered_and_not_kept(door: Door) -> None:
    event = an_event(kind=24133)
    assert await door.admit(event) == TAKEN
    assert door.delivered == [event]
    assert await door.public() == []


@pytest.mark.parametrize("kind", [0, 3, 10002, 10050])
async def test_configured_replaceable_kind_is_kept_and_delivered(door: Door, kind: int) -> None:
    event = an_event(kind=kind, created_at=NOW - 9 * 365 * 86_400)
    assert await door.admit(event) == TAKEN
    assert await door.public() == [event.id]
    assert door.delivered == [event]


async def test_older_version_is_told_so_and_not_delivered(door: Door) -> None:
    newer, older = an_event(kind=10050, created_at=NOW), an_event(kind=10050, created_at=NOW - 1)
    await door.admit(newer)
    assert await door.admit(older) == OUTDATED
    assert await door.admit(older) == OUTDATED
    assert await door.public() == [newer.id]
    assert door.delivered == [newer]


async def test_configured_addressable_kind_is_kept_for_each_d_tag(door: Door) -> None:
    door.set(PublishLimits(replaceable_kinds=frozenset({30078})))
    events = [an_event(kind=30078, tags=[("d", d)]) for d in "ab"]
    for event in events:
        await door.admit(event)
    assert set(await door.public()) == {event.id for event in events}


@pytest.mark.parametrize(
    ("expiration", "kept_until"), [(None, NOW + 1000), (NOW + 10, NOW + 10), (NOW + 5000, NOW + 1000)]
)
async def test_wrap_is_kept_until_its_expiration_or_ours(door: Door, expiration: int | None, kept_until: int) -> None:
    door.set(PublishLimits(retention_seconds=1000))
    tags = [] if expiration is None else [("expiration", str(expiration))]
    wrap = a_wrap(tags=tags)
    await door.admit(wrap)
    door.clock.advance(kept_until - 1 - NOW)
    assert await door.wraps() == [wrap.id]
    door.clock.advance(1)
    assert await door.wraps() == []


# --- step 1


@pytest.mark.parametrize("event", [a_wrap(), a_wrap(kind=LIVE), a_wrap(BRIDGE), an_event(), an_event(kind=1)])
async def test_forged_event_is_invalid_whatever_its_kind(door: Door, event: VerifiedEvent) -> None:
    for forged in (
        altered(event, id="00" * 32),
        altered(event, content="other"),
        altered(event, pubkey=BOB.public_key),
        altered(event, sig=an_event(content="x").sig),
    ):
        with pytest.raises(InvalidEvent):
            await door.admit(forged)
    assert door.delivered == []
    assert door.inbox.wraps == []


async def test_event_larger_than_allowed_is_invalid(door: Door) -> None:
    event = a_wrap(content="é" * 2000)
    size = len(event.to_json().encode())
    door.set(PublishLimits(max_event_bytes=size))
    assert await door.admit(event) == TAKEN
    door.set(PublishLimits(max_event_bytes=size - 1))
    with pytest.raises(InvalidEvent, match="larger"):
        await door.admit(event)


async def test_content_longer_than_the_document_tells_is_invalid(door: Door) -> None:
    limits = PublishLimits(max_event_bytes=4000)
    door.set(limits)
    assert await door.admit(a_wrap(content="A" * limits.max_content_length)) == TAKEN
    with pytest.raises(InvalidEvent, match="content: more than 2976 characters"):
        await door.admit(a_wrap(content="A" * (limits.max_content_length + 1)))


async def test_event_with_more_tags_than_allowed_is_invalid(door: Door) -> None:
    door.set(PublishLimits(max_event_tags=2))
    assert await door.admit(a_wrap(tags=[("t", "1")])) == TAKEN
    with pytest.raises(InvalidEvent, match="tags"):
        await door.admit(a_wrap(tags=[("t", "1"), ("t", "2")]))


@WRAP_KINDS
@pytest.mark.parametrize("to", [ALICE, BRIDGE])
async def test_wrap_carries_few_tags(door: Door, kind: int, to: Any) -> None:
    door.set(PublishLimits(max_wrap_tags=2))
    assert await door.admit(a_wrap(to, kind=kind, tags=[("t", "1")])) == TAKEN
    with pytest.raises(InvalidEvent, match="tags: more than 2"):
        await door.admit(a_wrap(to, kind=kind, tags=[("t", "1"), ("t", "2")]))
    assert await door.admit(an_event(kind=0, tags=[("t", "1")] * 3)) == TAKEN


def mined(bits: int, target: str | None, *, exactly: bool = True) -> VerifiedEvent:
    """Return an event whose id begins with so many zero bits, that commits to a target."""
    for number in count():
        event = an_event(kind=24133, tags=[("nonce", str(number), *([target] if target else []))])
        if difficulty(event.id) == bits or (not exactly and difficulty(event.id) >= bits):
            return event
    raise AssertionError("numbers never end")


@pytest.mark.parametrize(
    ("bits", "target", "is_taken"), [(6, "6", True), (7, "6", True), (6, "7", True), (5, "6", False), (8, "5", False)]
)
async def test_work_is_needed_and_committed_to(door: Door, bits: int, target: str, is_taken: bool) -> None:
    door.set(PublishLimits(min_pow_difficulty=6))
    event = mined(bits, target)
    if is_taken:
        assert await door.admit(event) == TAKEN
        return
    with pytest.raises(WorkNeeded, match="6 bits of work"):
        await door.admit(event)
    assert door.delivered == []


async def test_work_is_needed_for_every_kind_and_first_of_all(door: Door) -> None:
    door.set(PublishLimits(min_pow_difficulty=60))
    for event in (a_wrap(), a_wrap(kind=LIVE), a_wrap(BRIDGE), an_event(kind=1), an_event(kind=5), mined(6, None)):
        with pytest.raises(WorkNeeded):
            await door.admit(altered(event, sig=an_event(content="x").sig))


async def test_claimed_work_is_found_out(door: Door) -> None:
    door.set(PublishLimits(min_pow_difficulty=60))
    event = an_event(tags=[("nonce", "1", "60")])
    with pytest.raises(InvalidEvent, match="id"):
        await door.admit(altered(event, id="0" * 15 + event.id[15:]))


# --- step 2


@pytest.mark.parametrize("kind", [1, 4, 6, 13, 14, 1058, 10000, 20001, 22242, 24390, 31990])
async def test_other_kinds_are_blocked(door: Door, kind: int) -> None:
    with pytest.raises(Blocked):
        await door.admit(an_event(kind=kind))
    assert door.delivered == []


async def test_auth_event_is_never_published_even_if_its_kind_is_configured(door: Door) -> None:
    door.set(PublishLimits(ephemeral_kinds=frozenset({AUTH})))
    with pytest.raises(Blocked):
        await door.admit(an_auth(ALICE))
    assert door.delivered == []


@WRAP_KINDS
@pytest.mark.parametrize(
    "tags",
    [
        [],
        [("p",)],
        [("p", "ALICE")],
        [("p", ALICE.public_key.upper())],
        [("p", ALICE.public_key), ("p", BOB.public_key)],
        [("p", BRIDGE.public_key), ("p", BRIDGE.public_key)],
    ],
    ids=["none", "empty", "no key", "upper case", "two", "twice"],
)
async def test_wrap_has_exactly_one_recipient(door: Door, kind: int, tags: list[tuple[str, ...]]) -> None:
    with pytest.raises(InvalidWrap):
        await door.admit(an_event(kind=kind, tags=tags))


WINDOW = WrapWindow(past_seconds=1000, future_seconds=100, ephemeral_seconds=10)


@pytest.mark.parametrize(
    ("kind", "earliest", "latest"),
    [
        (STORED, -1000, 100),
        (LIVE, -10, 10),
        (24133, -10, 10),
        (20001, -30, 3),
        (0, -5000, 50),
        (10050, -200, 20),
    ],
)
@pytest.mark.parametrize("to", [ALICE, BRIDGE])
async def test_window_of_the_kind_is_exact(door: Door, kind: int, earliest: int, latest: int, to: Any) -> None:
    limits = PublishLimits(
        window=WINDOW,
        public_window=TimeWindow(past_seconds=5000, future_seconds=50),
        kind_windows={10050: TimeWindow(past_seconds=200, future_seconds=20), 20001: TimeWindow(30, 3)},
        ephemeral_kinds=frozenset({LIVE, 24133, 20001}),
    )
    door.set(limits)
    tags = [("p", to.public_key)]
    for inside in (earliest, 0, latest):
        event = an_event(a_key(str(inside)), kind=kind, created_at=NOW + inside, tags=tags)
        assert await door.admit(event) == TAKEN
    for outside in (earliest - 1, latest + 1):
        if NOW + outside >= 0:
            with pytest.raises((InvalidWrap, Unacceptable), match="created_at"):
                await door.admit(an_event(kind=kind, created_at=NOW + outside, tags=tags))


@pytest.mark.parametrize("kind", [STORED, LIVE, 24133, 0])
@pytest.mark.parametrize("expiration", [str(NOW), str(NOW - 1), "soon", "-1", "1.5", ""])
async def test_event_that_is_over_or_says_nothing_readable_about_it_is_invalid(
    door: Door, kind: int, expiration: str
) -> None:
    tags = [("p", ALICE.public_key), ("expiration", expiration)]
    with pytest.raises((InvalidWrap, Unacceptable), match="expiration"):
        await door.admit(an_event(kind=kind, tags=tags))


@pytest.mark.parametrize(("keys", "refusal"), [((), AuthRequired), ((BOB.public_key,), Restricted)])
async def test_protected_event_is_published_by_its_author_only(
    door: Door, keys: tuple[PublicKey, ...], refusal: type[Refused]
) -> None:
    event = an_event(kind=0, tags=[("-",)])
    with pytest.raises(refusal):
        await door.admit(event, keys=keys)
    assert await door.admit(event, keys=[SENDER.public_key]) == TAKEN


@WRAP_KINDS
async def test_wrap_is_never_protected(door: Door, kind: int) -> None:
    with pytest.raises(AuthRequired):
        await door.admit(a_wrap(kind=kind, tags=[("-",)]))


# --- step 3


@pytest.mark.parametrize("event", [a_wrap(), a_wrap(kind=LIVE), a_wrap(BRIDGE), an_event(), an_event(kind=24133)])
async def test_repeat_is_told_so_and_goes_no_further(door: Door, event: VerifiedEvent) -> None:
    assert await door.admit(event) == TAKEN
    assert await door.admit(event) == KNOWN
    assert len(door.delivered) + len(door.inbox.wraps) == 1


async def test_kept_wrap_is_known_after_a_restart(door: Door) -> None:
    wrap = a_wrap()
    await door.admit(wrap)
    door.set(PublishLimits())
    assert await door.admit(wrap) == KNOWN
    assert len(door.delivered) == 1


async def test_repeat_of_an_ephemeral_event_is_known_for_as_long_as_its_time_lets_it_in(door: Door) -> None:
    door.set(PublishLimits(seen_seconds=1, window=WrapWindow(ephemeral_seconds=500)))
    wrap = a_wrap(kind=LIVE, created_at=NOW + 500)
    await door.admit(wrap)
    door.clock.advance(1000)
    assert await door.admit(wrap) == KNOWN
    door.clock.advance(1)
    with pytest.raises(InvalidWrap, match="created_at"):
        await door.admit(wrap)


async def test_no_more_ids_are_remembered_than_allowed(door: Door) -> None:
    door.set(PublishLimits(max_seen=2))
    wraps = [a_wrap(kind=LIVE, content=str(number)) for number in range(3)]
    for wrap in wraps:
        await door.admit(wrap)
    assert [await door.admit(wrap) for wrap in (wraps[2], wraps[0])] == [KNOWN, TAKEN]


async def test_repeat_under_a_false_signature_is_invalid(door: Door) -> None:
    wrap = a_wrap(kind=LIVE)
    await door.admit(wrap)
    with pytest.raises(InvalidEvent):
        await door.admit(altered(wrap, sig=an_event().sig))


async def test_claimed_id_of_a_known_event_is_invalid(door: Door) -> None:
    wrap = a_wrap(kind=LIVE)
    await door.admit(wrap)
    with pytest.raises(InvalidEvent):
        await door.admit(altered(a_wrap(kind=LIVE, content="other"), id=wrap.id))


# --- step 4 and 5


async def test_connection_beyond_its_rate_is_refused(door: Door) -> None:
    wrap = a_wrap()
    with pytest.raises(RateLimited, match="wait 3 s"):
        await door.admit(wrap, wait_seconds=2.5)
    assert await door.admit(wrap) == TAKEN


@WRAP_KINDS
async def test_recipient_gets_no_more_than_its_rate(door: Door, kind: int) -> None:
    door.set(PublishLimits(mailbox=MailboxBuckets(recipient=per_second(0.5, burst=2))))
    wraps = [a_wrap(kind=kind, content=str(number)) for number in range(4)]
    assert [await door.admit(wrap) for wrap in wraps[:2]] == [TAKEN, TAKEN]
    with pytest.raises(RateLimited, match="wait 2 s"):
        await door.admit(wraps[2])
    assert await door.admit(a_wrap(BOB, kind=kind)) == TAKEN
    door.clock.advance(2)
    assert await door.admit(wraps[2]) == TAKEN


@WRAP_KINDS
async def test_one_address_does_not_use_up_what_a_recipient_gets(door: Door, kind: int) -> None:
    door.set(
        PublishLimits(mailbox=MailboxBuckets(recipient=per_second(0.001, burst=8), sender=per_second(0.001, burst=4)))
    )
    taken = {"flood": 0, "other flood": 0, "quiet": 0, "also quiet": 0}
    for number in range(20):
        for sender in ("flood", "other flood", *(["quiet", "also quiet"] if number == 19 else [])):
            try:
                await door.admit(a_wrap(kind=kind, content=f"{number} {sender}"), sender=sender)
            except RateLimited:
                continue
            taken[sender] += 1
    assert taken["flood"] <= 4 >= taken["other flood"]
    assert taken["quiet"] == taken["also quiet"] == 1


async def test_one_address_fills_no_mailbox_in_a_day(door: Door) -> None:
    door.set(PublishLimits(quota_per_recipient=5, mailbox=MailboxBuckets(kept=per_day(2))))
    for number in range(2):
        assert await door.admit(a_wrap(content=str(number)), sender="flood") == TAKEN
    with pytest.raises(RateLimited, match="wait 43200 s"):
        await door.admit(a_wrap(content="one too many"), sender="flood")
    assert await door.admit(a_wrap(BOB), sender="flood") == TAKEN
    assert await door.admit(a_wrap(kind=LIVE), sender="flood") == TAKEN
    assert await door.admit(a_wrap(content="from elsewhere"), sender="quiet") == TAKEN
    door.clock.advance(43_200)
    assert await door.admit(a_wrap(content="later"), sender="flood") == TAKEN


async def test_what_takes_no_room_in_a_mailbox_does_not_count_as_if_it_did(door: Door) -> None:
    door.set(PublishLimits(quota_per_recipient=3, mailbox=MailboxBuckets(kept=per_day(2))))
    wrap, deleted = a_wrap(), a_wrap(content="deleted")
    await door.admit(wrap, sender="known")
    await door.admit(a_deletion(deleted))
    for _ in range(5):
        assert await door.admit(wrap, sender="known") == KNOWN
        with pytest.raises(Blocked, match=GONE):
            await door.admit(deleted, sender="known")
    assert await door.admit(a_wrap(content="another"), sender="known") == TAKEN
    await door.admit(a_wrap(content="fills it"), sender="other")
    for _ in range(5):
        with pytest.raises(RateLimited, match="room"):
            await door.admit(a_wrap(content="no room"), sender="other")


async def test_no_more_recipients_are_tracked_than_allowed(door: Door) -> None:
    door.set(PublishLimits(mailbox=MailboxBuckets(recipient=per_second(0.001, burst=1)), max_tracked_recipients=2))
    for name in ("a", "b", "c"):
        await door.admit(a_wrap(a_key(name), kind=LIVE))
    assert len(door.admission._rates) == 2


async def test_bridge_has_room_in_its_inbox_and_no_rate(door: Door) -> None:
    door.set(PublishLimits(mailbox=MailboxBuckets(recipient=per_second(0.001, burst=1))))
    for number in range(5):
        assert await door.admit(a_wrap(BRIDGE, content=str(number))) == TAKEN
    door.inbox.verdict = Added.FULL
    with pytest.raises(RateLimited):
        await door.admit(a_wrap(BRIDGE, content="one too many"))


async def test_recipient_has_a_quota(door: Door) -> None:
    door.set(PublishLimits(quota_per_recipient=2))
    for number in range(2):
        await door.admit(a_wrap(content=str(number)))
    with pytest.raises(RateLimited, match="room"):
        await door.admit(a_wrap(content="one too many"))
    assert await door.admit(a_wrap(BOB)) == TAKEN
    assert len(door.delivered) == 3


async def test_answers_of_the_bridge_take_no_room_from_others(door: Door) -> None:
    door.set(PublishLimits(quota_per_recipient=2))
    for number in range(3):
        reply = StoredReply(a_wrap(content=f"answer {number}"), ALICE.public_key, NOW + 600)
        await door.storage.requests.commit(Answer(wrap_ids=[], replies=[reply]))
    for number in range(2):
        assert await door.admit(a_wrap(content=str(number))) == TAKEN
    with pytest.raises(RateLimited, match="room"):
        await door.admit(a_wrap(content="one too many"))
    assert len(await door.wraps()) == 5


async def test_replaceable_events_of_one_key_have_a_limit(door: Door) -> None:
    door.set(PublishLimits(max_replaceable_events_per_key=1))
    await door.admit(an_event(kind=0))
    with pytest.raises(RateLimited, match="room"):
        await door.admit(an_event(kind=3))
    assert await door.admit(an_event(kind=0, created_at=NOW + 1)) == TAKEN
    assert await door.admit(an_event(BOB, kind=0)) == TAKEN


async def test_keys_made_in_bulk_take_no_room_from_who_comes_and_none_from_the_bridge(door: Door) -> None:
    door.set(PublishLimits(max_replaceable_events=3))
    ours = an_event(BRIDGE, kind=10050)
    await door.admission.publish_own(ours)
    for number in range(5):
        assert await door.admit(an_event(a_key(str(number)), kind=10050)) == TAKEN
    listed = an_event(ALICE, kind=10050)
    assert await door.admit(listed) == TAKEN
    kept = await door.public()
    assert len(kept) == 3
    assert {ours.id, listed.id} < set(kept)


async def test_inbox_knows_repeats_that_we_have_forgotten(door: Door) -> None:
    door.inbox.verdict = Added.DUPLICATE
    assert await door.admit(a_wrap(BRIDGE)) == KNOWN


@pytest.mark.parametrize("error", [StorageBusy("full"), RuntimeError("bug")])
async def test_event_that_we_failed_to_keep_may_be_sent_again(door: Door, error: Exception) -> None:
    wrap = a_wrap(BRIDGE)
    door.inbox.error = error
    with pytest.raises(type(error)):
        await door.admit(wrap)
    door.inbox.error = None
    assert await door.admit(wrap) == TAKEN


# --- deletion and vanishing

GONE = "asked for it to be deleted"


def a_deletion(*events: Event, by: Any = SENDER, k: int | None = None) -> VerifiedEvent:
    tags = [("e", event.id) for event in events] + ([("k", str(k))] if k else [])
    return an_event(by, kind=5, tags=tags)


def a_vanish(by: Any = ALICE, *, relay: str = RELAY_URL, created_at: int = NOW) -> VerifiedEvent:
    return an_event(by, kind=62, tags=[("relay", relay)], created_at=created_at)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(
    ("event", "by"), [(an_event(), SENDER), (a_wrap(), SENDER), (a_wrap(), ALICE)], ids=["public", "sent", "received"]
)
async def test_deleted_event_goes_and_does_not_come_back(
    door: Door, event: VerifiedEvent, by: Any, restarted: bool
) -> None:
    await door.admit(event)
    request = a_deletion(event, by=by)
    assert await door.admit(request) == TAKEN
    assert await door.admit(request) == KNOWN
    assert await door.wraps() + await door.public() == [request.id]
    assert door.delivered == [event, request]
    if restarted:
        door.set(door.limits)
    with pytest.raises(Blocked, match=GONE):
        await door.admit(event)
    assert len(door.delivered) == 2


@pytest.mark.parametrize("by", [SENDER, ALICE])
async def test_live_wrap_that_is_not_wanted_is_not_passed_on(door: Door, by: Any) -> None:
    wrap, sent = a_wrap(kind=LIVE), a_wrap(kind=LIVE, content="sent before")
    await door.admit(sent)
    request = a_deletion(wrap, sent, by=by, k=LIVE)
    await door.admit(request)
    for deleted in (wrap, sent):
        with pytest.raises(Blocked, match=GONE):
            await door.admit(deleted)
    assert door.delivered == [sent, request]


async def test_request_about_what_is_not_theirs_is_answered_like_any_other(door: Door) -> None:
    """Whether a wrap is here, or ever was, shows in no answer to a stranger."""
    here, never, live = a_wrap(), a_wrap(content="never"), a_wrap(kind=LIVE)
    await door.admit(here)
    await door.admit(live)
    for named in (here, never, live):
        assert await door.admit(a_deletion(named, by=BOB)) == TAKEN
        assert await door.admit(a_deletion(named, by=BOB)) == KNOWN
    assert await door.wraps() == [here.id]
    assert [await door.admit(event) for event in (here, live, never)] == [KNOWN, KNOWN, TAKEN]


@pytest.mark.parametrize("relay", [RELAY_URL, "ALL_RELAYS"])
@pytest.mark.parametrize("restarted", [False, True])
async def test_vanished_key_leaves_nothing_and_nothing_of_it_comes_back(
    door: Door, relay: str, restarted: bool
) -> None:
    mine, sent, yours = an_event(ALICE), a_wrap(ALICE), a_wrap(BOB)
    request = a_deletion(yours, by=ALICE)
    for event in (mine, sent, yours, request):
        await door.admit(event)
    vanish = a_vanish(relay=relay)
    assert await door.admit(vanish) == TAKEN
    assert await door.public() == [vanish.id]
    assert await door.wraps() == [yours.id]
    if restarted:
        door.set(door.limits)
    for event in (mine, sent, request, an_event(ALICE, kind=3), a_wrap(ALICE, content="another")):
        with pytest.raises(Blocked, match=GONE):
            await door.admit(event)
    assert await door.admit(vanish) == KNOWN
    assert await door.admit(an_event(ALICE, created_at=NOW + 1)) == TAKEN
    assert await door.admit(a_wrap(ALICE, created_at=NOW + 1)) == TAKEN


async def test_keys_of_an_account_that_vanished_may_not_act_any_more(door: Door) -> None:
    await door.storage.accounts.admit(
        NewAccount(ALICE.public_key, bytes(16), str(UUID(int=1)), NOW - 10), max_accounts=10
    )
    await door.admit(a_vanish(BOB))
    assert door.gone == []
    await door.admit(a_vanish(ALICE))
    assert door.gone == [ALICE.public_key]


async def test_live_wrap_to_who_vanished_is_not_passed_on(door: Door) -> None:
    await door.admit(a_vanish())
    with pytest.raises(Blocked, match=GONE):
        await door.admit(a_wrap(kind=LIVE))
    assert await door.admit(a_wrap(kind=LIVE, created_at=NOW + 1)) == TAKEN


@pytest.mark.parametrize("tags", [[], [("relay", "wss://other.example")]])
async def test_request_to_vanish_from_elsewhere_is_invalid_and_changes_nothing(
    door: Door, tags: list[tuple[str, ...]]
) -> None:
    event = an_event(ALICE)
    await door.admit(event)
    with pytest.raises(InvalidEvent):
        await door.admit(an_event(ALICE, kind=62, tags=tags))
    assert await door.public() == [event.id]


async def test_deletion_requests_have_limits(door: Door) -> None:
    door.set(
        PublishLimits(max_deletion_targets=2, max_deletion_requests_per_key=1, max_deletion_requests=2, max_seen=1)
    )
    events = [an_event(kind=kind) for kind in (0, 3, 10002)]
    with pytest.raises(InvalidEvent, match="at most 2"):
        await door.admit(a_deletion(*events))
    for event in events:
        assert await door.admit(a_deletion(event)) == TAKEN
    assert await door.public() == [a_deletion(events[2]).id]
    assert [await door.admit(event) for event in events[:2]] == [TAKEN, TAKEN]
    with pytest.raises(Blocked, match=GONE):
        await door.admit(events[2])
    for who in (ALICE, BOB):
        await door.admit(a_deletion(events[0], by=who))
    kept = set(await door.public())
    assert a_deletion(events[2]).id not in kept
    assert {a_deletion(events[0], by=who).id for who in (ALICE, BOB)} < kept


async def test_requests_to_vanish_have_limits_of_their_own(door: Door) -> None:
    door.set(PublishLimits(max_deletion_requests=1, max_vanish_requests=2, max_vanished_keys=3))
    keys = [a_key(str(number)) for number in range(4)]
    for key in keys:
        assert await door.admit(a_vanish(key)) == TAKEN
        await door.admit(a_deletion(an_event(), by=BOB))
    public = set(await door.public())
    assert {a_vanish(key).id for key in keys} & public == {a_vanish(key).id for key in keys[2:]}
    assert await door.admit(an_event(keys[0])) == TAKEN
    for key in keys[1:]:
        with pytest.raises(Blocked, match=GONE):
            await door.admit(an_event(key))


@pytest.mark.parametrize("request_", [a_deletion(a_wrap(kind=LIVE), by=ALICE), a_vanish()], ids=["delete", "vanish"])
async def test_live_wrap_that_is_not_wanted_is_not_passed_on_after_a_restart(
    door: Door, request_: VerifiedEvent
) -> None:
    await door.admit(request_)
    door.set(door.limits)
    await door.admission.recall()
    with pytest.raises(Blocked, match=GONE):
        await door.admit(a_wrap(kind=LIVE))
    assert await door.admit(a_wrap(BOB, kind=LIVE)) == TAKEN


async def test_no_more_wishes_are_recalled_than_there_is_room_for(door: Door) -> None:
    wraps = [a_wrap(kind=LIVE, content=str(number)) for number in range(3)]
    for wrap in wraps:
        await door.admit(a_deletion(wrap, by=ALICE))
    door.set(PublishLimits(max_seen=8))
    await door.admission.recall()
    assert len(door.admission._withdrawn) == 4
    assert await door.admit(wraps[0]) == TAKEN
    for wrap in wraps[1:]:
        with pytest.raises(Blocked, match=GONE):
            await door.admit(wrap)


# --- what is said of an event that is no longer here


async def test_event_deleted_by_its_address_is_blocked_and_not_called_a_repeat(door: Door) -> None:
    event = an_event(kind=10002, created_at=NOW - 100)
    await door.admit(event)
    await door.admit(an_event(kind=5, tags=[("a", f"10002:{SENDER.public_key}:")]))
    with pytest.raises(Blocked, match=GONE):
        await door.admit(event)


async def test_older_version_is_kept_again_once_the_newer_is_deleted(door: Door) -> None:
    older, newer = an_event(kind=10002, created_at=NOW - 100), an_event(kind=10002, created_at=NOW - 50)
    for event in (older, newer, a_deletion(newer)):
        await door.admit(event)
    assert await door.admit(older) == TAKEN
    assert older.id in await door.public()


async def test_event_that_made_room_for_others_is_kept_again(door: Door) -> None:
    door.set(PublishLimits(max_replaceable_events=1))
    event = an_event()
    for one in (event, an_event(BOB)):
        await door.admit(one)
    assert await door.admit(event) == TAKEN
    assert await door.public() == [event.id]


async def test_deletion_request_that_made_room_for_others_is_kept_again(door: Door) -> None:
    door.set(PublishLimits(max_deletion_requests_per_key=1))
    request = a_deletion(an_event())
    for one in (request, a_deletion(an_event(kind=3))):
        await door.admit(one)
    assert await door.admit(request) == TAKEN
    assert await door.public() == [request.id]


# --- a request to delete, and what comes right behind it


@pytest.mark.parametrize("request_", [a_deletion(a_wrap(kind=LIVE), by=ALICE), a_vanish()], ids=["delete", "vanish"])
async def test_live_wrap_right_behind_the_request_against_it_is_not_passed_on(
    door: Door, request_: VerifiedEvent
) -> None:
    keeping = door.admission.consider(request_, keys=(), wait_seconds=0)
    with pytest.raises(Blocked, match=GONE):
        await door.admit(a_wrap(kind=LIVE))
    assert not isinstance(keeping, Verdict)
    assert await keeping() == TAKEN
    assert door.delivered == [request_]


@pytest.mark.parametrize("request_", [a_deletion(an_event()), a_vanish(SENDER)], ids=["delete", "vanish"])
async def test_repeat_right_behind_the_request_against_it_is_blocked(door: Door, request_: VerifiedEvent) -> None:
    await door.admit(an_event())
    asked = [door.admission.consider(event, keys=(), wait_seconds=0) for event in (request_, an_event())]
    first, second = (verdict() for verdict in asked if not isinstance(verdict, Verdict))
    assert await first == TAKEN
    with pytest.raises(Blocked, match=GONE):
        await second


@pytest.mark.parametrize("request_", [a_deletion(a_wrap(kind=LIVE), by=ALICE), a_vanish()], ids=["delete", "vanish"])
async def test_refused_request_withholds_nothing_afterwards(door: Door, request_: VerifiedEvent) -> None:
    door.set(PublishLimits(max_deletion_requests=0, max_vanish_requests=0))
    with pytest.raises(RateLimited, match="room"):
        await door.admit(request_)
    assert await door.admit(a_wrap(kind=LIVE)) == TAKEN


# --- the first refusal wins

LIMITS = PublishLimits(
    mailbox=MailboxBuckets(recipient=per_second(0.001, burst=1)), quota_per_recipient=1, window=WINDOW
)
USED = a_wrap(ALICE, content="takes the rate and the quota")
USED_LIVE = a_wrap(BOB, kind=LIVE)
OLD = a_wrap(ALICE, created_at=NOW - 2000)


@pytest.mark.parametrize(
    ("event", "wait_seconds", "outcome"),
    [
        pytest.param(altered(OLD, sig=USED.sig), 9, InvalidEvent, id="signature before window"),
        pytest.param(altered(USED, sig=OLD.sig), 9, InvalidEvent, id="signature before seen"),
        pytest.param(altered(an_event(kind=1), sig=USED.sig), 9, InvalidEvent, id="signature before kind"),
        pytest.param(an_event(kind=1, created_at=NOW + 2000), 9, Blocked, id="kind before window"),
        pytest.param(an_event(kind=STORED, created_at=NOW - 2000), 9, InvalidWrap, id="p tag before window"),
        pytest.param(OLD, 9, InvalidWrap, id="window before rates"),
        pytest.param(USED_LIVE, 9, KNOWN, id="seen before rates"),
        pytest.param(USED, 9, RateLimited, id="rate before what the storage knows"),
        pytest.param(a_wrap(ALICE), 9, RateLimited, id="rate of the connection before that of the recipient"),
        pytest.param(a_wrap(ALICE), 0, RateLimited, id="rate of the recipient before the quota"),
    ],
)
async def test_first_refusal_wins(
    door: Door, event: Event, wait_seconds: float, outcome: type[Exception] | Verdict
) -> None:
    door.set(LIMITS)
    for used in (USED, USED_LIVE):
        await door.admit(used)
    if isinstance(outcome, Verdict):
        assert await door.admit(event, wait_seconds=wait_seconds) == outcome
        return
    with pytest.raises(outcome) as refusal:
        await door.admit(event, wait_seconds=wait_seconds)
    if outcome is RateLimited:
        assert f"wait {wait_seconds or 1000} s" in str(refusal.value)
    assert isinstance(refusal.value, NipError | Refused)


async def test_seen_window_is_over_before_the_id_is_forgotten(door: Door) -> None:
    """A repeat that is too old meanwhile is refused for its time, which comes first."""
    door.set(replace(LIMITS, seen_seconds=10_000))
    await door.admit(USED)
    door.clock.advance(2000)
    with pytest.raises(InvalidWrap, match="created_at"):
        await door.admit(USED)


# --- the bridge's own events


@pytest.mark.parametrize("kind", [10050, 31990, 10002])
async def test_own_event_is_kept_and_delivered_whatever_others_may_publish(door: Door, kind: int) -> None:
    door.set(PublishLimits(replaceable_kinds=frozenset(), max_replaceable_events=0))
    event = an_event(BRIDGE, kind=kind, tags=[("d", "switchboard")])
    assert await door.admission.publish_own(event) is Added.ADDED
    assert await door.public() == [event.id]
    assert door.delivered == [event]
    assert await door.admission.publish_own(event) is Added.DUPLICATE
    assert len(door.delivered) == 1
    with pytest.raises(Blocked):
        await door.admit(event)


async def test_only_own_replaceable_events_are_published_without_asking(door: Door) -> None:
    for event in (an_event(ALICE, kind=10050), an_event(BRIDGE, kind=1), a_wrap()):
        with pytest.raises(ValueError, match=r"own|replaceable"):
            await door.admission.publish_own(event)
    assert door.delivered == []


# --- what the bridge is told of its wraps' origin


async def test_bridge_is_told_from_where_a_wrap_came(door: Door) -> None:
    await door.admit(a_wrap(to=BRIDGE), keys=[ALICE.public_key], sender="192.0.2.1")
    assert door.inbox.origins == [Origin((ALICE.public_key,), "192.0.2.1")]
