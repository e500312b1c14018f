"""The storage as a whole: its contract, what its files reveal, and what a crash leaves."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from nips.kinds import INBOX_RELAYS
from storage.account_interface import Acting, AdmissionFailed
from storage.encryption import KeyRing
from storage.errors import StorageFailed
from storage.interface import (
    HERE,
    Answer,
    InboxEntry,
    InboxId,
    NewAccount,
    QueuedReply,
    RequestKey,
    Storage,
    StoredReply,
)
from storage.sqlite import SqliteStorage, open_storage
from tests.storage.builders import (
    BUCKET,
    DAY,
    KEY,
    NOW,
    a_hex,
    a_permit,
    a_request,
    a_secret,
    a_wrap,
    an_answer,
    an_event,
)

ROOT = Path(__file__).resolve().parents[2]

ACCOUNT, RECIPIENT, SCOPE, ASKING = (a_hex(number, what="planted key") for number in range(4))
RUMOR, DIGEST, SALT = a_hex(0, what="rumor"), bytes.fromhex(a_hex(0, what="digest")), bytes.fromhex(a_hex(1)[:32])
REQUEST_ID, DEVICE_ID = "planted-request-id-4711", "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
PASSWORD, SECRET = "planted TURN password", b"planted bridge key \x00\xff"
LINK, DESTINATION = "wss://planted-link.example", "wss://planted-destination.example"


def test_sqlite_storage_is_a_storage(storage: SqliteStorage) -> None:
    contract: Storage = storage
    assert contract is storage


async def plant(storage: SqliteStorage) -> None:
    """Put something that must not show into every table."""
    wrap = a_wrap(to=RECIPIENT, author=7)
    live = QueuedReply(DESTINATION, ASKING, 21059, f'{{"password":"{PASSWORD}","p":"{ASKING}"}}', NOW + 60, NOW)
    request = RequestKey(SCOPE, REQUEST_ID, RUMOR, DIGEST)
    admitted = await storage.accounts.admit(NewAccount(ACCOUNT, SALT, DEVICE_ID, DAY), max_accounts=10)
    assert not isinstance(admitted, AdmissionFailed)
    acting = Acting(admitted[0].number, DEVICE_ID, seen_day=DAY + 86_400)
    for number in range(2):
        entry = InboxEntry(a_hex(number, what="wrap"), LINK, NOW, f'{{"p":"{ASKING}","sealed":"{PASSWORD}"}}')
        await storage.inbox.add(entry, seen_until=NOW + 172_800, max_waiting=10)
    answer = Answer(
        wrap_ids=[InboxId(a_hex(0, what="wrap"), LINK)],
        replies=[live, replace(live, payload_json=PASSWORD), StoredReply(wrap, RECIPIENT, NOW + 600)],
        request=request,
        response_json=f'{{"turn_password":"{PASSWORD}","e":"{RUMOR}"}}',
        forget_at=NOW + 172_800,
        permit=a_permit(account=1),
        acting=acting,
    )
    await storage.requests.commit(answer)
    await storage.gift_wraps.add(a_wrap(1, to=ASKING, author=8), recipient=ASKING, expires_at=NOW + 9, quota=10)
    await storage.secrets.put("bridge_key", SECRET)


def disguises(planted: str | bytes) -> Iterator[bytes]:
    """Return the forms in which something might lie in a file."""
    forms = [planted.encode() if isinstance(planted, str) else planted]
    if isinstance(planted, str) and len(planted) == 64:
        forms.append(bytes.fromhex(planted))
    for form in forms:
        yield from (form, form.hex().encode(), form.hex().upper().encode(), base64.b64encode(form).rstrip(b"="))


PLANTED: list[str | bytes] = [
    ACCOUNT,
    RECIPIENT,
    SCOPE,
    ASKING,
    RUMOR,
    DIGEST,
    SALT,
    REQUEST_ID,
    DEVICE_ID,
    PASSWORD,
    SECRET,
]
PLANTED += [LINK, DESTINATION, KEY, a_secret(7).public_key, a_secret(8).public_key]


async def test_files_reveal_nothing_that_was_planted(
    path: Path, key_ring: KeyRing, folder_bytes: Callable[[], bytes]
) -> None:
    storage = await open_storage(path, key_ring)
    public = an_event(author=5, kind=INBOX_RELAYS)
    await storage.public_events.put(public)
    await plant(storage)
    while_open = folder_bytes()
    await storage.outbox.delivered([1])
    await storage.inbox.drop([InboxId(a_hex(1, what="wrap"), LINK)])
    await storage.purge(now=NOW + 10, buckets={"turn": BUCKET})
    await storage.close()
    after_closing = folder_bytes()
    for files in (while_open, after_closing):
        assert public.pubkey.encode() in files, "what is public is found, so the search works"
        assert b"SQLite format 3" in files
        found = [planted for planted in PLANTED for form in disguises(planted) if form in files]
        assert found == []


async def test_everything_is_there_after_closing_and_opening(path: Path, key_ring: KeyRing) -> None:
    storage = await open_storage(path, key_ring)
    await plant(storage)
    await storage.close()
    storage = await open_storage(path, key_ring)
    ((_, entry),) = await storage.inbox.waiting()
    assert isinstance(entry, InboxEntry)
    assert entry.id == InboxId(a_hex(1, what="wrap"), LINK)
    known = (await storage.requests.look_up(asker=ACCOUNT, request_id=REQUEST_ID, rumor_id=RUMOR)).known
    assert known is not None
    assert (known.rumor_id, known.digest) == (RUMOR, DIGEST)
    assert len(await storage.outbox.waiting(destination=DESTINATION, now=NOW)) == 2
    assert await storage.secrets.get("bridge_key") == SECRET
    assert (await storage.permits.balances(1))["turn"].worth_ms == 60_000
    await storage.close()


async def test_closed_storage_refuses_and_closes_again(path: Path, key_ring: KeyRing) -> None:
    storage = await open_storage(path, key_ring)
    await storage.close()
    await storage.close()
    with pytest.raises(StorageFailed, match="closed"):
        await storage.secrets.get("bridge_key")
    with pytest.raises(StorageFailed, match="closed"):
        await storage.secrets.put("bridge_key", b"value")


async def test_closing_finishes_the_writes_under_way(path: Path, key_ring: KeyRing) -> None:
    storage = await open_storage(path, key_ring)
    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(storage.requests.commit(an_answer(number)))
        await asyncio.sleep(0)
        group.create_task(storage.close())
    storage = await open_storage(path, key_ring)
    assert len(await storage.outbox.waiting(destination=HERE, now=NOW)) == 200
    await storage.close()


ANSWERING = """
import asyncio, sys
from pathlib import Path
from storage.account_interface import Acting, AdmissionFailed
from storage.encryption import KeyRing
from storage.sqlite import open_storage
from tests.storage.builders import KEY, an_answer

