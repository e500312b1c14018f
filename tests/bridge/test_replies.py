"""Where answers go, in which wraps, stamped and expiring when."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from bridge.replies import MAX_INBOX_RELAYS, ReplyTimes, ReplyWriter
from nips import kinds
from nips.event import VerifiedEvent, sign_event
from nips.nip17 import make_inbox_relays
from nips.nip40 import expiration
from nips.nip44 import conversation_key, decrypt
from nips.nip59 import Rumor, make_rumor, open_wrap
from storage.interface import HERE, QueuedReply, StoredReply
from storage.sqlite import SqliteStorage
from tests.support.clock import FixedClock
from tests.support.entropy import SeededEntropy
from tests.support.pipeline import LIVE, OWN_URL, STORED, Client, a_sealing, a_storage, verified
from tests.support.wraps import BRIDGE

ALICE = Client("alice")
ONE, TWO = "wss://one.example", "wss://two.example/inbox"
RETENTION, FREE_FOR, LIVE_FOR, BACK = 604_800, 3600, 60, 172_800
DAY = 86_400


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqliteStorage]:
    async with a_storage(tmp_path) as storage:
        yield storage


class Post:
    """A reply writer with what it stands on."""

    def __init__(self, storage: SqliteStorage, upstream: Sequence[str] = (ONE, TWO)) -> None:
        self.storage = storage
        self.clock = FixedClock()
        self.writer = ReplyWriter(
            a_sealing(BRIDGE, self.clock, SeededEntropy()),
            times=ReplyTimes(RETENTION, FREE_FOR, LIVE_FOR, BACK),
            own_url=lambda: OWN_URL,
            upstream=upstream,
            public_events=storage.public_events,
            clock=self.clock,
            entropy=SeededEntropy(),
        )

    def a_response(self) -> Rumor:
        tags = [("p", ALICE.key), ("e", "ab" * 32)]
        return make_rumor(BRIDGE.public_key, created_at=self.clock.now(), kind=24391, tags=tags, content="{}")

    async def write(
        self, kind: int = STORED, *, links: Sequence[str] = (HERE,), age: int = 0
    ) -> Sequence[StoredReply | QueuedReply]:
        received_at = self.clock.now() - age
        return await self.writer.write(self.a_response(), ALICE.key, kind=kind, links=links, received_at=received_at)

    async def one_wrap(self, *, age: int = 0) -> VerifiedEvent:
        (reply,) = await self.write(age=age)
        assert isinstance(reply, StoredReply)
        return reply.wrap

    async def publish_inbox(self, *relays: str, expires_at: int | None = None) -> None:
        now = self.clock.now()
        event = make_inbox_relays(ALICE.secret, relays, created_at=now, aux=bytes(32))
        if expires_at is not None:
            tags = [*event.tags, ("expiration", str(expires_at))]
            event = sign_event(
                ALICE.secret, created_at=now, kind=kinds.INBOX_RELAYS, tags=tags, content="", aux=bytes(32)
            )
        await self.storage.public_events.put(event)


def destinations(replies: Sequence[StoredReply | QueuedReply]) -> list[str]:
    return [HERE if isinstance(reply, StoredReply) else reply.destination for reply in replies]


def seal_time(wrap: VerifiedEvent) -> int:
    seal = json.loads(decrypt(wrap.content, conversation_key(ALICE.secret, wrap.pubkey), max_payload=100_000))
    created_at: int = seal["created_at"]
    return created_at


# --- stored


async def test_a_stored_answer_opens_to_the_response(storage: SqliteStorage) -> None:
    post = Post(storage)
    wrap = await post.one_wrap()
    assert wrap.kind == STORED
    assert open_wrap(wrap, ALICE.secret) == post.a_response()


async def test_a_stored_answer_for_somebody_present_says_when_it_expires(storage: SqliteStorage) -> None:
    post = Post(storage)
    (reply,) = await post.write()
    assert isinstance(reply, StoredReply)
    assert reply.recipient == ALICE.key
    assert reply.expires_at == expiration(reply.wrap) == post.clock.now() + RETENTION


async def test_a_stored_answer_that_took_no_permit_does_not_wait_for_long(storage: SqliteStorage) -> None:
    post = Post(storage)
    now = post.clock.now()
    response = post.a_response()
    (reply,) = await post.writer.write(response, ALICE.key, kind=STORED, links=[HERE], received_at=now, is_free=True)
    assert isinstance(reply, StoredReply)
    assert reply.expires_at == expiration(reply.wrap) == now + FREE_FOR


async def test_a_stored_answer_for_somebody_present_is_stamped_within_the_last_half_minute(
    storage: SqliteStorage,
) -> None:
    post = Post(storage)
    now = post.clock.now()
    stamps = [
        stamp for _ in range(60) for wrap in [await post.one_wrap()] for stamp in (wrap.created_at, seal_time(wrap))
    ]
    assert now - 30 <= min(stamps) <= max(stamps) <= now
    assert len(set(stamps)) > 15


async def test_a_stored_answer_for_somebody_absent_is_back_dated_up_to_two_days(storage: SqliteStorage) -> None:
    post = Post(storage)
    now = post.clock.now()
    wraps = [await post.one_wrap(age=61) for _ in range(40)]
    for stamps in ([wrap.created_at for wrap in wraps], [seal_time(wrap) for wrap in wraps]):
        assert now - BACK <= min(stamps) < now - DAY
        assert now - DAY < max(stamps) <= now


async def test_its_expiry_does_not_tell_what_its_stamp_hides(storage: SqliteStorage) -> None:
    post = Post(storage)
    earliest = post.clock.now() + RETENTION
    expiries = [expiration(await post.one_wrap(age=61)) or 0 for _ in range(40)]
    assert earliest <= min(expiries) < earliest + DAY < max(expiries) <= earliest + BACK
    assert len(set(expiries)) > 30


async def test_whoever_asked_a_minute_ago_is_taken_to_be_present(storage: SqliteStorage) -> None:
    post = Post(storage)
    assert (await post.one_wrap(age=60)).created_at >= post.clock.now() - 30


# --- live


async def test_a_live_answer_waits_as_a_rumor_and_not_for_long(storage: SqliteStorage) -> None:
    post = Post(storage)
    (reply,) = await post.write(LIVE)
    assert reply == QueuedReply(
        HERE,
        ALICE.key,
        LIVE,
        post.a_response().to_json(),
        post.clock.now() + LIVE_FOR,
        next_attempt_at=post.clock.now(),
    )


async def test_a_live_wrap_is_of_now_and_new_each_time(storage: SqliteStorage) -> None:
    post = Post(storage)
    wraps = [await post.writer.wrap_live(post.a_response(), ALICE.key) for _ in range(30)]
    now = post.clock.now()
    assert all(now - 30 <= stamp <= now for wrap in wraps for stamp in (wrap.created_at, seal_time(wrap)))
    assert len({wrap.id for wrap in wraps}) == len({wrap.pubkey for wrap in wraps}) == 30
    for wrap in wraps:
        assert (wrap.kind, wrap.tags) == (LIVE, (("p", ALICE.key),))
        assert open_wrap(wrap, ALICE.secret) == post.a_response()


# --- where they go


@pytest.mark.parametrize("kind", [STORED, LIVE])
@pytest.mark.parametrize("links", [[HERE], [ONE], [HERE, TWO], [ONE, HERE, TWO]])
async def test_an_answer_goes_back_over_the_links_that_its_request_came_by(
    storage: SqliteStorage, kind: int, links: list[str]
) -> None:
    assert destinations(await Post(storage).write(kind, links=links)) == links


async def test_each_destination_gets_a_wrap_of_its_own(storage: SqliteStorage) -> None:
    replies = await Post(storage).write(links=[HERE, ONE, TWO])
    wraps = [reply.wrap if isinstance(reply, StoredReply) else verified(reply.payload_json) for reply in replies]
    assert len({wrap.id for wrap in wraps}) == len({wrap.pubkey for wrap in wraps}) == 3
    assert len({open_wrap(wrap, ALICE.secret).id for wrap in wraps}) == 1


async def test_a_stored_answer_for_another_relay_is_wrapped_once_for_all_attempts(storage: SqliteStorage) -> None:
    post = Post(storage)
    (reply,) = await post.write(links=[ONE])
    assert isinstance(reply, QueuedReply)
    assert (reply.wrap_kind, reply.next_attempt_at) == (STORED, post.clock.now())
    assert expiration(verified(reply.payload_json)) == reply.expires_at == post.clock.now() + RETENTION


async def test_a_stored_answer_goes_to_the_askers_inbox_relays_too(storage: SqliteStorage) -> None:
    post = Post(storage)
    await post.publish_inbox(ONE, OWN_URL)
    assert destinations(await post.write(links=[TWO])) == [TWO, ONE, HERE]


async def test_each_relay_gets_an_answer_once(storage: SqliteStorage) -> None:
    post = Post(storage)
    await post.publish_inbox(ONE, OWN_URL + "/", "WSS://ONE.example:443")
    assert destinations(await post.write(links=[HERE, ONE])) == [HERE, ONE]


async def test_a_live_answer_does_not_go_there(storage: SqliteStorage) -> None:
    post = Post(storage)
    await post.publish_inbox(ONE)
    assert destinations(await post.write(LIVE, links=[TWO])) == [TWO]


async def test_inbox_relays_to_which_there_is_no_link_are_left_out(storage: SqliteStorage) -> None:
    post = Post(storage)
    await post.publish_inbox("wss://far.example", "not a relay", ONE)
    assert destinations(await post.write()) == [HERE, ONE]


async def test_no_more_inbox_relays_are_served_than_anybody_should_have(storage: SqliteStorage) -> None:
    urls = [f"wss://relay{number}.example" for number in range(MAX_INBOX_RELAYS + 2)]
    post = Post(storage, upstream=urls)
    await post.publish_inbox(*urls)
    assert destinations(await post.write()) == [HERE, *urls[:MAX_INBOX_RELAYS]]


async def test_a_list_of_inbox_relays_that_has_expired_is_none(storage: SqliteStorage) -> None:
    post = Post(storage)
    await post.publish_inbox(ONE, expires_at=post.clock.now() + 10)
    assert destinations(await post.write()) == [HERE, ONE]
    post.clock.advance(10)
    assert destinations(await post.write()) == [HERE]


async def test_a_link_that_is_no_longer_there_leaves_our_own_relay(storage: SqliteStorage) -> None:
    post = Post(storage)
    assert destinations(await post.write(links=["wss://gone.example"])) == [HERE]
    assert destinations(await post.write(LIVE, links=["wss://gone.example", HERE])) == [HERE]


async def test_two_relays_on_one_host_are_two_links(storage: SqliteStorage) -> None:
    urls = ["wss://host.example/a", "wss://host.example/b"]
    assert destinations(await Post(storage, upstream=urls).write(links=urls)) == urls
