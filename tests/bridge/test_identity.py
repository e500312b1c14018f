"""The keys of a bridge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.errors import StartupError
from bridge.identity import load_identity, make_identity
from nips.nip19 import encode_npub
from storage.sqlite import SqliteStorage
from tests.support.entropy import SeededEntropy
from tests.support.pipeline import a_storage
from tests.support.wraps import AUTHOR


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqliteStorage]:
    async with a_storage(tmp_path) as storage:
        yield storage


async def test_what_was_made_is_loaded(storage: SqliteStorage) -> None:
    made = await make_identity(storage.secrets, SeededEntropy())
    loaded = await load_identity(storage.secrets)
    assert loaded.secret == made.secret
    assert loaded.pseudonyms.of_account("a1" * 32) == made.pseudonyms.of_account("a1" * 32)


async def test_two_bridges_are_different(storage: SqliteStorage, tmp_path: Path) -> None:
    one = await make_identity(storage.secrets, SeededEntropy(1))
    (tmp_path / "other").mkdir()
    async with a_storage(tmp_path / "other") as other:
        two = await make_identity(other.secrets, SeededEntropy(2))
    assert one.secret != two.secret
    assert one.pseudonyms.of_account("a1" * 32) != two.pseudonyms.of_account("a1" * 32)


async def test_an_operator_may_bring_a_key(storage: SqliteStorage) -> None:
    await make_identity(storage.secrets, SeededEntropy(), secret=AUTHOR)
    assert (await load_identity(storage.secrets)).secret == AUTHOR


async def test_keys_that_are_there_stay(storage: SqliteStorage) -> None:
    made = await make_identity(storage.secrets, SeededEntropy(1))
    again = await make_identity(storage.secrets, SeededEntropy(2))
    assert again.secret == made.secret
    assert again.pseudonyms.of_account("a1" * 32) == made.pseudonyms.of_account("a1" * 32)
    assert (await make_identity(storage.secrets, SeededEntropy(3), secret=made.secret)).secret == made.secret


async def test_a_key_brought_to_another_is_refused_and_told_what_to_do(storage: SqliteStorage) -> None:
    made = await make_identity(storage.secrets, SeededEntropy())
    with pytest.raises(StartupError, match="leave out --secret-key-file") as caught:
        await make_identity(storage.secrets, SeededEntropy(), secret=AUTHOR)
    assert encode_npub(made.secret.public_key) in str(caught.value)
    assert (await load_identity(storage.secrets)).secret == made.secret


async def test_half_an_identity_is_completed(storage: SqliteStorage) -> None:
    await storage.secrets.put("bridge_key", AUTHOR.reveal())
    made = await make_identity(storage.secrets, SeededEntropy())
    loaded = await load_identity(storage.secrets)
    assert made.secret == loaded.secret == AUTHOR
    assert loaded.pseudonyms.of_account("a1" * 32) == made.pseudonyms.of_account("a1" * 32)


async def test_a_database_without_keys_says_what_to_do(storage: SqliteStorage) -> None:
    with pytest.raises(StartupError, match="switchboard init"):
        await load_identity(storage.secrets)


async def test_half_an_identity_is_none(storage: SqliteStorage) -> None:
    await storage.secrets.put("bridge_key", AUTHOR.reveal())
    with pytest.raises(StartupError, match="no bridge key"):
        await load_identity(storage.secrets)


async def test_an_identity_shows_no_key(storage: SqliteStorage) -> None:
    identity = await make_identity(storage.secrets, SeededEntropy())
    assert identity.secret.reveal().hex() not in repr(identity)
    assert repr(identity) == "Identity(secret=SecretKey(hidden), pseudonyms=Pseudonyms(hidden))"
