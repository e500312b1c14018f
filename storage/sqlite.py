"""The storage in one SQLite file.

A thief of the file without the storage key learns:

- how many accounts, devices, waiting and answered requests and kept wraps there are;
- the days on which accounts and devices came and were last seen;
- how much each numbered account has left of which limiter, and when it last used it;
- which numbered keys were revoked, by which numbered account, which are blocked, and which were deleted when;
- which stored answers are of one numbered account, and how many invites there are, with their uses and expiry;
- ids, times and expiry of kept wraps, which of them share an unnamed recipient or author, and which are our answers;
- how many wraps were accepted lately, and in which hour each may be forgotten;
- how many replies wait for each unnamed relay and for each unnamed asker, and until when;
- the public events, which the relay shows to everyone: replaceable ones, and who asked for which ids to be deleted.

Apart from those public events the file holds no public key of an account or recipient, no request and nothing that was
answered, no id of a rumor, no name, password or key in clear. None of them can be guessed at either, because look-ups
use keyed hashes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from storage.accounts import SqliteAccounts
from storage.balances import SqlitePermits
from storage.database import Database, Limits, open_database
from storage.deletions import SqliteDeletions
from storage.encryption import KeyRing
from storage.gift_wraps import SqliteGiftWraps
from storage.inbox import SqliteInbox
from storage.invites import SqliteInvites
from storage.outbox import SqliteOutbox
from storage.permits import Bucket
from storage.public_events import SqlitePublicEvents
from storage.purge import purge
from storage.requests import SqliteRequests
from storage.rotation import reencrypt
from storage.secrets import SqliteSecrets


class SqliteStorage:
    """The whole store in one file; `open_storage` makes it."""

    def __init__(self, database: Database, closing: AsyncExitStack) -> None:
        self._database = database
        self._closing = closing
        self.inbox = SqliteInbox(database)
        self.requests = SqliteRequests(database)
        self.outbox = SqliteOutbox(database)
        self.accounts = SqliteAccounts(database)
        self.invites = SqliteInvites(database)
        self.permits = SqlitePermits(database)
        self.gift_wraps = SqliteGiftWraps(database)
        self.public_events = SqlitePublicEvents(database)
        self.deletions = SqliteDeletions(database)
        self.secrets = SqliteSecrets(database)

    async def purge(self, *, now: int, buckets: Mapping[str, Bucket]) -> dict[str, int]:
        """Delete what has expired and buckets that are full again; return the rows removed, by table."""
        return await purge(self._database, now=now, buckets=buckets)

    async def reencrypt(self) -> int:
        """Encrypt everything under the newest key of the ring; return how many values were under older ones."""
        return await reencrypt(self._database)

    async def watch(self) -> None:
        """Return when the storage was closed; raise a group with `StorageFailed` if it ended by itself."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._database.writer.watch())
            tasks.create_task(self._database.readers.watch())

    async def close(self) -> None:
        """Finish what is queued and close the file."""
        await self._closing.aclose()


async def open_storage(
    path: Path, key_ring: KeyRing, limits: Limits | None = None, *, create: bool = True
) -> SqliteStorage:
    """Open a database file; without `create` one that is missing or empty raises `StorageMissing`.

    Raise `StorageInUse`, `StorageTooNew`, `WrongStorageKey` or `StorageFailed`; each text says what to do.
    """
    closing = AsyncExitStack()
    try:
        return SqliteStorage(await open_database(path, key_ring, limits or Limits(), closing, create=create), closing)
    except BaseException:
        await closing.aclose()
        raise
