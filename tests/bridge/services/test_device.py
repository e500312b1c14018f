"""`device.register`, `device.list` and `device.revoke`, as their callers see them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from bridge.callers import AccountCaller, AnonymousCaller
from bridge.errors import Unauthorized
from bridge.newcomers import Offer
from bridge.services.device import MAX_DEVICES, DeviceList, DeviceRegister, DeviceRevoke
from bridge.services.service import Service
from bridge.settings.accounts import Admission
from nips.keys import PublicKey
from tests.support.clock import FixedClock
from tests.support.deadline import within
from tests.support.devices import a_proof, register, registration
from tests.support.edges import ScriptedProvider
from tests.support.entropy import SeededEntropy
from tests.support.pipeline import LIVE, Answer, Client, Json, Pipeline, a_pipeline, a_storage
from tests.support.wraps import BRIDGE

ALICE, BOB, PHONE, LAPTOP = Client("alice"), Client("bob"), Client("phone"), Client("laptop")
MIDNIGHT = 1_799_971_200
DAY = 86_400


async def devices(bridge: Pipeline, client: Client = ALICE) -> list[Json]:
    found: list[Json] = (await bridge.ask(client, "device.list")).result["devices"]
    return found


async def keys(bridge: Pipeline, client: Client = ALICE) -> list[str]:
    return [device["device_pubkey"] for device in await devices(bridge, client)]


async def revoke(bridge: Pipeline, device: Client, *, by: Client = ALICE) -> Answer:
    (device_id,) = [each["device_id"] for each in await devices(bridge, by) if each["device_pubkey"] == device.key]
    return await bridge.ask(by, "device.revoke", {"device_id": device_id})


# --- register


async def test_a_device_that_proved_its_key_acts_for_the_account(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        device = (await register(bridge, PHONE, ALICE, name="Phone", platform="android")).result["device"]
        assert UUID(device.pop("device_id")).version == 4
        assert device == {
            "device_pubkey": PHONE.key,
            "name": "Phone",
            "platform": "android",
            "primary": False,
            "registered_day": MIDNIGHT,
            "last_seen_day": MIDNIGHT,
        }
        account = (await bridge.ask(PHONE, "account.get")).result
        assert account["account"]["pubkey"] == ALICE.key
        assert [each["device_pubkey"] for each in account["devices"]] == [ALICE.key, PHONE.key]


async def test_a_device_may_register_another(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await register(bridge, PHONE, ALICE)
        assert (await register(bridge, LAPTOP, ALICE, by=PHONE)).code is None
        assert await keys(bridge, LAPTOP) == [ALICE.key, PHONE.key, LAPTOP.key]


async def test_an_account_has_six_devices_and_its_own_key_is_one(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        for number in range(MAX_DEVICES - 1):
            assert (await register(bridge, Client(f"device {number}"), ALICE)).code is None
        refused = await register(bridge, PHONE, ALICE)
        assert (refused.code, refused.error["status"], refused.error["retry"]) == ("DEVICE_LIMIT", 409, False)
        assert len(await devices(bridge)) == MAX_DEVICES == 6
        assert (await register(bridge, Client("device 0"), ALICE, away=1, name="renamed")).code is None
        await revoke(bridge, Client("device 3"))
        assert (await register(bridge, PHONE, ALICE, away=1)).code is None


async def test_registering_an_own_device_again_renames_it(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        first = (await register(bridge, PHONE, ALICE, name="old", platform="android")).result["device"]
        bridge.clock.advance(DAY)
        second = (await register(bridge, PHONE, ALICE, name="new")).result["device"]
        assert second == {**first, "name": "new"}
        third = (await register(bridge, PHONE, ALICE, name="", platform="ios", away=1)).result["device"]
        assert third == {**first, "name": "", "platform": "ios"}
        assert len(await devices(bridge)) == 2


async def test_the_primary_device_is_renamed_like_any_other(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        device = (await register(bridge, ALICE, ALICE, name="first")).result["device"]
        assert (device["name"], device["primary"]) == ("first", True)
        assert await devices(bridge) == [device]


async def test_a_proof_counts_once(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        params = registration(bridge, PHONE, ALICE)
        assert (await bridge.ask(ALICE, "device.register", params)).code is None
        again = await bridge.ask(ALICE, "device.register", {**params, "name": "again"})
        assert (again.code, again.error["status"]) == ("DEVICE_PROOF_USED", 409)
        await revoke(bridge, PHONE)
        assert (await bridge.ask(ALICE, "device.register", params)).code == "DEVICE_PROOF_USED"
        assert await keys(bridge) == [ALICE.key]


async def test_a_proof_with_another_signature_is_the_same_proof(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await register(bridge, PHONE, ALICE)
        other = a_proof(bridge, PHONE, ALICE, label="other")
        assert other["sig"] != a_proof(bridge, PHONE, ALICE)["sig"]
        assert (await register(bridge, PHONE, ALICE, proof=other)).code == "DEVICE_PROOF_USED"


async def test_a_proof_that_was_refused_is_not_used_up(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        for number in range(MAX_DEVICES - 1):
            await register(bridge, Client(f"device {number}"), ALICE)
        params = registration(bridge, PHONE, ALICE)
        assert (await bridge.ask(ALICE, "device.register", params)).code == "DEVICE_LIMIT"
        await revoke(bridge, Client("device 0"))
        assert (await bridge.ask(ALICE, "device.register", params)).code is None


@pytest.mark.parametrize(("away", "code"), [(-600, None), (600, None), (-601, "DEVICE_PROOF_INVALID")])
async def test_a_proof_is_of_the_last_or_next_ten_minutes(tmp_path: Path, away: int, code: str | None) -> None:
    async with a_pipeline(tmp_path) as bridge:
        assert (await register(bridge, PHONE, ALICE, away=away)).code == code


async def test_a_proof_that_is_remembered_outlasts_its_time(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        params = registration(bridge, PHONE, ALICE)
        await bridge.ask(ALICE, "device.register", params)
        bridge.clock.advance(600)
        await bridge.storage.purge(now=bridge.clock.now(), buckets={})
        assert (await bridge.ask(ALICE, "device.register", params)).code == "DEVICE_PROOF_USED"
        bridge.clock.advance(1)
        assert (await bridge.ask(ALICE, "device.register", params)).code == "DEVICE_PROOF_INVALID"


MUTATIONS: dict[str, tuple[Callable[[Pipeline, Json], Json], str]] = {
    "kind": (lambda bridge, proof: {**proof, "kind": 24392}, "/params/proof/kind"),
    "content": (lambda bridge, proof: {**proof, "content": "x"}, "/params/proof/content"),
    "no tags": (lambda bridge, proof: {**proof, "tags": []}, "/params/proof/tags"),
    "time": (lambda bridge, proof: {**proof, "created_at": proof["created_at"] + 1}, "/params/proof/id"),
    "id": (lambda bridge, proof: {**proof, "id": "00" * 32}, "/params/proof/id"),
    "signature": (lambda bridge, proof: {**proof, "sig": "00" * 64}, "/params/proof/sig"),
    "short signature": (lambda bridge, proof: {**proof, "sig": ""}, "/params/proof/sig"),
    "key": (lambda bridge, proof: {**proof, "pubkey": BOB.key}, "/params/proof/pubkey"),
    "another account": (lambda bridge, proof: a_proof(bridge, PHONE, BOB), "/params/proof/tags"),
    "another key": (lambda bridge, proof: a_proof(bridge, BOB, ALICE), "/params/proof/pubkey"),
    "nothing": (lambda bridge, proof: {}, "/params/proof/id"),
}


@pytest.mark.parametrize("name", MUTATIONS)
async def test_any_other_proof_is_refused_naming_what_is_wrong(tmp_path: Path, name: str) -> None:
    mutate, field = MUTATIONS[name]
    async with a_pipeline(tmp_path) as bridge:
        proof = mutate(bridge, a_proof(bridge, PHONE, ALICE))
        error = (await register(bridge, PHONE, ALICE, proof=proof)).error
        assert (error["code"], error["status"], error["field"]) == ("DEVICE_PROOF_INVALID", 400, field)
        assert await keys(bridge) == [ALICE.key]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"name": "x" * 65}, "/params/name"),
        ({"name": None}, "/params/name"),
        ({"platform": None}, "/params/platform"),
        ({"device_pubkey": "F" * 64}, "/params/device_pubkey"),
        ({"proof": []}, "/params/proof"),
        ({"primary": True}, "/params/primary"),
    ],
)
async def test_params_of_a_wrong_form_are_named(tmp_path: Path, params: Json, field: str) -> None:
    async with a_pipeline(tmp_path) as bridge:
        error = (await register(bridge, PHONE, ALICE, **params)).error
        assert (error["code"], error["field"]) == ("BRIDGE_INVALID_REQUEST", field)


async def test_a_name_may_have_64_characters_of_any_script(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        assert (await register(bridge, PHONE, ALICE, name="😀" * 64)).result["device"]["name"] == "😀" * 64


async def test_a_key_that_acts_for_another_account_is_taken(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await register(bridge, PHONE, BOB)
        refused = await register(bridge, PHONE, ALICE)
        assert (refused.code, refused.error["status"]) == ("DEVICE_TAKEN", 409)
        assert await keys(bridge, PHONE) == [BOB.key, PHONE.key]
        assert (await register(bridge, BOB, ALICE)).code == "DEVICE_TAKEN"


async def test_a_key_that_is_an_account_alone_is_absorbed(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await bridge.ask(BOB, "account.get")
        assert (await register(bridge, BOB, ALICE)).code is None
        account = (await bridge.ask(BOB, "account.get")).result
        assert account["account"]["pubkey"] == ALICE.key
        assert [each["primary"] for each in account["devices"]] == [True, False]


async def test_of_two_registrations_of_one_key_at_once_one_gets_it(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        for client in (ALICE, BOB):
            await bridge.ask(client, "account.get")
        requests = {
            client: bridge.request(client, "device.register", registration(bridge, PHONE, client))
            for client in (ALICE, BOB)
        }
        await bridge.give(*(bridge.wrap(rumor, client) for client, rumor in requests.items()))
        codes = [
            answer.code
            for client, rumor in requests.items()
            for answer in await bridge.answers(client)
            if answer.answers == rumor.id
        ]
        assert sorted(codes, key=str) == ["DEVICE_TAKEN", None]


async def test_two_registrations_of_one_key_for_one_account_at_once_make_one_device(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await bridge.ask(ALICE, "account.get")
        rumors = [
            bridge.request(ALICE, "device.register", registration(bridge, PHONE, ALICE, away=away)) for away in (0, 1)
        ]
        await bridge.give(*(bridge.wrap(rumor, ALICE) for rumor in rumors))
        told = [
            answer.result["device"]
            for answer in await bridge.answers(ALICE)
            if answer.answers in {rumor.id for rumor in rumors}
        ]
        assert len(told) == 2
        assert [device["device_id"] for device in told] == [(await devices(bridge))[1]["device_id"]] * 2


async def test_a_request_to_register_is_carried_out_once_and_repeated(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        rumor = bridge.request(ALICE, "device.register", registration(bridge, PHONE, ALICE))
        first = await bridge.answer(ALICE, rumor)
        assert (await bridge.answer(ALICE, rumor)).content == first.content
        assert await bridge.remaining(ALICE, "device") == 11


# --- permits are the account's


async def test_devices_share_their_accounts_permits(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 2}) as bridge:
        await register(bridge, PHONE, ALICE)
        assert (await bridge.ask(PHONE, "turn.get_credentials")).code is None
        assert (await bridge.ask(ALICE, "turn.get_credentials")).code is None
        for client in (ALICE, PHONE):
            assert (await bridge.ask(client, "turn.get_credentials")).code == "CALL_RELAY_RATE_LIMITED"


async def test_devices_are_one_turn_user_and_one_scope_of_ids(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await register(bridge, PHONE, ALICE)
        one = await bridge.ask(ALICE, "turn.get_credentials", id="same")
        two = await bridge.ask(PHONE, "turn.get_credentials", id="same")
        assert one.result == two.result
        assert (await bridge.ask(PHONE, "account.get", id="same")).code == "BRIDGE_CONFLICT"


async def test_changes_of_devices_are_limited(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        for away in range(12):
            assert (await register(bridge, PHONE, ALICE, away=away)).code is None
        error = (await register(bridge, PHONE, ALICE, away=13)).error
        assert (error["code"], error["retry_after"]) == ("BRIDGE_RATE_LIMITED", 120)
        assert (await bridge.ask(ALICE, "device.list")).code is None
        bridge.clock.advance(120)
        assert (await bridge.ask(ALICE, "device.revoke", {"device_id": str(UUID(int=1))})).code == "DEVICE_UNKNOWN"


# --- list


async def test_a_list_says_when_each_device_was_last_seen_by_the_day(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await register(bridge, PHONE, ALICE)
        await register(bridge, LAPTOP, ALICE)
        bridge.clock.advance(DAY)
        await bridge.ask(PHONE, "turn.get_credentials")
        bridge.clock.advance(DAY)
        seen = {device["device_pubkey"]: device["last_seen_day"] for device in await devices(bridge)}
        assert seen == {ALICE.key: MIDNIGHT, PHONE.key: MIDNIGHT + DAY, LAPTOP.key: MIDNIGHT}
        assert {device["registered_day"] for device in await devices(bridge)} == {MIDNIGHT}


# --- revoke


async def test_a_revoked_device_is_refused_at_once(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await register(bridge, PHONE, ALICE)
        assert (await revoke(bridge, PHONE)).result == {"revoked": True}
        for method, code in (
            ("account.get", "BRIDGE_UNAUTHORIZED"),
            ("device.list", "BRIDGE_UNAUTHORIZED"),
            ("turn.get_credentials", "CALL_RELAY_UNAUTHORIZED"),
        ):
            answer = await bridge.ask(PHONE, method)
            assert (answer.code, answer.error["status"]) == (code, 401)
        assert await keys(bridge) == [ALICE.key]


async def test_a_revoked_key_stays_refused_until_it_is_registered_anew(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        first = (await register(bridge, PHONE, ALICE)).result["device"]
        await revoke(bridge, PHONE)
    async with a_pipeline(tmp_path, run=2) as bridge:
        assert (await bridge.ask(PHONE, "account.get")).code == "BRIDGE_UNAUTHORIZED"
        second = (await register(bridge, PHONE, ALICE, away=1)).result["device"]
        assert second["device_id"] != first["device_id"]
        assert (await bridge.ask(PHONE, "account.get")).code is None


async def test_a_revoked_key_may_be_registered_by_another_account(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await register(bridge, PHONE, ALICE)
        await revoke(bridge, PHONE)
        assert (await register(bridge, PHONE, BOB)).code is None
        assert await keys(bridge, PHONE) == [BOB.key, PHONE.key]


async def test_a_revoked_key_does_not_hear_its_old_account_again_as_a_device_of_another(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await register(bridge, PHONE, ALICE)
        asked = [bridge.request(PHONE, method) for method in ("account.get", "turn.get_credentials", "bridge.info")]
        for rumor in asked:
            assert (await bridge.answer(PHONE, rumor)).code is None
        await revoke(bridge, PHONE)
        await register(bridge, PHONE, BOB)
        for rumor in asked:
            assert (await bridge.answer(PHONE, rumor)).code == "BRIDGE_EXPIRED"
        own = bridge.request(PHONE, "account.get")
        first = await bridge.answer(PHONE, own)
        assert (await bridge.answer(PHONE, own)).content == first.content


async def test_an_absorbed_key_hears_again_what_it_was_told_before(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        asked = [bridge.request(PHONE, method) for method in ("bridge.info", "account.get")]
        first = [await bridge.answer(PHONE, rumor) for rumor in asked]
        await register(bridge, PHONE, ALICE)
        assert [(await bridge.answer(PHONE, rumor)).content for rumor in asked] == [each.content for each in first]


async def test_a_device_may_revoke_itself_and_hears_of_it_as_often_as_it_asks(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        device_id = (await register(bridge, PHONE, ALICE)).result["device"]["device_id"]
        rumor = bridge.request(PHONE, "device.revoke", {"device_id": device_id})
        first = await bridge.answer(PHONE, rumor)
        assert first.result == {"revoked": True}
        assert (await bridge.answer(PHONE, rumor)).content == first.content
        assert (await bridge.ask(PHONE, "account.get")).code == "BRIDGE_UNAUTHORIZED"


async def test_the_primary_device_is_not_revoked(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await register(bridge, PHONE, ALICE)
        refused = await revoke(bridge, ALICE, by=PHONE)
        assert (refused.code, refused.error["status"]) == ("DEVICE_PRIMARY", 409)


async def test_a_device_of_another_account_is_unknown(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        device_id = (await register(bridge, PHONE, BOB)).result["device"]["device_id"]
        refused = await bridge.ask(ALICE, "device.revoke", {"device_id": device_id})
        assert (refused.code, refused.error["status"]) == ("DEVICE_UNKNOWN", 404)
        assert (await bridge.ask(PHONE, "account.get")).code is None


@pytest.mark.parametrize("device_id", ["", "not a uuid", str(UUID(int=7)).replace("-", ""), 7, None])
async def test_a_device_is_named_by_its_uuid(tmp_path: Path, device_id: object) -> None:
    async with a_pipeline(tmp_path) as bridge:
        error = (await bridge.ask(ALICE, "device.revoke", {"device_id": device_id})).error
        assert (error["code"], error["field"]) == ("BRIDGE_INVALID_REQUEST", "/params/device_id")


async def test_what_a_revoked_device_missed_does_not_reach_it_any_more(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await register(bridge, PHONE, ALICE)
        stored, live = (bridge.request(PHONE, "turn.get_credentials") for _ in range(2))
        await bridge.give(bridge.wrap(stored, PHONE), bridge.wrap(live, PHONE, LIVE))
        assert bridge.core.outbox.held == 1
        assert [answer.answers for answer in await bridge.answers(PHONE)] == [stored.id]
        await revoke(bridge, PHONE)
        bridge.here.listen(PHONE.key, LIVE)
        bridge.core.outbox.listener_came(PHONE.key)
        await bridge.settle()
        assert (bridge.core.outbox.held, await bridge.answers(PHONE)) == (0, [])
        for rumor in (stored, live):
            assert (await bridge.answer(PHONE, rumor)).code == "CALL_RELAY_UNAUTHORIZED"


async def test_connections_of_a_revoked_key_are_closed_and_others_stay(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await register(bridge, PHONE, ALICE)
        for client in (ALICE, PHONE):
            bridge.here.listen(client.key, LIVE)
        await revoke(bridge, PHONE)
        assert bridge.here.dismissed == [PHONE.key]


class Held:
    """A device's request that is being worked on while its device is revoked."""

    def __init__(self) -> None:
        self.provider = ScriptedProvider()
        self.provider.gate.clear()


