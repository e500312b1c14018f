"""Gift wraps kept for their recipients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nips.event import VerifiedEvent
from nips.filter import Filter
from nips.kinds import GIFT_WRAP
from storage.encryption import KeyRing
from storage.interface import Added, StoredEvent
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
    rare = Filter(tags={"t": frozenset({"topic 0"})}, limit=3)
    assert await ids(full_storage, rare, ME, YOU) == expected(rare, WRAPS, 100)
    assert len(await ids(full_storage, rare, ME, YOU)) == 3


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wanted=filters(WRAPS, ["p", "t"]),
    recipients=st.frozensets(st.sampled_from([ME, YOU, OTHER])),
    limit=st.integers(0, 20),
)
async def test_query_answers_what_the_filter_matches(
    full_storage: SqliteStorage, wanted: Filter, recipients: frozenset[str], limit: int
) -> None:
    allowed = [wrap for wrap in WRAPS if wrap.tag_values("p")[0] in recipients]
    assert await ids(full_storage, wanted, *recipients, limit=limit) == expected(wanted, allowed, limit)
