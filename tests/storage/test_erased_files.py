"""What the files still hold of an account that was deleted: searched byte by byte, log and all."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from nips.kinds import DELETION, INBOX_RELAYS, VANISH
from nips.nip09 import parse_deletion
from nips.nip19 import encode_npub
from storage.account_interface import Account, Acting, AdmissionFailed, DeleteAccount, Device, SetAccessKey
from storage.database import Database
from storage.interface import HERE, Answer, Committed, StoredReply
from storage.sqlite import SqliteStorage
from tests.storage.builders import (
    NOW,
    a_device,
    a_hex,
    a_new_account,
    a_permit,
    a_queued_reply,
    a_request,
    a_secret,
    a_wrap,
    an_account,
    an_answer,
    an_event,
)
from tests.storage.test_erasure import ROOM, an_account_of
from tests.storage.test_registration import register, revoke

AUTHOR, OTHER = 2, 5
PUBKEY, DEVICE_KEY = a_secret(AUTHOR).public_key, a_secret(3).public_key
ACI = UUID(bytes=hashlib.sha256(b"nostr-aci-v1" + bytes.fromhex(PUBKEY)).digest()[:16], version=4)
ACCESS_KEY = bytes.fromhex(a_hex(0, what="access key"))[:16]
DEVICE = replace(a_device(1), pubkey=DEVICE_KEY, name="planted telephone", platform="planted platform")
REVOKED = replace(a_device(4), name="planted revoked")
PASSWORD, INVITE, NOTE = "planted TURN password", "planted-invite-code", "planted note"
RELAY = "wss://planted.example"

SALT, DEVICE_ID = a_new_account(AUTHOR).pni_salt, a_new_account(AUTHOR).device_id

PLANTED: Sequence[str | bytes] = (
    PUBKEY,
    DEVICE_KEY,
    encode_npub(PUBKEY),
    encode_npub(DEVICE_KEY),
    str(ACI),
    ACI.bytes,
    SALT,
    ACCESS_KEY,
    DEVICE_ID,
    DEVICE.device_id,
    DEVICE.name,
    "planted platform",
    REVOKED.pubkey,
    REVOKED.name,
    PASSWORD,
    RELAY,
    a_request(1).rumor_id,
    a_request(1).request_id,
)

ENCRYPTED = (
    "SELECT identity FROM accounts WHERE number = ?",
    "SELECT description FROM devices WHERE account = ?",
    "SELECT value FROM access_keys WHERE account = ?",
    "SELECT answer FROM responses",
    "SELECT event FROM gift_wraps",
    "SELECT content FROM outbox",
)


def disguises(planted: str | bytes) -> Iterator[bytes]:
    """Return the forms in which something might lie in a file."""
    forms = [planted.encode() if isinstance(planted, str) else planted]
    if isinstance(planted, str) and len(planted) == 64:
        forms.append(bytes.fromhex(planted))
    for form in forms:
        yield from (form, form.hex().encode(), form.hex().upper().encode(), base64.b64encode(form).rstrip(b"="))


def found_in(files: bytes, planted: Sequence[str | bytes] = PLANTED) -> list[str | bytes]:
    return [value for value in planted if any(form in files for form in disguises(value))]


async def plant(storage: SqliteStorage) -> Account:
    """Give an account everything that one can have, but for what is public."""
    invite = await storage.invites.create(INVITE, uses=1, expires_at=None, note=NOTE, now=NOW, max_invites=9)
    assert invite is not None
    # As where only a registration makes an account: these answers come before it and its device.
    for number, key in ((11, PUBKEY), (12, DEVICE_KEY)):
        request = replace(a_request(number), scope=key)
        answer = replace(an_answer(number), replies=[], request=request, response_json=f'"{PASSWORD}"')
        assert isinstance(await storage.requests.commit(answer), Committed)
    new = replace(a_new_account(AUTHOR), pubkey=PUBKEY)
    admitted = await storage.accounts.admit(new, max_accounts=9, invite=INVITE)
    assert not isinstance(admitted, AdmissionFailed)
    account, primary = admitted
    for number, device in enumerate((DEVICE, REVOKED)):
        assert isinstance(await register(storage, account, device, proof=number), Committed)
    await revoke(storage, account, REVOKED)
    await storage.requests.commit(Answer([], effect=SetAccessKey(account.number, ACCESS_KEY)))
    for number, key in enumerate((PUBKEY, DEVICE_KEY)):
        await storage.gift_wraps.add(a_wrap(number, to=key, author=9), recipient=key, expires_at=NOW + 9, quota=9)
        queued = [
            replace(a_queued_reply(destination=where), recipient=key, payload_json=f'{{"p":"{key}","x":"{PASSWORD}"}}')
            for where in (HERE, RELAY)
        ]
        answer = replace(
            an_answer(1 + number, permit=a_permit(account=account.number)),
            replies=[*queued, StoredReply(a_wrap(8 + number, to=key, author=9), key, NOW + 900)],
            request=replace(a_request(1 + number), scope=PUBKEY),
            response_json=f'{{"turn_password":"{PASSWORD}","p":"{key}"}}',
            acting=Acting(account.number, primary.device_id, seen_day=NOW // 86_400 * 86_400),
        )
        assert isinstance(await storage.requests.commit(answer), Committed)
    return account


async def publish(storage: SqliteStorage) -> None:
    """Publish what shows the account's key to everybody."""
    await storage.public_events.put(an_event(author=AUTHOR, kind=INBOX_RELAYS, tags=[("relay", RELAY)]))
    asked = an_event(author=AUTHOR, kind=DELETION, tags=[("e", a_hex(1))])
    await storage.deletions.delete(asked, parse_deletion(asked, max_targets=9), room=ROOM)


