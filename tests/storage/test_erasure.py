"""What a deletion erases, and what outlasts it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nips.filter import Filter
from nips.kinds import DELETION, INBOX_RELAYS, PROFILE, VANISH
from nips.nip09 import parse_deletion
from storage.account_interface import Account, Acting, AdmissionFailed, DeleteAccount, Device, Standing
from storage.database import Limits
from storage.encryption import KeyRing
from storage.interface import HERE, Answer, Committed, Dossier, Erased, StoredReply
from storage.relay_interface import Added, Room
from storage.sqlite import SqliteStorage, open_storage
from tests.storage.builders import (
    NOW,
    a_device,
    a_hex,
    a_new_account,
    a_permit,
    a_queued_reply,
    a_request,
    a_secret,
    a_stored_reply,
    a_wrap,
    an_account,
    an_answer,
    an_event,
)
from tests.storage.test_registration import register, revoke

ROOM = Room(in_all=100, per_key=50)
RELAY = "wss://relay.example"


async def an_account_of(storage: SqliteStorage, author: int) -> tuple[Account, Device]:
    """Admit a key that can sign."""
    new = replace(a_new_account(author), pubkey=a_secret(author).public_key)
    admitted = await storage.accounts.admit(new, max_accounts=100)
    assert not isinstance(admitted, AdmissionFailed)
    return admitted


async def delete(storage: SqliteStorage, account: Account, *, number: int = 50) -> Answer:
    """Delete an account by a request with that number; return its answer."""
    _, primary = (await storage.accounts.find(account.pubkey)) or (None, None)
    assert primary is not None
    answer = replace(
        an_answer(number, permit=a_permit(account=account.number, limiter="device")),
        request=replace(a_request(number), scope=account.pubkey),
        wrap_ids=[],
        replies=[StoredReply(a_wrap(number, to=account.pubkey, author=40), account.pubkey, NOW + 600)],
        acting=Acting(account.number, primary.device_id),
        effect=DeleteAccount(account.number, NOW),
    )
    assert isinstance(await storage.requests.commit(answer), Committed)
    return answer


async def ask(storage: SqliteStorage, number: int, *, asker: str = a_hex(0), rumor: int | None = None) -> Dossier:
    key = a_request(number, rumor=rumor)
    return await storage.requests.look_up(asker=asker, request_id=key.request_id, rumor_id=key.rumor_id)


async def wraps(storage: SqliteStorage, key: str) -> set[str]:
    return {wrap.id for wrap in await storage.gift_wraps.query(Filter(), recipients=[key], now=NOW, limit=100)}


async def test_devices_and_access_key_go(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    await register(storage, account, a_device(1))
    await delete(storage, account)
    assert await storage.accounts.devices(account.number) == []
    assert await storage.accounts.find(account.pubkey) is None
    assert await storage.accounts.find(a_device(1).pubkey) is None
    assert await storage.accounts.overview() == []


async def test_mailboxes_of_all_its_keys_go_but_for_the_answer_to_the_deletion(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    await register(storage, account, a_device(1))
    for number, key in enumerate((account.pubkey, a_device(1).pubkey, a_hex(9))):
        wrap = a_wrap(number, to=key, author=3, created_at=NOW + 60)
        assert await storage.gift_wraps.add(wrap, recipient=key, expires_at=NOW + 900, quota=10) is Added.ADDED
        await storage.requests.commit(Answer([], replies=[replace(a_stored_reply(number), recipient=key)]))
    answer = await delete(storage, account)
    (own,) = answer.replies
    assert isinstance(own, StoredReply)
    assert await wraps(storage, account.pubkey) == {own.wrap.id}
    assert await wraps(storage, a_device(1).pubkey) == set()
    assert len(await wraps(storage, a_hex(9))) == 2


async def test_answers_that_wait_go_wherever_they_would_have_gone(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    await register(storage, account, a_device(1))
    for key in (account.pubkey, a_device(1).pubkey, a_hex(9)):
        queued = [replace(a_queued_reply(destination=where), recipient=key) for where in (HERE, RELAY)]
        await storage.outbox.add(queued)
    await delete(storage, account)
    for where in (HERE, RELAY):
        assert [row.recipient for row in await storage.outbox.waiting(destination=where, now=NOW)] == [a_hex(9)]


async def test_answered_requests_are_known_without_their_answers(storage: SqliteStorage) -> None:
    account, primary = await an_account(storage)
    acting = Acting(account.number, primary.device_id)
    await storage.requests.commit(replace(an_answer(0), acting=acting))
    await storage.requests.commit(replace(an_answer(1), request=replace(a_request(1), scope=a_hex(9))))
    await delete(storage, account)
    for rumor in (0, 7):
        erased = await ask(storage, 0, rumor=rumor)
        assert (erased.known, erased.is_erased) == (None, True)
    assert await storage.requests.commit(replace(an_answer(0), wrap_ids=[])) == Erased()
    other = await ask(storage, 1, asker=a_hex(9))
    assert (other.known is not None, other.is_erased) == (True, False)


async def test_answers_to_keys_before_they_acted_for_the_account_go_with_it(storage: SqliteStorage) -> None:
    account, device = a_new_account(0), a_device(1)
    for number, key in enumerate((account.pubkey, device.pubkey)):
        await storage.requests.commit(replace(an_answer(number), request=replace(a_request(number), scope=key)))
        assert (await ask(storage, number, asker=key)).known is not None
    made, _ = await an_account(storage)
    await register(storage, made, device)
    for number, key in enumerate((account.pubkey, device.pubkey)):
        assert (await ask(storage, number, asker=key)).known is not None
    await storage.accounts.delete(made.number, now=NOW)
    for number, key in enumerate((account.pubkey, device.pubkey)):
        assert (await ask(storage, number, asker=key)).is_erased


async def test_answer_that_is_being_repeated_is_not_told_after_the_deletion(storage: SqliteStorage) -> None:
    account, primary = await an_account(storage)
    await storage.requests.commit(replace(an_answer(0), acting=Acting(account.number, primary.device_id)))
    repeat = Answer([], replies=[a_stored_reply(0)], repeated=a_request(0).rumor_id, forget_at=NOW + 900_000)
    await delete(storage, account)
    before = await wraps(storage, account.pubkey)
    assert await storage.requests.commit(repeat) == Erased()
    assert await wraps(storage, account.pubkey) == before


async def test_erased_requests_are_forgotten_in_their_time(storage: SqliteStorage) -> None:
    account, primary = await an_account(storage)
    answer = replace(an_answer(0), acting=Acting(account.number, primary.device_id))
    await storage.requests.commit(answer)
    await delete(storage, account)
    await storage.purge(now=answer.forget_at - 1, buckets={})
    assert (await ask(storage, 0)).is_erased
    await storage.purge(now=answer.forget_at + 3600, buckets={})
    assert not (await ask(storage, 0)).is_erased


async def test_answer_to_the_deletion_outlasts_it_and_a_second_one(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    first = await delete(storage, account, number=50)
    await an_account(storage)
    second = await delete(storage, account, number=51)
    for number, answer in ((50, first), (51, second)):
        known = (await ask(storage, number)).known
        assert known is not None
        assert known.response_json == answer.response_json


async def test_what_was_asked_before_is_told_from_what_is_asked_later(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    await register(storage, account, a_device(1))
    assert (await ask(storage, 7)).erased_until == 0
    await delete(storage, account)
    for key in (account.pubkey, a_device(1).pubkey):
        assert (await ask(storage, 7, asker=key)).erased_until == NOW
    await an_account(storage)
    back = await ask(storage, 7)
    assert back.caller is not None
    assert back.erased_until == NOW


async def test_permits_are_not_refilled(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    await storage.requests.commit(an_answer(0, permit=a_permit(account=account.number)))
    before = await storage.permits.balances(account.number)
    await delete(storage, account)
    again, _ = await an_account(storage)
    found = await storage.permits.balances(again.number)
    assert before["turn"] == found["turn"]
    assert found.keys() == {"turn", "device"}


async def test_block_outlasts_the_account(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    await storage.accounts.block(account.pubkey)
    await delete(storage, account)
    assert (await ask(storage, 7)).standing is Standing.BLOCKED


async def test_revoked_keys_are_free_once_their_account_is_gone(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    await register(storage, account, a_device(1))
    await revoke(storage, account, a_device(1))
    await delete(storage, account)
    assert (await ask(storage, 7, asker=a_device(1).pubkey)).standing is Standing.FREE


async def test_public_events_go_and_none_of_that_time_comes_back(storage: SqliteStorage) -> None:
    account, _ = await an_account_of(storage, 2)
    for kind in (PROFILE, INBOX_RELAYS):
        assert await storage.public_events.put(an_event(author=2, kind=kind)) is Added.ADDED
        assert await storage.public_events.put(an_event(author=3, kind=kind)) is Added.ADDED
    asked = an_event(author=2, kind=DELETION, tags=[("e", a_hex(1))])
    named = parse_deletion(asked, max_targets=10)
    assert await storage.deletions.delete(asked, named, room=ROOM) is Added.ADDED
    await delete(storage, account)
    left = await storage.public_events.query(Filter(), now=NOW, limit=100)
    assert {event.id for event in left} == {an_event(author=3, kind=kind).id for kind in (PROFILE, INBOX_RELAYS)}
    assert await storage.public_events.put(an_event(author=2, kind=PROFILE)) is Added.DELETED
    assert await storage.deletions.delete(asked, named, room=ROOM) is Added.DELETED
    later = an_event(author=2, kind=PROFILE, created_at=NOW + 1)
    assert await storage.public_events.put(later) is Added.ADDED


async def test_wraps_of_that_time_do_not_come_back(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    earlier, later = (a_wrap(to=account.pubkey, author=3, created_at=NOW + after) for after in (0, 1))
    await delete(storage, account)
    for wrap, kept in ((earlier, Added.DELETED), (later, Added.ADDED)):
        assert await storage.gift_wraps.add(wrap, recipient=account.pubkey, expires_at=NOW + 9, quota=9) is kept


async def test_keys_are_named_that_may_not_act_any_more(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    await register(storage, account, a_device(1))
    assert await storage.accounts.delete(account.number, now=NOW) == (account.pubkey, a_device(1).pubkey)
    assert await storage.accounts.delete(account.number, now=NOW) == ()


async def test_keys_deleted_first_are_forgotten_beyond_the_bound(path: Path, key_ring: KeyRing) -> None:
    storage = await open_storage(path, key_ring, Limits(max_erased_keys=2))
    for number in range(3):
        account, _ = await an_account(storage, number)
        await storage.accounts.delete(account.number, now=NOW)
    assert [(await ask(storage, 7, asker=a_hex(number))).erased_until for number in range(3)] == [0, NOW, NOW]
    await storage.close()


# --- NIP-62


async def vanish(storage: SqliteStorage, *, author: int = 2, created_at: int = NOW) -> tuple[Added, tuple[str, ...]]:
    request = an_event(author=author, kind=VANISH, created_at=created_at, tags=[("relay", "ALL_RELAYS")])
    vanishing = await storage.deletions.vanish(request, room=ROOM, remembered=100)
    return vanishing.added, tuple(vanishing.gone)


async def test_account_that_vanishes_is_deleted(storage: SqliteStorage) -> None:
    account, primary = await an_account_of(storage, 2)
    await register(storage, account, a_device(1))
    await storage.requests.commit(replace(an_answer(0), acting=Acting(account.number, primary.device_id)))
    assert await vanish(storage) == (Added.ADDED, (account.pubkey, a_device(1).pubkey))
    assert await storage.accounts.find(account.pubkey) is None
    assert (await ask(storage, 0)).is_erased
    assert (await ask(storage, 7, asker=account.pubkey)).erased_until == NOW


async def test_request_to_vanish_from_before_the_account_does_not_delete_it(storage: SqliteStorage) -> None:
    account, _ = await an_account_of(storage, 2)
    assert await vanish(storage, created_at=NOW - 1) == (Added.ADDED, ())
    assert await storage.accounts.find(account.pubkey) is not None
    assert await vanish(storage, created_at=NOW - 1) == (Added.DUPLICATE, ())
    assert await storage.accounts.find(account.pubkey) is not None


async def test_device_key_that_vanishes_loses_its_mailbox_and_stays_a_device(storage: SqliteStorage) -> None:
    account, _ = await an_account(storage)
    device = replace(a_device(1), pubkey=a_secret(2).public_key)
    await register(storage, account, device)
    for key in (account.pubkey, device.pubkey):
        await storage.gift_wraps.add(a_wrap(to=key, author=3), recipient=key, expires_at=NOW + 9, quota=9)
    assert await vanish(storage) == (Added.ADDED, ())
    assert await storage.accounts.find(device.pubkey) == (account, device)
    assert await wraps(storage, device.pubkey) == set()
    assert len(await wraps(storage, account.pubkey)) == 1
