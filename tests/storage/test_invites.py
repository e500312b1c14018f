"""Invites: used as often as they may be, until their time, and no more than the bound of them."""

from __future__ import annotations

import asyncio

import pytest

from storage.account_interface import AdmissionFailed, Invite
from storage.errors import StorageFailed
from storage.sqlite import SqliteStorage
from tests.storage.builders import DAY, NOW, a_hex, a_new_account


async def create(
    storage: SqliteStorage, code: str = "code", *, uses: int = 1, expires_at: int | None = None, most: int = 10
) -> Invite | None:
    return await storage.invites.create(
        code, uses=uses, expires_at=expires_at, note=f"for {code}", now=NOW, max_invites=most
    )


async def join(storage: SqliteStorage, number: int, invite: str = "code", *, max_accounts: int = 100) -> bool:
    joined = await storage.accounts.admit(a_new_account(number), max_accounts=max_accounts, invite=invite)
    is_there = await storage.accounts.find(a_hex(number)) is not None
    assert is_there == (not isinstance(joined, AdmissionFailed))
    return is_there


async def left(storage: SqliteStorage) -> list[int]:
    return [invite.uses_left for invite in await storage.invites.all()]


async def test_invites_are_listed_as_they_were_made(storage: SqliteStorage) -> None:
    made = [await create(storage, "first", uses=3), await create(storage, "second", expires_at=NOW + 60)]
    assert made == [
        Invite(1, "first", 3, 3, None, "for first", DAY),
        Invite(2, "second", 1, 1, NOW + 60, "for second", DAY),
    ]
    assert await storage.invites.all() == made


async def test_invite_lets_in_as_many_as_it_has_uses(storage: SqliteStorage) -> None:
    await create(storage, uses=2)
    assert [await join(storage, number) for number in range(3)] == [True, True, False]
    assert await left(storage) == [0]


async def test_who_is_in_already_uses_nothing_up(storage: SqliteStorage) -> None:
    await create(storage, uses=2)
    assert [await join(storage, 0) for _ in range(3)] == [True] * 3
    assert await left(storage) == [1]


async def test_who_finds_no_room_uses_nothing_up(storage: SqliteStorage) -> None:
    await create(storage)
    assert not await join(storage, 0, max_accounts=0)
    assert await left(storage) == [1]


async def test_race_for_the_last_use_has_one_winner(storage: SqliteStorage) -> None:
    await create(storage)
    assert sum(await asyncio.gather(*(join(storage, number) for number in range(10)))) == 1


async def test_unknown_revoked_and_expired_invites_let_nobody_in(storage: SqliteStorage) -> None:
    await create(storage, "expired", expires_at=NOW)
    revoked = await create(storage, "revoked")
    assert revoked is not None
    assert await storage.invites.revoke(revoked.number)
    assert not await storage.invites.revoke(revoked.number)
    for number, code in enumerate(("expired", "revoked", "unknown", "")):
        admitted = await storage.accounts.admit(a_new_account(number), max_accounts=10, invite=code)
        assert admitted is AdmissionFailed.INVITE_UNKNOWN


async def test_there_are_no_more_than_the_bound_that_can_be_used(storage: SqliteStorage) -> None:
    assert await create(storage, "first", most=2)
    assert await create(storage, "second", expires_at=NOW, most=2)
    assert await create(storage, "third", most=2), "one that is over makes room"
    assert await create(storage, "fourth", most=2) is None
    await join(storage, 0, "first")
    assert await create(storage, "fourth", most=2), "one that is used up makes room"


async def test_number_is_not_used_twice(storage: SqliteStorage) -> None:
    first = await create(storage, "first")
    assert first is not None
    await storage.invites.revoke(first.number)
    second = await create(storage, "second")
    assert second is not None
    assert second.number > first.number


async def test_code_is_not_used_twice(storage: SqliteStorage) -> None:
    await create(storage)
    with pytest.raises(StorageFailed):
        await create(storage)


async def test_code_is_not_shown_by_accident(storage: SqliteStorage) -> None:
    assert "planted" not in repr(await create(storage, "planted")).replace("for planted", "")