async def delete_by_request(storage: SqliteStorage, account: Account, primary: Device) -> None:
    answer = replace(
        an_answer(50, permit=a_permit(account=account.number, limiter="device")),
        request=replace(a_request(50), scope=PUBKEY),
        replies=[replace(a_queued_reply(), recipient=PUBKEY)],
        acting=Acting(account.number, primary.device_id),
        effect=DeleteAccount(account.number, NOW),
    )
    assert isinstance(await storage.requests.commit(answer), Committed)


async def delete_by_operator(storage: SqliteStorage, account: Account, primary: Device) -> None:
    assert await storage.accounts.delete(account.number, now=NOW)


async def vanish(storage: SqliteStorage, account: Account, primary: Device) -> None:
    request = an_event(author=AUTHOR, kind=VANISH, tags=[("relay", "ALL_RELAYS")])
    assert (await storage.deletions.vanish(request, room=ROOM, remembered=9)).gone


@pytest.mark.parametrize("delete", [delete_by_request, delete_by_operator, vanish])
async def test_nothing_of_a_deleted_account_is_in_the_files(
    storage: SqliteStorage,
    below: Database,
    folder_bytes: Callable[[], bytes],
    delete: Callable[[SqliteStorage, Account, Device], Awaitable[None]],
) -> None:
    other, _ = await an_account_of(storage, OTHER)
    account = await plant(storage)
    assert found_in(folder_bytes()) == [], "encrypted from the start"
    ciphertexts = [
        row[0] for sql in ENCRYPTED for row in await below.readers.rows(sql, [account.number] * sql.count("?"))
    ]
    assert len(ciphertexts) == 1 + 2 + 1 + 4 + 4 + 4
    assert found_in(folder_bytes(), ciphertexts) == ciphertexts, "the search finds what is there"
    await publish(storage)
    assert PUBKEY in found_in(folder_bytes()), "and what is public"

    found = await storage.accounts.find(PUBKEY)
    assert found is not None
    await delete(storage, *found)
    await storage.purge(now=NOW, buckets={})
    # Who vanishes says so in public, with their key, and that is kept for everybody to see.
    public = [PUBKEY] if delete is vanish else []
    files = folder_bytes()
    assert found_in(files) == public
    assert found_in(files, ciphertexts) == []
    assert await storage.accounts.find(other.pubkey) is not None
    await storage.close()
    assert found_in(folder_bytes()) == public
    assert found_in(folder_bytes(), ciphertexts) == []


async def test_nothing_of_an_invite_is_in_the_files(
    storage: SqliteStorage, below: Database, folder_bytes: Callable[[], bytes]
) -> None:
    invite = await storage.invites.create(INVITE, uses=1, expires_at=None, note=NOTE, now=NOW, max_invites=9)
    assert invite is not None
    assert found_in(folder_bytes(), [INVITE, NOTE]) == []
    ((terms,),) = await below.readers.rows("SELECT terms FROM invites")
    assert found_in(folder_bytes(), [terms]) == [terms]
    await storage.invites.revoke(invite.number)
    await storage.purge(now=NOW, buckets={})
    assert found_in(folder_bytes(), [terms]) == []


async def test_access_key_that_was_replaced_is_not_in_the_files(
    storage: SqliteStorage, below: Database, folder_bytes: Callable[[], bytes]
) -> None:
    account, _ = await an_account(storage)
    await storage.requests.commit(Answer([], effect=SetAccessKey(account.number, ACCESS_KEY)))
    ((value,),) = await below.readers.rows("SELECT value FROM access_keys")
    await storage.requests.commit(Answer([], effect=SetAccessKey(account.number, bytes(16))))
    await storage.purge(now=NOW, buckets={})
    assert found_in(folder_bytes(), [ACCESS_KEY, value]) == []