async def main():
    storage = await open_storage(Path(sys.argv[1]), KeyRing([(1, KEY)]))

    async def answer(worker):
        for number in range(worker, 100_000, 20):
            await storage.requests.commit(an_answer(number))
            print(number, flush=True)

    await asyncio.gather(*map(answer, range(20)))

asyncio.run(main())
"""


@pytest.mark.parametrize("told", [1, 50, 200])
async def test_killed_process_kept_every_answer_that_it_told_of(path: Path, key_ring: KeyRing, told: int) -> None:
    numbers = await asyncio.to_thread(_answer_until_killed, path, told)
    storage = await open_storage(path, key_ring)
    for number in numbers:
        key = a_request(number)
        assert (await storage.requests.look_up(asker=key.scope, request_id=key.request_id, rumor_id=key.rumor_id)).known
    queued = await storage.outbox.waiting(destination=HERE, now=NOW, limit=100_000)
    payloads = [row.payload_json for row in queued]
    assert {f'{{"rumor":{number}}}' for number in numbers} <= set(payloads)
    assert len(payloads) == len(set(payloads))
    await storage.close()


def _answer_until_killed(path: Path, told: int) -> list[int]:
    command = [sys.executable, "-c", ANSWERING, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(told)]
        process.kill()
        # The last line may have been cut off by the kill; every whole one was a promise.
        lines += [line for line in process.stdout if line.endswith("\n")]
    return [int(line) for line in lines]
