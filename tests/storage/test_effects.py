"""What requests change: together with their answers, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.account_interface import (
    Acting,
    DeleteAccount,
    Effect,
    EffectRefusal,
    RegisterDevice,
    RevokeDevice,
    SetAccessKey,
)
from storage.interface import Answer, CallerGone, Committed, EffectRefused, NoPermit, SeenBefore
from storage.permits import Bucket
from storage.sqlite import SqliteStorage
from tests.storage.builders import NOW, a_device, a_hex, a_permit, a_request, an_account, an_answer, an_entry

KEY = bytes(range(16))


async def known(storage: SqliteStorage, number: int) -> bool:
    key = a_request(number)
    found = await storage.requests.look_up(asker=key.scope, request_id=key.request_id, rumor_id=key.rumor_id)
    return found.known is not None


def an_effect(account: int) -> Effect:
    return RegisterDevice(account, a_device(1), a_hex(1, what="proof"), NOW + 900, 6)


async def test_access_key_is_set_changed_and_taken_away(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    other, _ = await an_account(storage, 1)
    assert await storage.accounts.access_key(account.number) is None
    for key in (KEY, KEY[::-1], None, KEY):
        assert await storage.requests.commit(Answer([], effect=SetAccessKey(account.number, key))) == Committed(())
        assert await storage.accounts.access_key(account.number) == key
        assert await storage.accounts.access_key(other.number) is None


async def test_access_key_is_not_shown_by_accident() -> None:
    assert str(KEY) not in repr(SetAccessKey(1, KEY))


async def test_effect_comes_with_its_answer(storage: SqliteStorage) -> None:
    account, primary = await an_account(storage)
    answer = replace(
        an_answer(permit=a_permit(account=account.number)),
        acting=Acting(account.number, primary.device_id),
        effect=an_effect(account.number),
    )
    assert isinstance(await storage.requests.commit(answer), Committed)
    assert await known(storage, 0)
    assert len(await storage.accounts.devices(account.number)) == 2


async def test_effect_that_cannot_be_leaves_no_answer_and_takes_no_permit(storage: SqliteStorage) -> None:
    account, primary = await an_account(storage)
    answer = replace(
        an_answer(permit=a_permit(account=account.number)),
        acting=Acting(account.number, primary.device_id),
        effect=RevokeDevice(account.number, primary.device_id),
    )
    assert await storage.requests.commit(answer) == EffectRefused(EffectRefusal.PRIMARY)
    assert not await known(storage, 0)
    assert await storage.permits.balances(account.number) == {}
    assert isinstance(await storage.requests.commit(replace(answer, effect=None)), Committed)


async def test_effect_needs_the_permit_of_its_answer(storage: SqliteStorage) -> None:
    account, primary = await an_account(storage)
    permit = a_permit(account=account.number, bucket=Bucket(1, 60_000))
    await storage.requests.commit(an_answer(0, permit=permit))
    answer = replace(an_answer(1, permit=permit), effect=an_effect(account.number))
    assert await storage.requests.commit(answer) == NoPermit(60_000)
    assert await storage.accounts.devices(account.number) == [primary]


async def test_copied_wrap_has_no_effect(storage: SqliteStorage) -> None:
    account, primary = await an_account(storage)
    wraps = [an_entry(0).id]
    assert isinstance(await storage.requests.commit(Answer(wraps, seen_until=NOW + 60)), Committed)
    copied = Answer(wraps, seen_until=NOW + 60, effect=an_effect(account.number))
    assert await storage.requests.commit(copied) == SeenBefore()
    assert await storage.accounts.devices(account.number) == [primary]


async def test_answered_request_has_no_effect_again(storage: SqliteStorage) -> None:
    account, primary = await an_account(storage)
    answer = replace(an_answer(), wrap_ids=[], effect=an_effect(account.number))
    await storage.requests.commit(answer)
    await storage.requests.commit(Answer([], effect=RevokeDevice(account.number, a_device(1).device_id)))
    await storage.requests.commit(answer)
    assert await storage.accounts.devices(account.number) == [primary]


@pytest.mark.parametrize("has_permit", [False, True])
@pytest.mark.parametrize("is_deleted", [False, True])
async def test_nothing_is_recorded_for_a_device_that_acts_no_more(
    storage: SqliteStorage, has_permit: bool, is_deleted: bool
) -> None:
    account, _ = await an_account(storage)
    await storage.requests.commit(Answer([], effect=an_effect(account.number)))
    permit = a_permit(account=account.number) if has_permit else None
    answer = replace(an_answer(permit=permit), acting=Acting(account.number, a_device(1).device_id))
    revoked, deleted = RevokeDevice(account.number, a_device(1).device_id), DeleteAccount(account.number, NOW)
    await storage.requests.commit(Answer([], effect=deleted if is_deleted else revoked))
    assert await storage.requests.commit(answer) == CallerGone()
    assert not await known(storage, 0)
    assert await storage.permits.balances(account.number) == {}
