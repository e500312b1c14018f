"""A storage, and times that stand still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.encryption import KeyRing
from storage.sqlite import SqliteStorage, open_storage
from tests.bridge.relay.builders import NOW, Inbox
from tests.support.clock import FixedClock


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqliteStorage]:
    storage = await open_storage(tmp_path / "switchboard.db", KeyRing([(1, bytes(32))]))
    yield storage
    await storage.close()
