"""The look-up that every event goes through before it is kept."""

from __future__ import annotations

import pytest

from nips.event import VerifiedEvent
from nips.kinds import DELETION, HANDLER, PROFILE
from nips.nip09 import Address
from storage.database import Database
from storage.public_events import insert_public_event
from storage.tombstones import (
    FOR_EVER,
    IS_GONE,
    Tombstone,
    gone_parameters,
    put_tombstones,
    remember_vanished,
    target_of,
)
from tests.storage.builders import NOW, a_hex, a_secret, a_wrap, an_event

ME = a_secret(0).public_key


async def bury(database: Database, *stones: Tombstone, author: int = 0) -> int:
    """Keep tombstones of a key; return the number of their request."""
    request = an_event(author=author, kind=DELETION, tags=[("e", a_hex(0))])

    def work(connection: object) -> int:
        number = insert_public_event(connection, request)  # type: ignore[arg-type]
        put_tombstones(connection, request.pubkey, number, stones)  # type: ignore[arg-type]
        return number

    return await database.writer.run(work)


async def forget(database: Database, author: int, *, until: int, found_nothing: bool = False, most: int = 100) -> bool:
    """Remember that a key vanished; return whether nothing of it was ever here."""
    return await database.writer.run(
        lambda connection: remember_vanished(
            connection, a_secret(author).public_key, until, found_nothing=found_nothing, most=most
        )
    )


async def gone(database: Database, event: VerifiedEvent, *, to: str | None = None) -> bool:
    def work(connection: object) -> bool:
        parameters = gone_parameters(database.vault, event, recipient=to)
        return bool(connection.execute(f"SELECT {IS_GONE}", parameters).fetchone()[0])  # type: ignore[attr-defined]

    return await database.writer.run(work)


async def test_id_is_gone_for_ever_and_for_its_author_only(database: Database) -> None:
    mine, other = an_event(kind=PROFILE, created_at=NOW + 10), an_event(author=1, kind=PROFILE)
    assert not await gone(database, mine)
    stones = [Tombstone(bytes.fromhex(event.id), FOR_EVER, of_wraps=True) for event in (mine, other)]
    await bury(database, *stones)
    assert await gone(database, mine)
    assert not await gone(database, other)
    assert not await gone(database, an_event(1, kind=PROFILE))


@pytest.mark.parametrize(("created_at", "is_over"), [(NOW - 1, True), (NOW, True), (NOW + 1, False)])
async def test_address_and_everything_are_gone_up_to_a_time(database: Database, created_at: int, is_over: bool) -> None:
    await bury(database, Tombstone(target_of(Address(HANDLER, "x")), NOW, of_wraps=False))
    await forget(database, 1, until=NOW)
    assert await gone(database, an_event(kind=HANDLER, tags=[("d", "x")], created_at=created_at)) is is_over
    assert not await gone(database, an_event(kind=HANDLER, tags=[("d", "y")], created_at=created_at))
    assert not await gone(database, an_event(kind=PROFILE, created_at=created_at))
    assert await gone(database, an_event(author=1, kind=PROFILE, created_at=created_at)) is is_over


async def test_wrap_is_gone_for_its_author_and_its_recipient(database: Database) -> None:
    mine, sent = a_wrap(0, to=a_hex(9), author=0), a_wrap(1, to=ME, author=5)
    stranger = a_wrap(2, to=a_hex(9), author=5)
    for wrap in (mine, sent, stranger):
        await bury_one(database, wrap)
    assert await gone(database, mine, to=a_hex(9))
    assert await gone(database, sent, to=ME)
    assert not await gone(database, stranger, to=a_hex(9))


async def bury_one(database: Database, wrap: VerifiedEvent) -> None:
    stone = Tombstone(bytes.fromhex(wrap.id), FOR_EVER, of_wraps=True)

    def work(connection: object) -> None:
        request = an_event(kind=DELETION, tags=[("e", wrap.id)])
        number = insert_public_event(connection, request)  # type: ignore[arg-type]
        put_tombstones(connection, ME, number, [stone])  # type: ignore[arg-type]

    await database.writer.run(work)


async def test_recipient_has_no_say_where_wraps_are_not_meant(database: Database) -> None:
    mine, sent = a_wrap(0, to=a_hex(9), author=0), a_wrap(1, to=ME, author=5)
    await bury(database, *(Tombstone(bytes.fromhex(wrap.id), FOR_EVER, of_wraps=False) for wrap in (mine, sent)))
    assert await gone(database, mine, to=a_hex(9))
    assert not await gone(database, sent, to=ME)


async def test_id_of_a_request_that_looks_like_a_key_is_not_that_key(database: Database) -> None:
    sender = a_secret(5).public_key
    await bury(database, Tombstone(bytes.fromhex(sender), FOR_EVER, of_wraps=True))
    assert not await gone(database, a_wrap(to=ME, author=5), to=ME)


async def test_tombstones_go_with_their_request(database: Database) -> None:
    event = an_event(kind=PROFILE)
    number = await bury(database, Tombstone(bytes.fromhex(event.id), FOR_EVER, of_wraps=True))
    await database.writer.run(
        lambda connection: connection.execute("DELETE FROM public_events WHERE number = ?", (number,))
    )
    assert not await gone(database, event)


async def test_who_vanished_stays_so_up_to_the_latest_time(database: Database) -> None:
    for until in (NOW, NOW - 50):
        await forget(database, 1, until=until)
    assert await gone(database, an_event(author=1, kind=PROFILE, created_at=NOW))
    assert not await gone(database, an_event(author=1, kind=PROFILE, created_at=NOW + 1))


async def test_of_too_many_that_vanished_those_are_forgotten_first_that_had_nothing_here(database: Database) -> None:
    had_something = {1: True, 2: False, 3: True, 4: False, 5: False}
    for author, had in had_something.items():
        await forget(database, author, until=NOW, found_nothing=not had, most=3)
    assert [author for author in had_something if await gone(database, an_event(author=author, kind=PROFILE))] == [
        1,
        3,
        5,
    ]


async def test_who_had_something_once_is_not_forgotten_for_asking_again(database: Database) -> None:
    assert [await forget(database, 1, until=NOW, found_nothing=it) for it in (True, False, True)] == [
        True,
        False,
        False,
    ]


async def test_look_up_is_one_search_in_one_index_of_either_table(database: Database) -> None:
    def work(connection: object) -> list[str]:
        sql = f"EXPLAIN QUERY PLAN SELECT {IS_GONE}"
        parameters = gone_parameters(database.vault, an_event(kind=PROFILE))
        return [row[3] for row in connection.execute(sql, parameters)]  # type: ignore[attr-defined]

    plan = await database.writer.run(work)
    assert [step for step in plan if "deletions" in step] == [
        "SEARCH deletions USING PRIMARY KEY (pubkey=? AND target=?)"
    ]
    assert [step.partition(" USING")[0] for step in plan if "vanished" in step] == ["SEARCH vanished"]
    assert [step.partition(" USING")[0] for step in plan if "erased_keys" in step] == ["SEARCH erased_keys"]
