"""Gift wraps kept for their recipients."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.kinds import GIFT_WRAP
from storage.database import Database
from storage.encryption import KeyRing, Place
from storage.gift_wraps import MAX_REPLIES, Mailboxes, SqliteGiftWraps, insert_wrap
from storage.relay_interface import Added, Position, StoredEvent
from storage.sqlite import SqliteStorage, open_storage
from tests.storage.builders import NOW, a_hex, a_wrap
from tests.storage.filters import expected, filters

ME, YOU, OTHER = a_hex(1), a_hex(2), a_hex(3)
RETENTION = 1000

# Ties of time, two recipients, two authors, a tag that only the event itself shows.
WRAPS = [
    a_wrap(
        number,
        to=ME if number % 3 else YOU,
        author=number % 2,
        created_at=NOW + number // 4,
        tags=[("t", f"topic {number % 2}")],
    )
    for number in range(12)
]


async def keep(
    storage: SqliteStorage, wrap: VerifiedEvent, *, expires_at: int = NOW + RETENTION, quota: int = 99
) -> Added:
    """Offer a wrap for the recipient that it names."""
    return await storage.gift_wraps.add(wrap, recipient=wrap.tag_values("p")[0], expires_at=expires_at, quota=quota)


async def ids(
    storage: SqliteStorage, wanted: Filter, *recipients: str, now: int = NOW, limit: int = 100
) -> Sequence[str]:
    """Return the ids that a query answers with."""
    found = await storage.gift_wraps.query(wanted, recipients=recipients, now=now, limit=limit)
    return [event.id for event in found]


@pytest.fixture
async def full_storage(path: Path, key_ring: KeyRing) -> AsyncIterator[SqliteStorage]:
    """Open a storage that holds `WRAPS`."""
    storage = await open_storage(path, key_ring)
    for wrap in WRAPS:
        assert await keep(storage, wrap) is Added.ADDED
    yield storage
    await storage.close()


async def test_kept_wrap_is_served_as_it_came(storage: SqliteStorage) -> None:
    wrap = a_wrap(to=ME, tags=[("expiration", str(NOW + 5)), ("t", 'ü " \0 🙂')])
    assert await keep(storage, wrap) is Added.ADDED
    found = await storage.gift_wraps.query(Filter(), recipients=[ME], now=NOW, limit=10)
    assert found == [StoredEvent(wrap.id, wrap.created_at, wrap.to_json())]


async def test_same_wrap_is_a_duplicate(storage: SqliteStorage) -> None:
    await keep(storage, a_wrap(to=ME))
    assert await keep(storage, a_wrap(to=ME)) is Added.DUPLICATE
    assert len(await ids(storage, Filter(), ME)) == 1


async def test_expired_wrap_is_remembered_until_the_purge(storage: SqliteStorage) -> None:
    await keep(storage, a_wrap(to=ME), expires_at=NOW - 1)
    assert await ids(storage, Filter(), ME) == []
    assert await keep(storage, a_wrap(to=ME)) is Added.DUPLICATE


async def test_quota_is_each_recipients_own(storage: SqliteStorage) -> None:
    for number in range(2):
        assert await keep(storage, a_wrap(number, to=ME), quota=2) is Added.ADDED
    assert await keep(storage, a_wrap(2, to=ME), quota=2) is Added.FULL
    assert await keep(storage, a_wrap(0, to=ME), quota=2) is Added.DUPLICATE
    assert await keep(storage, a_wrap(3, to=YOU), quota=2) is Added.ADDED
    assert await keep(storage, a_wrap(2, to=ME), quota=3) is Added.ADDED


async def test_quota_of_nothing_keeps_nothing(storage: SqliteStorage) -> None:
    assert await keep(storage, a_wrap(to=ME), quota=0) is Added.FULL


async def test_nobody_sees_the_wraps_of_others(full_storage: SqliteStorage) -> None:
    assert await ids(full_storage, Filter(), OTHER) == []
    assert await ids(full_storage, Filter()) == []
    mine = set(await ids(full_storage, Filter(), ME))
    yours = set(await ids(full_storage, Filter(), YOU))
    assert mine | yours == {wrap.id for wrap in WRAPS}
    assert not mine & yours
    assert await ids(full_storage, Filter(ids=frozenset(yours)), ME) == []
    assert await ids(full_storage, Filter(tags={"p": frozenset({YOU})}), ME) == []


async def test_wrap_is_gone_at_its_time(storage: SqliteStorage) -> None:
    await keep(storage, a_wrap(to=ME), expires_at=NOW + 10)
    assert len(await ids(storage, Filter(), ME, now=NOW + 9)) == 1
    assert await ids(storage, Filter(), ME, now=NOW + 10) == []
    assert await ids(storage, Filter(authors=frozenset({a_wrap(to=ME).pubkey})), ME, now=NOW + 10) == []


async def test_newest_come_first_and_ties_by_lowest_id(full_storage: SqliteStorage) -> None:
    order = sorted(WRAPS, key=lambda wrap: (-wrap.created_at, wrap.id))
    assert await ids(full_storage, Filter(), ME, YOU) == [wrap.id for wrap in order]
    assert await ids(full_storage, Filter(), ME, YOU, limit=5) == [wrap.id for wrap in order[:5]]


async def test_filter_for_other_kinds_finds_nothing(full_storage: SqliteStorage) -> None:
    assert await ids(full_storage, Filter(kinds=frozenset({1})), ME) == []
    assert len(await ids(full_storage, Filter(kinds=frozenset({1, GIFT_WRAP})), ME)) == 8


async def test_limit_counts_matching_wraps_only(full_storage: SqliteStorage) -> None:
    rare = Filter(authors=frozenset({WRAPS[0].pubkey}), limit=3)
    assert await ids(full_storage, rare, ME, YOU) == expected(rare, WRAPS, 100)
    assert len(await ids(full_storage, rare, ME, YOU)) == 3


async def test_wrap_is_found_by_no_tag_but_its_recipients(full_storage: SqliteStorage) -> None:
    assert await ids(full_storage, Filter(tags={"t": frozenset({"topic 0"})}), ME, YOU) == []
    both = {"t": frozenset({"topic 0"}), "p": frozenset({ME})}
    assert await ids(full_storage, Filter(tags=both), ME, YOU) == []


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(authors=frozenset({WRAPS[0].pubkey})),
        Filter(tags={"t": frozenset({"topic 0"})}),
        Filter(ids=frozenset({WRAPS[1].id, "00" * 32})),
        Filter(since=NOW + 1, until=NOW + 1),
    ],
)
async def test_nothing_is_decrypted_but_what_is_returned(
    full_storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch, wanted: Filter
) -> None:
    opened: list[bytes] = []
    decrypt = KeyRing.decrypt

    def noted(ring: KeyRing, where: Place, stored: bytes) -> bytes:
        opened.append(stored)
        return decrypt(ring, where, stored)

    monkeypatch.setattr(KeyRing, "decrypt", noted)
    found = await ids(full_storage, wanted, ME, YOU, limit=3)
    assert len(opened) == len(found) <= 3


async def steps(database: Database, wanted: Filter, *recipients: str, limit: int) -> int:
    """Return how many instructions SQLite spends on a query."""
    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    pool = database.readers.for_clients
    for connection in pool._all:
        await connection.set_progress_handler(step, 1)
    await SqliteGiftWraps(database).query(wanted, recipients=recipients, now=NOW, limit=limit)
    for connection in pool._all:
        await connection.set_progress_handler(None, 1)  # type: ignore[arg-type]
    return taken


@pytest.mark.parametrize(
    "wanted", [Filter(), Filter(until=NOW + 5), Filter(ids=frozenset({a_hex(1), a_hex(2)}))], ids=["all", "time", "ids"]
)
async def test_work_of_a_query_grows_with_what_it_returns_and_not_with_what_is_kept(
    database: Database, wanted: Filter
) -> None:
    wraps, spent = SqliteGiftWraps(database), []
    for first, last in ((0, 40), (40, 400)):
        new = [a_wrap(number, to=(ME, YOU)[number % 2], created_at=NOW + number % 7) for number in range(first, last)]
        for wrap in new:
            await wraps.add(wrap, recipient=wrap.tag_values("p")[0], expires_at=NOW + 99, quota=1000)
        spent.append(await steps(database, wanted, ME, YOU, limit=5))
    assert spent[1] < 1.5 * spent[0]


# --- answers of the bridge


async def reply(database: Database, number: int, *, to: str = ME, max_replies: int = MAX_REPLIES) -> str:
    """Keep an answer for somebody, stamped the earlier the later it comes; return its id."""
    wrap = a_wrap(number, to=to, author=5, created_at=NOW - number)
    await database.writer.run(
        lambda connection: insert_wrap(
            connection, database.vault, wrap, recipient=to, expires_at=NOW + 99, max_replies=max_replies
        )
    )
    return wrap.id


async def kept(database: Database, *recipients: str) -> set[str]:
    """Return the ids of what is kept."""
    found = await SqliteGiftWraps(database).query(Filter(), recipients=recipients, now=NOW, limit=100)
    return {event.id for event in found}


async def test_answers_take_nothing_of_the_quota_of_others(database: Database) -> None:
    for number in range(3):
        await reply(database, number)
    wraps = SqliteGiftWraps(database)
    added = [await wraps.add(a_wrap(number, to=ME), recipient=ME, expires_at=NOW + 99, quota=2) for number in range(3)]
    assert added == [Added.ADDED, Added.ADDED, Added.FULL]
    assert len(await kept(database, ME)) == 5


async def test_oldest_answer_goes_when_there_are_too_many(database: Database) -> None:
    await SqliteGiftWraps(database).add(a_wrap(9, to=ME), recipient=ME, expires_at=NOW + 99, quota=1)
    yours = await reply(database, 9, to=YOU, max_replies=2)
    mine = [await reply(database, number, max_replies=2) for number in range(4)]
    assert await kept(database, ME) == {a_wrap(9, to=ME).id, *mine[2:]}
    assert await kept(database, YOU) == {yours}


async def test_answer_that_is_there_already_takes_the_place_of_none(database: Database) -> None:
    mine = [await reply(database, number, max_replies=2) for number in (0, 1, 1)]
    assert await kept(database, ME) == set(mine)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wanted=filters(WRAPS, ["p"]),
    recipients=st.frozensets(st.sampled_from([ME, YOU, OTHER])),
    limit=st.integers(0, 20),
)
async def test_query_answers_what_the_filter_matches(
    full_storage: SqliteStorage, wanted: Filter, recipients: frozenset[str], limit: int
) -> None:
    allowed = [wrap for wrap in WRAPS if wrap.tag_values("p")[0] in recipients]
    assert await ids(full_storage, wanted, *recipients, limit=limit) == expected(wanted, allowed, limit)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wanted=filters(WRAPS, ["p"]),
    recipients=st.frozensets(st.sampled_from([ME, YOU, OTHER])),
    limit=st.integers(0, 20),
    index=st.integers(0, len(WRAPS) - 1),
)
async def test_query_goes_on_after_a_place(
    full_storage: SqliteStorage, wanted: Filter, recipients: frozenset[str], limit: int, index: int
) -> None:
    place = Position(WRAPS[index].created_at, WRAPS[index].id)
    later = [wrap for wrap in WRAPS if (-wrap.created_at, wrap.id) > (-place.created_at, place.id)]
    allowed = [wrap for wrap in later if wrap.tag_values("p")[0] in recipients]
    found = await full_storage.gift_wraps.query(wanted, recipients=recipients, now=NOW, limit=limit, after=place)
    assert [event.id for event in found] == expected(wanted, allowed, limit)


# --- counting


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.lists(st.tuples(filters(WRAPS, ["p", "t"]), st.frozensets(st.sampled_from([ME, YOU, OTHER]))), max_size=4)
)
async def test_count_is_of_what_any_filter_matches_for_its_recipients(
    full_storage: SqliteStorage, asked: list[tuple[Filter, frozenset[str]]]
) -> None:
    matching = {
        wrap.id
        for wanted, recipients in asked
        for wrap in WRAPS
        if not wanted.tags.keys() - {"p"} and wanted.matches(wrap) and wrap.tag_values("p")[0] in recipients
    }
    assert await full_storage.gift_wraps.count(asked, now=NOW) == len(matching)


async def test_count_is_of_what_is_not_over_and_opens_nothing(
    storage: SqliteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(storage, a_wrap(to=ME), expires_at=NOW + 10)
    monkeypatch.setattr(SqliteGiftWraps, "_json", None)
    assert await storage.gift_wraps.count([(Filter(), [ME])], now=NOW + 9) == 1
    assert await storage.gift_wraps.count([(Filter(), [ME])], now=NOW + 10) == 0


# --- the quota, without counting each time


async def test_recipient_who_seems_full_is_counted_again(storage: SqliteStorage) -> None:
    wraps = [a_wrap(number, to=ME) for number in range(4)]
    assert [await keep(storage, wrap, quota=2, expires_at=NOW + 10) for wrap in wraps[:3]] == [
        Added.ADDED,
        Added.ADDED,
        Added.FULL,
    ]
    await storage.purge(now=NOW + 10, buckets={})
    assert await keep(storage, wraps[2], quota=2) is Added.ADDED
    assert await keep(storage, wraps[3], quota=1) is Added.FULL
    assert await keep(storage, wraps[3], quota=2) is Added.ADDED


async def test_wraps_are_counted_once_and_not_each_time(database: Database) -> None:
    mailboxes = Mailboxes()
    counted: list[str] = []

    def work(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(counted.append)
        assert all(mailboxes.take_room(connection, b"somebody", 1000) for _ in range(100))
        connection.set_trace_callback(None)

    await database.writer.run(work)
    assert len(counted) == 1


async def test_wrap_is_added_with_one_statement(database: Database) -> None:
    wraps, statements = SqliteGiftWraps(database), list[str]()
    await wraps.add(a_wrap(0, to=ME), recipient=ME, expires_at=NOW + 99, quota=9)
    await database.writer.run(lambda connection: connection.set_trace_callback(statements.append))
    statements.clear()
    await wraps.add(a_wrap(1, to=ME), recipient=ME, expires_at=NOW + 99, quota=9)
    # The size of the file is looked at once for each commit.
    verbs = [text.split()[0] for text in statements]
    assert [verb for verb in verbs if verb != "PRAGMA"] == ["BEGIN", "INSERT", "COMMIT"]


async def test_full_recipient_is_told_of_what_is_there_already(storage: SqliteStorage) -> None:
    wrap = a_wrap(to=ME)
    assert await keep(storage, wrap, quota=1) is Added.ADDED
    assert await keep(storage, wrap, quota=1) is Added.DUPLICATE
    assert await keep(storage, a_wrap(1, to=ME), quota=1) is Added.FULL
    assert await keep(storage, wrap, quota=9) is Added.DUPLICATE


async def test_no_more_recipients_are_remembered_than_allowed(database: Database) -> None:
    mailboxes = Mailboxes(maximum=2)

    def work(connection: sqlite3.Connection) -> None:
        for recipient in (b"a", b"b", b"c"):
            mailboxes.take_room(connection, recipient, 5)

    await database.writer.run(work)
    assert len(mailboxes) == 2
