"""Who is let in, as whom, and what is made of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from pathlib import Path
from uuid import UUID

import pytest

from bridge.callers import AccountCaller, AdmissionRules, AnonymousCaller, Caller, Door
from bridge.errors import Forbidden, Unauthorized, Unavailable
from bridge.settings.accounts import Admission
from nips.keys import PublicKey
from protocol.catalogue import load_catalogue
from storage.sqlite import SqliteStorage
from tests.support.clock import FixedClock
from tests.support.entropy import SeededEntropy
from tests.support.pipeline import Client, a_storage

METHODS = load_catalogue().methods
INFO, ACCOUNT, TURN = METHODS["bridge.info"], METHODS["account.get"], METHODS["turn.get_credentials"]
ALICE, BOB = Client("alice").key, Client("bob").key


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqliteStorage]:
    async with a_storage(tmp_path) as storage:
        yield storage


def a_door(
    storage: SqliteStorage,
    *,
    admission: Admission = Admission.OPEN,
    allowed: Collection[PublicKey] = (),
    blocked: Collection[PublicKey] = (),
    max_accounts: int = 10,
    clock: FixedClock | None = None,
) -> Door:
    rules = AdmissionRules(admission, allowed, blocked, max_accounts)
    return Door(storage.accounts, rules, clock or FixedClock(), SeededEntropy())


async def admitted(door: Door, key: PublicKey, method_name: str = "account.get") -> Caller:
    return await door.admit(key, await door.known(key), METHODS[method_name])


async def test_a_key_that_never_called_is_unknown(storage: SqliteStorage) -> None:
    assert await a_door(storage).known(ALICE) is None


async def test_a_first_request_makes_an_account_and_its_primary_device(storage: SqliteStorage) -> None:
    clock = FixedClock(1_800_000_000)
    caller = await admitted(a_door(storage, clock=clock), ALICE)
    assert isinstance(caller, AccountCaller)
    midnight = 1_799_971_200
    assert (caller.account.pubkey, caller.account.admitted_day) == (ALICE, midnight)
    assert len(caller.account.pni_salt) == 16
    device = caller.device
    assert (device.pubkey, device.is_primary, device.registered_day, device.last_seen_day) == (
        ALICE,
        True,
        midnight,
        midnight,
    )
    assert UUID(device.device_id).version == 4


async def test_an_account_is_made_once(storage: SqliteStorage) -> None:
    door = a_door(storage)
    first = await admitted(door, ALICE)
    assert await admitted(door, ALICE) == first
    assert await door.admit(ALICE, None, ACCOUNT) == first
    assert await door.known(ALICE) == first


async def test_accounts_have_salts_and_devices_of_their_own(storage: SqliteStorage) -> None:
    door = a_door(storage)
    one, two = await admitted(door, ALICE), await admitted(door, BOB)
    assert isinstance(one, AccountCaller)
    assert isinstance(two, AccountCaller)
    assert one.account.pni_salt != two.account.pni_salt
    assert one.device.device_id != two.device.device_id


async def test_a_stranger_that_asks_who_we_are_stays_a_stranger(storage: SqliteStorage) -> None:
    door = a_door(storage)
    assert await admitted(door, ALICE, "bridge.info") == AnonymousCaller(ALICE)
    assert await door.known(ALICE) is None


async def test_an_account_that_asks_who_we_are_is_that_account(storage: SqliteStorage) -> None:
    door = a_door(storage)
    account = await admitted(door, ALICE)
    assert await admitted(door, ALICE, "bridge.info") == account


async def test_a_key_on_the_allowlist_gets_an_account(storage: SqliteStorage) -> None:
    door = a_door(storage, admission=Admission.ALLOWLIST, allowed={ALICE})
    assert isinstance(await admitted(door, ALICE), AccountCaller)


@pytest.mark.parametrize("method", [ACCOUNT, TURN], ids=lambda method: method.name)
async def test_a_key_that_is_not_on_the_allowlist_is_refused(storage: SqliteStorage, method: object) -> None:
    door = a_door(storage, admission=Admission.ALLOWLIST, allowed={ALICE})
    with pytest.raises(Unauthorized):
        await door.admit(BOB, None, method)  # type: ignore[arg-type]
    assert await door.known(BOB) is None


async def test_a_key_that_is_not_on_the_allowlist_may_ask_who_we_are(storage: SqliteStorage) -> None:
    door = a_door(storage, admission=Admission.ALLOWLIST)
    assert await admitted(door, BOB, "bridge.info") == AnonymousCaller(BOB)


async def test_an_account_taken_off_the_allowlist_is_refused_at_once(storage: SqliteStorage) -> None:
    await admitted(a_door(storage), ALICE)
    door = a_door(storage, admission=Admission.ALLOWLIST, allowed={BOB})
    with pytest.raises(Unauthorized):
        await admitted(door, ALICE)
    assert await admitted(door, ALICE, "bridge.info") == AnonymousCaller(ALICE)


@pytest.mark.parametrize("name", ["bridge.info", "account.get", "turn.get_credentials"])
async def test_a_blocked_account_may_call_nothing(storage: SqliteStorage, name: str) -> None:
    await admitted(a_door(storage), ALICE)
    with pytest.raises(Forbidden):
        await admitted(a_door(storage, blocked={ALICE}), ALICE, name)


async def test_a_blocked_key_never_becomes_an_account(storage: SqliteStorage) -> None:
    door = a_door(storage, admission=Admission.ALLOWLIST, allowed={ALICE}, blocked={ALICE})
    with pytest.raises(Forbidden):
        await admitted(door, ALICE)
    assert await door.known(ALICE) is None


async def test_beyond_max_accounts_nobody_new_gets_in_and_the_old_ones_stay(storage: SqliteStorage) -> None:
    door = a_door(storage, max_accounts=1)
    await admitted(door, ALICE)
    with pytest.raises(Unavailable):
        await admitted(door, BOB)
    assert isinstance(await admitted(door, ALICE), AccountCaller)
    assert await admitted(door, BOB, "bridge.info") == AnonymousCaller(BOB)
