"""The secret that coturn and the bridge share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.turn.managed.secret import NAME, SecretAges, TurnSecretKeeper
from storage.encryption import KeyRing
from storage.sqlite import SqliteStorage, open_storage
from tests.support.clock import FixedClock
from tests.support.entropy import SeededEntropy

AGES = SecretAges(change_seconds=1000, valid_seconds=600)


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqliteStorage]:
    storage = await open_storage(tmp_path / "switchboard.db", KeyRing([(1, bytes(32))]))
    yield storage
    await storage.close()


def a_keeper(storage: SqliteStorage, clock: FixedClock, seed: str = "") -> TurnSecretKeeper:
    return TurnSecretKeeper(storage.secrets, clock=clock, entropy=SeededEntropy(seed))


async def test_secret_outlasts_a_start(storage: SqliteStorage) -> None:
    clock = FixedClock()
    first = await a_keeper(storage, clock, "one").current(AGES)
    clock.advance(999)
    assert await a_keeper(storage, clock, "two").current(AGES) == first
    assert first.accepted == (first.signing,)
    assert len(bytes.fromhex(first.signing)) == 32


async def test_old_secret_makes_place_and_counts_as_long_as_its_credentials(storage: SqliteStorage) -> None:
    clock = FixedClock()
    keeper = a_keeper(storage, clock)
    old = await keeper.current(AGES)
    clock.advance(1000)
    new = await keeper.current(AGES)
    assert new.signing != old.signing
    assert new.accepted == (new.signing, old.signing)
    clock.advance(600)
    assert (await keeper.current(AGES)).accepted == (new.signing, old.signing)
    clock.advance(1)
    assert (await keeper.current(AGES)).accepted == (new.signing,)


async def test_secret_that_signed_for_long_still_counts_after_the_start_that_changed_it(
    storage: SqliteStorage,
) -> None:
    clock = FixedClock()
    keeper = a_keeper(storage, clock)
    old = await keeper.current(AGES)
    clock.advance(1_000_000)
    assert old.signing in (await keeper.current(AGES)).accepted


async def test_secret_lies_encrypted_and_shows_itself_nowhere(storage: SqliteStorage, tmp_path: Path) -> None:
    secrets = await a_keeper(storage, FixedClock()).current(AGES)
    assert secrets.signing not in repr(secrets)
    stored = await storage.secrets.get(NAME)
    assert stored is not None
    assert secrets.signing.encode() in stored
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert not any(secrets.signing.encode() in content for content in files)
