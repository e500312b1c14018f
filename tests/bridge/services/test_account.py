"""`account.get`."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from uuid import UUID

import pytest

from bridge.callers import AnonymousCaller
from bridge.errors import Unauthorized
from bridge.permits import AccountPermits
from bridge.services.account import AccountDelete, AccountGet, set_access_key
from bridge.services.service import Service
from bridge.settings.accounts import LimiterSettings
from bridge.turn.provider import TurnCredentials
from storage.permits import Bucket
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.devices import registration
from tests.support.pipeline import Client, a_coturn, a_pipeline, a_storage

ALICE, BOB = Client("alice"), Client("bob")
MIDNIGHT = 1_799_971_200


class WaitingProvider:
    """A provider that answers when it may."""

    name = "waiting"

    def __init__(self) -> None:
        self.is_asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        self.is_asked.set()
        await self.may_answer.wait()
        return await a_coturn().credentials(user=user, now=now)


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


# --- account.set_access_key

ACCESS_KEY = bytes(range(0xAA, 0xBA))


async def test_access_key_is_set_and_taken_away(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        for key in (ACCESS_KEY, ACCESS_KEY[::-1], None):
            text = None if key is None else b64encode(key).decode()
            answer = await bridge.ask(ALICE, "account.set_access_key", {"unidentified_access_key": text})
            assert answer.result == {"set": True}
            found = await bridge.storage.accounts.find(ALICE.key)
            assert found is not None
            assert await bridge.storage.accounts.access_key(found[0].number) == key


@pytest.mark.parametrize(
    "key",
    [
        ACCESS_KEY.hex(),
        b64encode(ACCESS_KEY).decode().rstrip("="),
        b64encode(ACCESS_KEY[:15]).decode(),
        b64encode(ACCESS_KEY + b"\0").decode(),
        urlsafe_b64encode(b"\xff" * 16).decode(),
        # Bits beyond the sixteenth byte: another writing of the same key.
        "AAAAAAAAAAAAAAAAAAAAAB==",
        "",
        7,
        True,
    ],
)
async def test_access_key_of_another_form_is_refused_by_name(tmp_path: Path, key: object) -> None:
    async with a_pipeline(tmp_path) as bridge:
        refused = await bridge.ask(ALICE, "account.set_access_key", {"unidentified_access_key": key})
        assert (refused.code, refused.error["field"]) == ("BRIDGE_INVALID_REQUEST", "/params/unidentified_access_key")


async def test_access_key_is_not_taken_away_by_saying_nothing(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        refused = await bridge.ask(ALICE, "account.set_access_key", {})
        assert (refused.code, refused.error["field"]) == ("BRIDGE_INVALID_REQUEST", "/params/unidentified_access_key")


# --- account.delete


async def test_deleted_account_is_gone_and_its_answer_comes_again(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await bridge.ask(ALICE, "account.get")
        request = bridge.request(ALICE, "account.delete")
        first = await bridge.answer(ALICE, request)
        assert first.result == {"deleted": True}
        assert await bridge.storage.accounts.find(ALICE.key) is None
        again = await bridge.answer(ALICE, request)
        assert again.rumor.id == first.rumor.id
        assert await bridge.storage.accounts.find(ALICE.key) is None


async def test_answer_comes_again_after_a_restart_and_when_the_account_is_back(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        request = bridge.request(ALICE, "account.delete")
        first = await bridge.answer(ALICE, request)
        clock = bridge.clock
    clock.advance(1)
    async with a_pipeline(tmp_path, clock=clock, run=2) as bridge:
        assert (await bridge.ask(ALICE, "account.get")).result["account"]["pubkey"] == ALICE.key
        again = await bridge.answer(ALICE, request)
        assert again.rumor.id == first.rumor.id
        assert await bridge.storage.accounts.find(ALICE.key) is not None, "it was not carried out again"


async def test_what_was_answered_before_the_deletion_has_expired(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        credentials = bridge.request(ALICE, "turn.get_credentials", id="planted")
        assert "result" in (await bridge.answer(ALICE, credentials)).content
        await bridge.ask(ALICE, "account.delete")
        bridge.clock.advance(1)
        assert (await bridge.answer(ALICE, credentials)).code == "BRIDGE_EXPIRED"
        same_id = bridge.request(ALICE, "turn.get_credentials", id="planted")
        assert (await bridge.answer(ALICE, same_id)).code == "BRIDGE_EXPIRED"
        assert await bridge.storage.accounts.find(ALICE.key) is None


async def test_what_was_asked_before_the_deletion_and_comes_after_it_makes_no_account(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        late = bridge.request(ALICE, "account.get")
        await bridge.ask(ALICE, "account.delete")
        assert (await bridge.answer(ALICE, late)).code == "BRIDGE_EXPIRED"
        assert await bridge.storage.accounts.find(ALICE.key) is None
        bridge.clock.advance(1)
        assert "result" in (await bridge.ask(ALICE, "account.get")).content


async def test_deletion_counts_up_to_its_own_time_where_its_author_is_ahead_of_us(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        now = bridge.clock.now()
        late = bridge.request(ALICE, "account.get", created_at=now + 20)
        assert (await bridge.ask(ALICE, "account.delete", created_at=now + 30)).code is None
        assert (await bridge.answer(ALICE, late)).code == "BRIDGE_EXPIRED"
        assert await bridge.storage.accounts.find(ALICE.key) is None
        assert "result" in (await bridge.ask(ALICE, "account.get", created_at=now + 31)).content


async def test_registration_that_made_the_account_has_expired_with_it(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"accounts.auto_register": False}) as bridge:
        before = bridge.request(ALICE)
        made = bridge.request(ALICE, "device.register", registration(bridge, ALICE, ALICE))
        for rumor in (before, made):
            assert (await bridge.answer(ALICE, rumor)).code is None
        assert (await bridge.ask(ALICE, "account.delete")).code is None
        for rumor in (before, made):
            assert (await bridge.answer(ALICE, rumor)).code == "BRIDGE_EXPIRED"


async def test_request_that_is_worked_on_when_the_account_goes_is_refused(tmp_path: Path) -> None:
    provider = WaitingProvider()
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        await bridge.ask(ALICE, "account.get")
        await bridge.accept(bridge.wrap(bridge.request(ALICE, "turn.get_credentials"), ALICE))
        async with within():
            await provider.is_asked.wait()
        found = await bridge.storage.accounts.find(ALICE.key)
        assert found is not None
        await bridge.storage.accounts.delete(found[0].number, now=bridge.clock.now())
        provider.may_answer.set()
        await bridge.settle()
        codes = [answer.code for answer in await bridge.answers(ALICE)]
        assert codes == ["CALL_RELAY_UNAUTHORIZED"]
        assert (await bridge.storage.permits.balances(found[0].number)).keys() == {"info"}, (
            "nothing was had, nothing paid"
        )


async def test_deletion_gives_no_permit_back(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        for _ in range(3):
            await bridge.ask(ALICE, "turn.get_credentials")
        await bridge.ask(ALICE, "account.delete")
        bridge.clock.advance(1)
        limits = (await bridge.ask(ALICE, "account.get")).result["limits"]
        assert (limits["turn"]["remaining"], limits["device"]["remaining"]) == (97, 11)


async def test_deletions_end_with_the_permits_for_changes(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.device": LimiterSettings(burst=2, refill_seconds=60)}) as bridge:
        codes = []
        for _ in range(3):
            codes.append((await bridge.ask(ALICE, "account.delete")).code)
            bridge.clock.advance(1)
        assert codes == [None, None, "BRIDGE_RATE_LIMITED"]


@pytest.mark.parametrize("service", [AccountDelete(FixedClock()), set_access_key])
async def test_an_anonymous_caller_has_no_account_to_change(service: Service) -> None:
    with pytest.raises(Unauthorized):
        await service({"unidentified_access_key": None}, AnonymousCaller(ALICE.key))