@pytest.mark.parametrize("kind", [1059, LIVE])
async def test_a_request_in_progress_is_refused_at_the_commit_and_costs_nothing(tmp_path: Path, kind: int) -> None:
    held = Held()
    async with a_pipeline(tmp_path, provider=held.provider) as bridge:
        await register(bridge, PHONE, ALICE)
        device_id = (await devices(bridge))[1]["device_id"]
        rumor = bridge.request(PHONE, "turn.get_credentials")
        revocation = bridge.request(ALICE, "device.revoke", {"device_id": device_id})
        async with within(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(bridge.accept(bridge.wrap(rumor, PHONE, kind)))
            await held.provider.wait_asked(1)
            await bridge.accept(bridge.wrap(revocation, ALICE))
            held.provider.gate.set()
        await bridge.settle()
        bridge.here.listen(PHONE.key, LIVE)
        bridge.core.outbox.listener_came(PHONE.key)
        await bridge.settle()
        (answer,) = await bridge.answers(PHONE)
        assert (answer.answers, answer.code) == (rumor.id, "CALL_RELAY_UNAUTHORIZED")
        assert await bridge.remaining(ALICE, "turn") == 100


# --- accounts that are made by registration only

BY_REGISTRATION = {"accounts.auto_register": False}


async def test_without_auto_register_a_key_that_did_not_register_is_refused(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes=BY_REGISTRATION) as bridge:
        for method, code in (
            ("account.get", "BRIDGE_UNAUTHORIZED"),
            ("device.list", "BRIDGE_UNAUTHORIZED"),
            ("turn.get_credentials", "CALL_RELAY_UNAUTHORIZED"),
        ):
            assert (await bridge.ask(ALICE, method)).code == code
        assert (await register(bridge, PHONE, ALICE)).code == "BRIDGE_UNAUTHORIZED"
        assert (await bridge.ask(ALICE, "bridge.info")).code is None
        assert await bridge.storage.accounts.find(ALICE.key) is None


async def test_without_auto_register_the_registration_of_the_key_itself_makes_its_account(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes=BY_REGISTRATION) as bridge:
        rumor = bridge.request(ALICE, "device.register", registration(bridge, ALICE, ALICE, name="mine"))
        answer = await bridge.answer(ALICE, rumor)
        device = answer.result["device"]
        assert (device["device_pubkey"], device["name"], device["primary"]) == (ALICE.key, "mine", True)
        assert (await bridge.answer(ALICE, rumor)).content == answer.content
        assert await devices(bridge) == [device]
        assert (await register(bridge, PHONE, ALICE)).code is None
        assert await keys(bridge, PHONE) == [ALICE.key, PHONE.key]


@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        ({"proof": {}}, "DEVICE_PROOF_INVALID", "/params/proof/id"),
        ({"name": "x" * 65}, "BRIDGE_INVALID_REQUEST", "/params/name"),
    ],
)
async def test_without_auto_register_a_registration_that_fails_makes_no_account(
    tmp_path: Path, params: Json, code: str, field: str
) -> None:
    async with a_pipeline(tmp_path, changes=BY_REGISTRATION) as bridge:
        error = (await register(bridge, ALICE, ALICE, **params)).error
        assert (error["code"], error["field"]) == (code, field)
        assert await bridge.storage.accounts.find(ALICE.key) is None
        assert (await bridge.ask(ALICE, "account.get")).code == "BRIDGE_UNAUTHORIZED"


