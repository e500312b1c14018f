"""Requests to delete and to vanish, carried out."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.kinds import DELETION, HANDLER, PROFILE, VANISH
from nips.nip09 import parse_deletion
from storage.interface import Answer, StoredReply
from storage.relay_interface import Added, Room, Withdrawal
from storage.sqlite import SqliteStorage
from storage.tombstones import FOR_EVER
from tests.storage.builders import NOW, a_hex, a_secret, a_wrap, an_event

ROOM = Room(in_all=100, per_key=50)
ME, YOU = a_secret(0).public_key, a_secret(1).public_key
LONG = NOW + 10_000


def a_request(
    *ids: str, author: int = 0, number: int = 0, created_at: int = NOW, tags: Sequence[Sequence[str]] = ()
) -> VerifiedEvent:
    """Return a deletion request."""
    named = [("e", event_id) for event_id in ids]
    return an_event(number, author=author, kind=DELETION, created_at=created_at, tags=[*named, *tags])


async def delete(storage: SqliteStorage, request: VerifiedEvent, *, room: Room = ROOM) -> Added:
    return await storage.deletions.delete(request, parse_deletion(request, max_targets=100), room=room)


async def vanish(
    storage: SqliteStorage, *, author: int = 0, created_at: int = NOW, room: Room = ROOM, remembered: int = 100
) -> Added:
    request = an_event(author=author, kind=VANISH, created_at=created_at, tags=[("relay", "ALL_RELAYS")])
    return (await storage.deletions.vanish(request, room=room, remembered=remembered)).added


async def keep(storage: SqliteStorage, wrap: VerifiedEvent) -> Added:
    return await storage.gift_wraps.add(wrap, recipient=wrap.tag_values("p")[0], expires_at=LONG, quota=100)


async def wraps(storage: SqliteStorage, *recipients: str) -> set[str]:
    found = await storage.gift_wraps.query(Filter(), recipients=recipients or (ME, YOU), now=NOW, limit=100)
    return {event.id for event in found}


async def public(storage: SqliteStorage) -> set[str]:
    return {event.id for event in await storage.public_events.query(Filter(), now=NOW, limit=100)}


# --- NIP-09


async def test_author_deletes_an_event_and_it_does_not_come_back(storage: SqliteStorage) -> None:
    event, request = an_event(kind=PROFILE), a_request(an_event(kind=PROFILE).id)
    await storage.public_events.put(event)
    assert await delete(storage, request) is Added.ADDED
    assert await public(storage) == {request.id}
    assert await storage.public_events.put(event) is Added.DELETED
    assert await storage.public_events.put(an_event(kind=PROFILE, created_at=NOW - 1)) is Added.ADDED


async def test_author_and_recipient_delete_a_wrap_and_it_does_not_come_back(storage: SqliteStorage) -> None:
    for number, author in enumerate((5, 1)):
        wrap = a_wrap(number, to=YOU, author=5)
        assert await keep(storage, wrap) is Added.ADDED
        assert await delete(storage, a_request(wrap.id, author=author)) is Added.ADDED
        assert await wraps(storage) == set()
        assert await keep(storage, wrap) is Added.DELETED


async def test_deletion_counts_before_the_event_comes(storage: SqliteStorage) -> None:
    wrap, event = a_wrap(to=YOU, author=5), an_event(kind=PROFILE)
    await delete(storage, a_request(wrap.id, author=1))
    await delete(storage, a_request(event.id))
    assert await keep(storage, wrap) is Added.DELETED
    assert await storage.public_events.put(event) is Added.DELETED


async def test_stranger_deletes_nothing_now_or_later(storage: SqliteStorage) -> None:
    wrap, event = a_wrap(to=YOU, author=5), an_event(author=1, kind=PROFILE)
    later, later_event = a_wrap(1, to=YOU, author=5), an_event(author=2, kind=PROFILE)
    await keep(storage, wrap)
    await storage.public_events.put(event)
    request = a_request(wrap.id, event.id, later.id, later_event.id, tags=[("a", f"0:{YOU}:")])
    assert await delete(storage, request) is Added.ADDED
    assert await wraps(storage) == {wrap.id}
    assert event.id in await public(storage)
    assert await keep(storage, later) is Added.ADDED
    assert await storage.public_events.put(later_event) is Added.ADDED


async def test_recipient_deletes_only_what_k_does_not_exclude(storage: SqliteStorage) -> None:
    wrap = a_wrap(to=YOU, author=5)
    await keep(storage, wrap)
    await delete(storage, a_request(wrap.id, author=1, tags=[("k", "1")]))
    assert await wraps(storage) == {wrap.id}
    await delete(storage, a_request(wrap.id, author=1, tags=[("k", "1059")]))
    assert await wraps(storage) == set()


@pytest.mark.parametrize(("created_at", "stays"), [(NOW - 1, False), (NOW, False), (NOW + 1, True)])
async def test_address_removes_versions_up_to_the_time_of_the_request(
    storage: SqliteStorage, created_at: int, stays: bool
) -> None:
    named = an_event(kind=HANDLER, tags=[("d", "x")], created_at=created_at)
    other = an_event(kind=HANDLER, tags=[("d", "y")], created_at=created_at)
    await storage.public_events.put(named)
    await storage.public_events.put(other)
    request = a_request(tags=[("a", f"{HANDLER}:{ME}:x")])
    await delete(storage, request)
    assert await public(storage) == {request.id, other.id, *([named.id] if stays else [])}
    assert await storage.public_events.put(named) is (Added.DUPLICATE if stays else Added.DELETED)
    newer = an_event(1, kind=HANDLER, tags=[("d", "x")], created_at=NOW + 2)
    assert await storage.public_events.put(newer) is Added.ADDED


async def test_request_is_kept_once_and_cannot_be_deleted(storage: SqliteStorage) -> None:
    event = an_event(kind=PROFILE)
    request = a_request(event.id)
    await delete(storage, request)
    assert await delete(storage, request) is Added.DUPLICATE
    again = a_request(request.id)
    assert await delete(storage, again) is Added.ADDED
    assert await public(storage) == {request.id, again.id}
    assert await delete(storage, request) is Added.DUPLICATE
    assert await storage.public_events.put(event) is Added.DELETED


async def test_requests_are_found_as_public_events(storage: SqliteStorage) -> None:
    request = a_request(a_hex(7), author=3)
    await delete(storage, request)
    for wanted in (
        Filter(kinds=frozenset({DELETION})),
        Filter(authors=frozenset({request.pubkey})),
        Filter(tags={"e": frozenset({a_hex(7)})}),
    ):
        (found,) = await storage.public_events.query(wanted, now=NOW, limit=10)
        assert found.json == request.to_json()


async def test_key_with_too_many_requests_loses_its_oldest_and_no_other_does(storage: SqliteStorage) -> None:
    room = Room(in_all=100, per_key=2)
    events = [an_event(number, kind=HANDLER, tags=[("d", str(number))]) for number in range(3)]
    yours = a_request(a_hex(1), author=1)
    await delete(storage, yours, room=room)
    requests = [a_request(event.id, number=number) for number, event in enumerate(events)]
    for request in requests:
        assert await delete(storage, request, room=room) is Added.ADDED
    assert await public(storage) == {yours.id, *(request.id for request in requests[1:])}
    assert [await storage.public_events.put(event) for event in events] == [
        Added.ADDED,
        Added.DELETED,
        Added.DELETED,
    ]


async def test_without_room_in_all_the_oldest_requests_go(storage: SqliteStorage) -> None:
    room = Room(in_all=3, per_key=2)
    profile = an_event(author=9, kind=PROFILE)
    await storage.public_events.put(profile)
    requests = [a_request(a_hex(author), author=author) for author in range(3)]
    for request in requests:
        await delete(storage, request, room=room)
    assert await delete(storage, a_request(a_hex(4), author=4), room=room) is Added.ADDED
    found = await public(storage)
    assert requests[0].id not in found
    assert {profile.id, requests[1].id, requests[2].id} < found
    assert len(found) == 4


async def test_requests_of_strangers_push_out_none_that_deleted_something(storage: SqliteStorage) -> None:
    room = Room(in_all=4, per_key=2)
    event, wrap = an_event(kind=PROFILE), a_wrap(to=YOU, author=5)
    listed = an_event(author=3, kind=HANDLER, tags=[("d", "x")])
    for kept in (event, listed):
        await storage.public_events.put(kept)
    await keep(storage, wrap)
    address = [("a", f"{HANDLER}:{a_secret(3).public_key}:x")]
    for request in (a_request(event.id), a_request(wrap.id, author=1), a_request(author=3, tags=address)):
        await delete(storage, request, room=room)
    for author in range(10, 30):
        assert await delete(storage, a_request(a_hex(0), author=author), room=room) is Added.ADDED
    assert await storage.public_events.put(event) is Added.DELETED
    assert await keep(storage, wrap) is Added.DELETED
    assert await storage.public_events.put(listed) is Added.DELETED
    assert len(await public(storage)) == room.in_all


async def test_requests_to_delete_push_out_none_to_vanish_nor_the_other_way_round(storage: SqliteStorage) -> None:
    room = Room(in_all=2, per_key=2)
    await vanish(storage, room=room)
    request = a_request(a_hex(0), author=1)
    for author in range(10, 15):
        await delete(storage, a_request(a_hex(0), author=author), room=room)
    assert an_event(kind=VANISH, tags=[("relay", "ALL_RELAYS")]).id in await public(storage)
    await delete(storage, request, room=room)
    for author in range(20, 25):
        await vanish(storage, author=author, room=room)
    assert request.id in await public(storage)
    assert len(await public(storage)) == 4


async def test_who_vanished_does_not_come_back_though_the_request_had_to_go(storage: SqliteStorage) -> None:
    await vanish(storage)
    for author in range(10, 15):
        assert await vanish(storage, author=author, room=Room(in_all=2, per_key=1)) is Added.ADDED
    assert len(await public(storage)) == 2
    assert await storage.public_events.put(an_event(kind=PROFILE)) is Added.DELETED
    assert await keep(storage, a_wrap(to=ME, author=5)) is Added.DELETED


async def test_of_too_many_that_vanished_those_with_nothing_here_are_forgotten(storage: SqliteStorage) -> None:
    event, wrap = an_event(kind=PROFILE), a_wrap(to=YOU, author=5)
    await storage.public_events.put(event)
    await keep(storage, wrap)
    for author in (0, 1, *range(10, 15)):
        await vanish(storage, author=author, room=Room(in_all=3, per_key=1), remembered=3)
    assert await storage.public_events.put(event) is Added.DELETED
    assert await keep(storage, wrap) is Added.DELETED
    assert await storage.public_events.put(an_event(author=10, kind=PROFILE)) is Added.ADDED
    kept = await storage.public_events.query(Filter(kinds=frozenset({VANISH})), now=NOW, limit=10)
    assert {ME, YOU} < {json.loads(request.json)["pubkey"] for request in kept}


async def test_without_any_room_a_request_is_refused_and_changes_nothing(storage: SqliteStorage) -> None:
    event, none = an_event(kind=PROFILE), Room(in_all=0, per_key=1)
    await storage.public_events.put(event)
    assert await delete(storage, a_request(event.id), room=none) is Added.FULL
    assert await vanish(storage, room=none) is Added.FULL
    assert await public(storage) == {event.id}


@pytest.mark.parametrize("kind", [PROFILE, 1, VANISH])
async def test_other_kinds_delete_nothing(storage: SqliteStorage, kind: int) -> None:
    event = an_event(kind=kind, tags=[("e", a_hex(0))])
    with pytest.raises(ValueError, match=f"kind {kind}"):
        await delete(storage, event)
    with pytest.raises(ValueError, match="kind 5"):
        await storage.deletions.vanish(a_request(a_hex(0)), room=ROOM, remembered=100)


# --- NIP-62


async def test_all_that_a_key_wrote_and_was_sent_goes_up_to_a_time(storage: SqliteStorage) -> None:
    old, new = an_event(kind=PROFILE), an_event(kind=HANDLER, tags=[("d", "x")], created_at=NOW + 1)
    written, sent, later = a_wrap(0, to=YOU), a_wrap(1, to=ME, author=5), a_wrap(2, to=ME, author=5, created_at=NOW + 1)
    yours, request = a_wrap(3, to=YOU, author=5), a_request(a_hex(1))
    reply = a_wrap(4, to=ME, author=6)
    for event in (old, new):
        await storage.public_events.put(event)
    for wrap in (written, sent, later, yours):
        await keep(storage, wrap)
    await storage.requests.commit(Answer(wrap_ids=[], replies=[StoredReply(reply, ME, LONG)]))
    await delete(storage, request)
    assert await vanish(storage) is Added.ADDED
    assert await wraps(storage) == {later.id, yours.id}
    found = await storage.public_events.query(Filter(), now=NOW, limit=100)
    assert [event.id for event in found if event.id != new.id] == [
        an_event(kind=VANISH, tags=[("relay", "ALL_RELAYS")]).id
    ]
    assert new.id in {event.id for event in found}


async def test_what_vanished_does_not_come_back(storage: SqliteStorage) -> None:
    await vanish(storage)
    assert await storage.public_events.put(an_event(kind=PROFILE)) is Added.DELETED
    assert await keep(storage, a_wrap(to=YOU)) is Added.DELETED
    assert await keep(storage, a_wrap(to=ME, author=5)) is Added.DELETED
    assert await delete(storage, a_request(a_hex(1))) is Added.DELETED
    assert await storage.public_events.put(an_event(kind=PROFILE, created_at=NOW + 1)) is Added.ADDED
    assert await keep(storage, a_wrap(to=ME, author=5, created_at=NOW + 1)) is Added.ADDED
    assert await delete(storage, a_request(a_hex(1), created_at=NOW + 1)) is Added.ADDED
    assert await storage.public_events.put(an_event(author=1, kind=PROFILE)) is Added.ADDED


async def test_answer_to_who_vanished_is_kept_however_far_it_is_back_dated(storage: SqliteStorage) -> None:
    await vanish(storage)
    reply = a_wrap(to=ME, author=6, created_at=NOW - 1000)
    await storage.requests.commit(Answer(wrap_ids=[], replies=[StoredReply(reply, ME, LONG)]))
    assert await wraps(storage) == {reply.id}


async def test_newest_request_to_vanish_counts(storage: SqliteStorage) -> None:
    assert await vanish(storage, created_at=NOW) is Added.ADDED
    assert await vanish(storage, created_at=NOW) is Added.DUPLICATE
    assert await vanish(storage, created_at=NOW - 1) is Added.STALE
    assert await storage.public_events.put(an_event(kind=PROFILE)) is Added.DELETED
    assert await vanish(storage, created_at=NOW + 5) is Added.ADDED
    assert len(await public(storage)) == 1
    assert await storage.public_events.put(an_event(kind=PROFILE, created_at=NOW + 5)) is Added.DELETED


async def test_what_was_deleted_by_id_stays_so_though_its_key_vanishes_later(storage: SqliteStorage) -> None:
    event, wrap = an_event(kind=PROFILE, created_at=NOW + 600), a_wrap(to=ME, author=5, created_at=NOW + 600)
    await storage.public_events.put(event)
    await delete(storage, a_request(event.id))
    await delete(storage, a_request(wrap.id, number=1))
    for later in (1, 2):
        assert await vanish(storage, created_at=NOW + later) is Added.ADDED
        assert await storage.public_events.put(event) is Added.DELETED
        assert await keep(storage, wrap) is Added.DELETED
    assert len(await public(storage)) == 1


async def test_to_vanish_takes_over_no_more_than_the_newest_ids(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.tombstones.TAKEN_OVER", 2)
    events = [an_event(number, kind=HANDLER, tags=[("d", str(number))], created_at=NOW + 600) for number in range(4)]
    for number, event in enumerate(events):
        await delete(storage, a_request(event.id, number=number))
    await vanish(storage)
    assert [await storage.public_events.put(event) for event in events] == [Added.ADDED] * 2 + [Added.DELETED] * 2


async def test_latest_wishes_come_oldest_first(storage: SqliteStorage) -> None:
    for number in range(3):
        await delete(storage, a_request(a_hex(number), number=number, tags=[("k", "0"), ("a", f"0:{ME}:")]))
        await vanish(storage, author=number + 1)
    ids = [Withdrawal(ME, a_hex(number), FOR_EVER, of_wraps=False) for number in range(3)]
    keys = [Withdrawal(a_secret(number + 1).public_key, "", NOW, of_wraps=True) for number in range(3)]
    assert await storage.deletions.latest(limit=10) == [*keys, *ids]
    assert await storage.deletions.latest(limit=2) == [*keys[1:], *ids[1:]]


async def test_to_vanish_cannot_be_taken_back(storage: SqliteStorage) -> None:
    await vanish(storage)
    request = an_event(kind=VANISH, tags=[("relay", "ALL_RELAYS")])
    await delete(storage, a_request(request.id, created_at=NOW + 1))
    assert request.id in await public(storage)
    assert await storage.public_events.put(an_event(kind=PROFILE)) is Added.DELETED


async def test_vanishing_again_takes_no_more_room(storage: SqliteStorage) -> None:
    room = Room(in_all=2, per_key=2)
    other = a_request(a_hex(1), author=1)
    await delete(storage, other, room=room)
    for number in range(4):
        assert await vanish(storage, created_at=NOW + number, room=room) is Added.ADDED
    assert other.id in await public(storage)
