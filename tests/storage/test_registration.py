"""Devices that are registered, renamed, absorbed and revoked, each in the transaction that answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nips.filter import Filter
from storage.account_interface import (
    Account,
    Acting,
    AdmissionFailed,
    Device,
    EffectRefusal,
    RegisterDevice,
    RevokeDevice,
    Standing,
)
from storage.database import Limits
from storage.encryption import KeyRing
from storage.interface import HERE, Answer, Committed, EffectRefused, Recorded
from storage.sqlite import SqliteStorage, open_storage
from tests.storage.builders import (
    DAY,
    NOW,
    a_device,
    a_hex,
    a_new_account,
    a_queued_reply,
    a_request,
    a_stored_reply,
    a_wrap,
    an_account,
    an_answer,
)

MOST = 3


async def register(storage: SqliteStorage, account: Account, device: Device, *, proof: int = 0) -> Recorded:
    """Register a device, with a proof of that number."""
    effect = RegisterDevice(account.number, device, a_hex(proof, what="proof"), NOW + 900, MOST)
    return await storage.requests.commit(Answer([], effect=effect))


async def revoke(storage: SqliteStorage, account: Account, device: Device) -> Recorded:
    return await storage.requests.commit(Answer([], effect=RevokeDevice(account.number, device.device_id)))


async def standing(storage: SqliteStorage, pubkey: str) -> Standing:
    return (await storage.requests.look_up(asker=pubkey, request_id="any", rumor_id=a_hex(99))).standing


async def test_registered_key_acts_for_the_account(storage: SqliteStorage) -> None:
    account, primary = await an_account(storage)
    device = a_device(1)
    assert await register(storage, account, device) == Committed(())
    assert await storage.accounts.find(device.pubkey) == (account, device)
    assert await storage.accounts.devices(account.number) == [primary, device]


async def test_proof_counts_once(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    await register(storage, account, a_device(1))
    assert await register(storage, account, a_device(1)) == EffectRefused(EffectRefusal.PROOF_USED)
    assert await register(storage, account, a_device(2)) == EffectRefused(EffectRefusal.PROOF_USED)


async def test_proof_is_forgotten_after_its_time(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    await register(storage, account, a_device(1))
    await storage.purge(now=NOW + 899, buckets={})
    assert await register(storage, account, a_device(1)) == EffectRefused(EffectRefusal.PROOF_USED)
    assert (await storage.purge(now=NOW + 3600, buckets={}))["device_proofs"] == 1


async def test_refused_registration_uses_no_proof_up(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    for number in (1, 2):
        await register(storage, account, a_device(number), proof=number)
    assert await register(storage, account, a_device(3), proof=3) == EffectRefused(EffectRefusal.LIMIT)
    await revoke(storage, account, a_device(1))
    assert isinstance(await register(storage, account, a_device(3), proof=3), Committed)


async def test_own_device_is_renamed_even_at_the_limit(storage: SqliteStorage) -> None:
    account, primary = await an_account(storage)
    for number in (1, 2):
        await register(storage, account, a_device(number), proof=number)
    renamed = [replace(device, name="new", platform="web") for device in (primary, a_device(2))]
    for number, device in enumerate(renamed):
        assert isinstance(await register(storage, account, device, proof=10 + number), Committed)
    assert await storage.accounts.devices(account.number) == [renamed[0], a_device(1), renamed[1]]


async def test_key_that_came_in_meanwhile_has_the_answer_formed_anew(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    await register(storage, account, a_device(1))
    other_id = replace(a_device(1), device_id="11111111-0000-4000-8000-000000000000")
    assert await register(storage, account, other_id, proof=1) == EffectRefused(EffectRefusal.CHANGED)


async def test_device_of_another_account_is_taken(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    other, other_primary = await an_account(storage, 5)
    await register(storage, other, a_device(1))
    as_new = [replace(other_primary, device_id=a_device(7).device_id, is_primary=False), a_device(1)]
    for number, device in enumerate(as_new):
        assert await register(storage, account, device, proof=10 + number) == EffectRefused(EffectRefusal.TAKEN)


async def test_account_without_other_devices_is_absorbed(storage: SqliteStorage) -> None:
    account, primary = await an_account(storage)
    lonely, its_primary = await an_account(storage, 5)
    device = replace(a_device(5), pubkey=its_primary.pubkey)
    assert isinstance(await register(storage, account, device), Committed)
    assert await storage.accounts.find(lonely.pubkey) == (account, device)
    assert await storage.accounts.devices(account.number) == [primary, device]
    assert [each.account for each in await storage.accounts.overview()] == [account]


async def test_absorbed_account_leaves_its_answers_to_the_new_one(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    lonely, its_primary = await an_account(storage, 5)
    answer = replace(an_answer(5), acting=Acting(lonely.number, its_primary.device_id))
    await storage.requests.commit(answer)
    await register(storage, account, replace(a_device(5), pubkey=its_primary.pubkey))
    await storage.accounts.delete(account.number, now=NOW)
    key = a_request(5)
    found = await storage.requests.look_up(asker=key.scope, request_id=key.request_id, rumor_id=key.rumor_id)
    assert (found.known, found.is_erased) == (None, True)


async def test_revoked_device_acts_no_more(storage: SqliteStorage) -> None:
    account, primary = await an_account(storage)
    await register(storage, account, a_device(1))
    assert await revoke(storage, account, a_device(1)) == Committed((), gone=(a_device(1).pubkey,))
    assert await storage.accounts.find(a_device(1).pubkey) is None
    assert await storage.accounts.devices(account.number) == [primary]


async def test_unknown_device_and_that_of_another_account_are_not_revoked(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    other, _ = await an_account(storage, 5)
    await register(storage, other, a_device(1))
    for device in (a_device(1), a_device(2)):
        assert await revoke(storage, account, device) == EffectRefused(EffectRefusal.UNKNOWN)
    assert await storage.accounts.find(a_device(1).pubkey) is not None


async def test_primary_device_is_not_revoked(storage: SqliteStorage) -> None:
    account, primary = await an_account(storage)
    assert await revoke(storage, account, primary) == EffectRefused(EffectRefusal.PRIMARY)


async def test_revoked_key_is_refused_until_it_is_registered_anew(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    other, _ = await an_account(storage, 5)
    key = a_device(1).pubkey
    await register(storage, account, a_device(1))
    await revoke(storage, account, a_device(1))
    assert await standing(storage, key) is Standing.REVOKED
    joining = replace(a_new_account(7), pubkey=key)
    assert await storage.accounts.admit(joining, max_accounts=10) is AdmissionFailed.REVOKED
    await register(storage, other, replace(a_device(2), pubkey=key), proof=1)
    assert await standing(storage, key) is Standing.FREE
    assert await storage.accounts.find(key) == (other, replace(a_device(2), pubkey=key))


async def test_revocation_outlives_the_account_that_it_was_absorbed_with(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    lonely, its_primary = await an_account(storage, 5)
    await register(storage, lonely, a_device(1))
    await revoke(storage, lonely, a_device(1))
    await register(storage, account, replace(a_device(5), pubkey=its_primary.pubkey), proof=1)
    assert await standing(storage, a_device(1).pubkey) is Standing.REVOKED


async def test_revoked_first_are_forgotten_beyond_the_bound(path: Path, key_ring: KeyRing) -> None:
    storage = await open_storage(path, key_ring, Limits(max_revoked_each=2))
    account, _ = await an_account(storage)
    other, _ = await an_account(storage, 5)
    await register(storage, other, a_device(9), proof=9)
    await revoke(storage, other, a_device(9))
    for number in range(1, 4):
        await register(storage, account, a_device(number), proof=number)
        await revoke(storage, account, a_device(number))
    found = [await standing(storage, a_device(number).pubkey) for number in (1, 2, 3, 9)]
    assert found == [Standing.FREE, Standing.REVOKED, Standing.REVOKED, Standing.REVOKED]
    await storage.close()


async def test_answers_that_wait_for_a_revoked_key_go_and_its_mailbox_stays(storage: SqliteStorage) -> None:
    account, primary = await an_account(storage)
    await register(storage, account, a_device(1))
    revoked, relay = a_device(1).pubkey, "wss://relay.example"
    sent = a_wrap(7, to=revoked, author=3)
    await storage.gift_wraps.add(sent, recipient=revoked, expires_at=NOW + 900, quota=10)
    for number, recipient in enumerate((revoked, primary.pubkey)):
        queued = [replace(a_queued_reply(number, destination=where), recipient=recipient) for where in (HERE, relay)]
        kept = replace(a_stored_reply(number), recipient=recipient)
        await storage.requests.commit(Answer([], replies=[*queued, kept]))
    last_words = replace(a_stored_reply(2), recipient=revoked)
    effect = RevokeDevice(account.number, a_device(1).device_id)
    await storage.requests.commit(Answer([], replies=[last_words], effect=effect))
    waiting = [await storage.outbox.waiting(destination=where, now=NOW) for where in (HERE, relay)]
    assert [[row.recipient for row in rows] for rows in waiting] == [[primary.pubkey], [primary.pubkey]]
    left = await storage.gift_wraps.query(Filter(), recipients=[revoked], now=NOW, limit=10)
    assert {wrap.id for wrap in left} == {sent.id, last_words.wrap.id}


@pytest.mark.parametrize("day", [DAY, DAY + 86_400])
async def test_renaming_keeps_the_days(storage: SqliteStorage, day: int) -> None:
    account, primary = await an_account(storage)
    await register(storage, account, replace(primary, name="new", registered_day=day, last_seen_day=day))
    assert await storage.accounts.devices(account.number) == [replace(primary, name="new")]
