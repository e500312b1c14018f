"""`account.get`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from uuid import UUID

import pytest

from bridge.callers import AnonymousCaller
from bridge.errors import Unauthorized
from bridge.permits import AccountPermits
from bridge.services.account import AccountGet
from storage.permits import Bucket
from tests.support.clock import FixedClock
from tests.support.pipeline import Client, a_pipeline, a_storage

ALICE, BOB = Client("alice"), Client("bob")
MIDNIGHT = 1_799_971_200


def by_the_book(*parts: bytes) -> UUID:
    return UUID(bytes=hashlib.sha256(b"".join(parts)).digest()[:16], version=4)


def with_version_8(identity: UUID) -> UUID:
    return UUID(int=identity.int & ~(0xF << 76) | 8 << 76)


async def test_an_account_learns_who_it_is(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        result = (await bridge.ask(ALICE, "account.get")).result
        found = await bridge.storage.accounts.find(ALICE.key)
        assert found is not None
        salt = found[0].pni_salt
    raw = bytes.fromhex(ALICE.key)
    assert result["account"] == {
        "pubkey": ALICE.key,
        "aci": str(with_version_8(by_the_book(b"nostr-aci-v1", raw))),
        "pni": str(with_version_8(by_the_book(b"nostr-pni-v1", salt, raw))),
        "admitted_day": MIDNIGHT,
    }


async def test_an_accounts_own_key_is_its_primary_device(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        (device,) = (await bridge.ask(ALICE, "account.get")).result["devices"]
    assert UUID(device.pop("device_id")).version == 4
    assert device == {
        "device_pubkey": ALICE.key,
        "name": "",
        "platform": None,
        "primary": True,
        "registered_day": MIDNIGHT,
        "last_seen_day": MIDNIGHT,
    }


async def test_ids_stay_the_same_from_day_to_day_and_the_device_is_seen(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        first = (await bridge.ask(ALICE, "account.get")).result
        bridge.clock.advance(3 * 86_400)
        await bridge.ask(ALICE, "account.get")
        second = (await bridge.ask(ALICE, "account.get")).result
    assert second["account"] == first["account"]
    assert second["devices"][0]["device_id"] == first["devices"][0]["device_id"]
    assert second["devices"][0]["last_seen_day"] == MIDNIGHT + 3 * 86_400


async def test_another_account_has_other_ids(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        one = (await bridge.ask(ALICE, "account.get")).result
        two = (await bridge.ask(BOB, "account.get")).result
    assert not {one["account"]["aci"], one["account"]["pni"]} & {two["account"]["aci"], two["account"]["pni"]}
    assert one["devices"][0]["device_id"] != two["devices"][0]["device_id"]


async def test_what_is_left_counts_this_very_request(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        first = (await bridge.ask(ALICE, "account.get")).result["limits"]
        assert first["info"] == {"burst": 60, "refill_seconds": 1, "remaining": 59}
        assert first["turn"] == {"burst": 100, "refill_seconds": 600, "remaining": 100}
        assert await bridge.remaining(ALICE, "info") == 59
        await bridge.ask(ALICE, "turn.get_credentials")
        second = (await bridge.ask(ALICE, "account.get")).result["limits"]
        assert (second["info"]["remaining"], second["turn"]["remaining"]) == (58, 99)


async def test_an_anonymous_caller_has_no_account_to_show(tmp_path: Path) -> None:
    async with a_storage(tmp_path) as storage:
        permits = AccountPermits(storage.permits, {"info": Bucket(1, 1)}, FixedClock())
        with pytest.raises(Unauthorized):
            await AccountGet(storage.accounts, permits)({}, AnonymousCaller(ALICE.key))