async def test_without_auto_register_accounts_that_are_there_go_on(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await bridge.ask(ALICE, "account.get")
    async with a_pipeline(tmp_path, changes=BY_REGISTRATION, run=2) as bridge:
        assert (await bridge.ask(ALICE, "account.get")).code is None


async def test_without_auto_register_newcomers_meet_the_terms_of_admission_all_the_same(tmp_path: Path) -> None:
    changes = {**BY_REGISTRATION, "accounts.admission": Admission.INVITE}
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        now = bridge.clock.now()
        await bridge.storage.invites.create("code", uses=1, expires_at=None, note="", now=now, max_invites=1)
        params = registration(bridge, ALICE, ALICE)
        assert (await bridge.ask(ALICE, "device.register", params, id="same")).code == "BRIDGE_UNAUTHORIZED"
        assert (await bridge.ask(ALICE, "device.register", params, id="same", invite="code")).code is None


async def test_without_auto_register_the_price_of_an_account_is_told_and_not_kept(tmp_path: Path) -> None:
    changes = {**BY_REGISTRATION, "accounts.budget.burst": 1}
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        await register(bridge, ALICE, ALICE)
        rumor = bridge.request(BOB, "device.register", registration(bridge, BOB, BOB))
        assert (await bridge.answer(BOB, rumor)).code == "BRIDGE_POW_REQUIRED"
        bridge.clock.advance(30)
        assert (await bridge.answer(BOB, rumor)).code is None


# --- who may not


async def nobody_joins(key: PublicKey, offer: Offer) -> AccountCaller:
    raise AssertionError("nobody asked for that")


async def test_somebody_without_an_account_gets_nothing(tmp_path: Path) -> None:
    async with a_storage(tmp_path) as storage:
        services: list[Service] = [
            DeviceRegister(storage.accounts, nobody_joins, BRIDGE.public_key, FixedClock(), SeededEntropy()),
            DeviceList(storage.accounts),
            DeviceRevoke(),
        ]
        for service in services:
            with pytest.raises(Unauthorized):
                await service({}, AnonymousCaller(ALICE.key))
