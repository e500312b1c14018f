"""Key rotation."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from nips.filter import Filter
from storage.account_interface import SetAccessKey
from storage.database import Limits, open_database
from storage.encryption import KeyRing
from storage.errors import StorageKeyMissing, WrongStorageKey
from storage.interface import HERE, Answer, Unreadable
from storage.rotation import ENCRYPTED, reencrypt
from storage.sqlite import SqliteStorage, open_storage
from tests.storage.builders import NOW, a_hex, a_request, an_account, an_answer, an_entry

OLD, NEW = (1, bytes([1]) * 32), (2, bytes([2]) * 32)


async def fill(path: Path, ring: KeyRing, numbers: range) -> None:
    """Use every table that holds something encrypted."""
    storage = await open_storage(path, ring)
    for number in numbers:
        await storage.inbox.add(an_entry(number), seen_until=NOW, max_waiting=100)
        await storage.requests.commit(an_answer(number + 100))
        account, _ = await an_account(storage, number)
        await storage.requests.commit(Answer([], effect=SetAccessKey(account.number, bytes(16))))
        await storage.invites.create(f"code {number}", uses=1, expires_at=None, note="", now=NOW, max_invites=100)
        await storage.secrets.put(f"secret {number}", b"value")
    await storage.close()


async def is_whole(storage: SqliteStorage, numbers: range) -> bool:
    """Read back what `fill` wrote."""
    assert [invite.code for invite in await storage.invites.all()] == [f"code {number}" for number in numbers]
    waiting = [entry for _, entry in await storage.inbox.waiting()]
    queued = await storage.outbox.waiting(destination=HERE, now=NOW)
    assert waiting == [an_entry(number) for number in numbers]
    assert [row.recipient for row in queued] == [a_hex(number + 100) for number in numbers]
    for number in numbers:
        key = a_request(number + 100)
        assert (await storage.requests.look_up(asker=key.scope, request_id=key.request_id, rumor_id=key.rumor_id)).known
        found = await storage.accounts.find(a_hex(number))
        assert found
        assert await storage.accounts.access_key(found[0].number) == bytes(16)
        assert await storage.secrets.get(f"secret {number}") == b"value"
        assert await storage.gift_wraps.query(Filter(), recipients=[a_hex(number + 100)], now=NOW, limit=1)
    return True


async def test_newer_ring_reads_what_the_older_wrote(path: Path) -> None:
    await fill(path, KeyRing([OLD]), range(3))
    await fill(path, KeyRing([OLD, NEW]), range(3, 6))
    storage = await open_storage(path, KeyRing([OLD, NEW]))
    assert await is_whole(storage, range(6))
    await storage.close()


async def test_value_under_a_key_that_is_gone_says_so(path: Path) -> None:
    await fill(path, KeyRing([OLD, NEW]), range(1))
    with pytest.raises(WrongStorageKey, match="no storage key has the id 2"):
        await open_storage(path, KeyRing([OLD]))


@pytest.mark.parametrize("chunk", [1, 2, 200])
async def test_old_key_can_go_after_everything_is_encrypted_anew(path: Path, chunk: int) -> None:
    await fill(path, KeyRing([OLD]), range(3))
    async with AsyncExitStack() as closing:
        database = await open_database(path, KeyRing([OLD, NEW]), Limits(), closing)
        # Inbox, response, outbox, wrap, account, device, access key, invite and secret of each, and the index key.
        assert await reencrypt(database, chunk=chunk) == 3 * 9 + 1
        assert await reencrypt(database, chunk=chunk) == 0
    storage = await open_storage(path, KeyRing([NEW]))
    assert await is_whole(storage, range(3))
    await storage.close()


async def test_old_key_that_went_too_early_is_named_by_its_id(path: Path) -> None:
    await fill(path, KeyRing([OLD]), range(1))
    async with AsyncExitStack() as closing:
        database = await open_database(path, KeyRing([OLD, NEW]), Limits(), closing)
        await database.writer.run(lambda connection: connection.execute("DELETE FROM inbox"))
        await reencrypt(database)
    await fill(path, KeyRing([NEW, OLD]), range(5, 6))
    storage = await open_storage(path, KeyRing([NEW]))
    ((_, entry),) = await storage.inbox.waiting()
    assert isinstance(entry, Unreadable)
    assert isinstance(entry.reason, StorageKeyMissing)
    assert str(entry.reason) == "no storage key has the id 1"
    await storage.close()


async def test_every_encrypted_column_is_rotated(path: Path) -> None:
    await fill(path, KeyRing([OLD]), range(1))
    async with AsyncExitStack() as closing:
        database = await open_database(path, KeyRing([OLD]), Limits(), closing)
        rows = await database.readers.rows(
            "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c"
            " WHERE t.type = 'table' AND c.type = 'BLOB'"
        )
        found = set()
        for table, column in rows:
            for (stored,) in await database.readers.rows(f"SELECT {column} FROM {table}"):
                # An encrypted value names its key in front; indexes and ids have fixed lengths.
                if len(stored) not in (16, 32) and stored[0] == OLD[0]:
                    found.add((table, column))
    assert found == {(column.table, column.column) for column in ENCRYPTED}
