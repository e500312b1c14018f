"""The way of a request from its rumor to its answer: steps 7 to 15 of protocol.md §1, row by row."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bridge.dispatcher import is_passing
from bridge.errors import ProviderFailed
from bridge.settings.accounts import Admission
from storage.errors import DamagedValue, StorageBusy, StorageError, StorageFailed, StorageKeyMissing
from tests.support.edges import ScriptedProvider
from tests.support.pipeline import LIVE, Client, Json, Pipeline, a_pipeline

ALICE, BOB = Client("alice"), Client("bob")
TURN = "turn.get_credentials"
MAX_AGE, MAX_FUTURE = 172_800, 900


def an_envelope(**changes: object) -> str:
    return json.dumps({"_v": "1.0.0", "id": "r1", "method": "account.get", "params": {}, **changes})


# --- step 7: freshness


@pytest.mark.parametrize("age", [MAX_AGE, -MAX_FUTURE])
async def test_step_7_a_request_at_the_edge_of_the_window_is_answered(tmp_path: Path, age: int) -> None:
    async with a_pipeline(tmp_path) as bridge:
        assert (await bridge.ask(ALICE, created_at=bridge.clock.now() - age)).code is None


async def test_step_7_a_request_that_is_too_old_has_expired(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        answer = await bridge.ask(ALICE, created_at=bridge.clock.now() - MAX_AGE - 1, id="old")
        assert answer.code == "BRIDGE_EXPIRED"
        assert answer.content["id"] == "old"


async def test_step_7_a_request_past_its_own_deadline_has_expired(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        now = bridge.clock.now()
        assert (await bridge.ask(ALICE, expires_at=now)).code == "BRIDGE_EXPIRED"
        assert (await bridge.ask(ALICE, expires_at=now + 1)).code is None


async def test_step_7_a_request_from_the_future_names_its_own_time(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        answer = await bridge.ask(ALICE, created_at=bridge.clock.now() + MAX_FUTURE + 1)
        assert (answer.code, answer.error["field"]) == ("BRIDGE_INVALID_REQUEST", "created_at")


async def test_step_7_is_told_each_time_and_takes_no_permit(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.invalid.burst": 1}) as bridge:
        await bridge.ask(ALICE, "account.get")
        for _ in range(3):
            assert (await bridge.ask(ALICE, created_at=bridge.clock.now() + 1000)).error["field"] == "created_at"
        assert await bridge.remaining(ALICE, "invalid") == 1


async def test_step_7_the_same_rumor_may_be_tried_again_when_its_time_has_come(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        rumor = bridge.request(ALICE, created_at=bridge.clock.now() + MAX_FUTURE + 60)
        assert (await bridge.answer(ALICE, rumor)).code == "BRIDGE_INVALID_REQUEST"
        bridge.clock.advance(60)
        assert (await bridge.answer(ALICE, rumor)).code is None


# --- step 8: the envelope


@pytest.mark.parametrize(
    ("content", "field", "request_id"),
    [
        ("no JSON", "", None),
        ("[]", "", None),
        (an_envelope(_v="2.0.0"), "/_v", "r1"),
        (an_envelope(id=7), "/id", None),
        (an_envelope(id="x" * 65), "/id", None),
        (an_envelope(method=7), "/method", "r1"),
        (an_envelope(params=[]), "/params", "r1"),
        (an_envelope(reply="later"), "/reply", "r1"),
        (an_envelope(expires_at="soon"), "/expires_at", "r1"),
        ('{"_v":"1.0.0","id":"r1","method":"account.get"}', "/params", "r1"),
    ],
)
async def test_step_8_what_is_wrong_with_the_envelope_is_pointed_at(
    tmp_path: Path, content: str, field: str, request_id: str | None
) -> None:
    async with a_pipeline(tmp_path) as bridge:
        answer = await bridge.answer(ALICE, bridge.request(ALICE, content=content))
        assert (answer.code, answer.error["field"]) == ("BRIDGE_INVALID_REQUEST", field)
        assert answer.content["id"] == request_id
        assert await bridge.waiting() == []


async def test_step_8_leaves_no_account(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await bridge.send(ALICE, bridge.request(ALICE, content="no JSON"))
        assert await bridge.storage.accounts.find(ALICE.key) is None


async def malformed(bridge: Pipeline, client: Client, amount: int) -> list[int]:
    """Send malformed requests, each anew, and return how many answers each got."""
    rumors = [bridge.request(client, content=f"no JSON {number}") for number in range(amount)]
    return [len(await bridge.send(client, rumor)) for rumor in rumors]


async def test_step_8_an_account_is_told_as_long_as_it_has_permits_and_then_nothing(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.invalid.burst": 2}) as bridge:
        await bridge.ask(ALICE, "account.get")
        assert await malformed(bridge, ALICE, 4) == [1, 1, 0, 0]
        assert await bridge.waiting() == []
        assert await bridge.remaining(ALICE, "invalid") == 0
        bridge.clock.advance(30)
        assert await malformed(bridge, ALICE, 2) == [1, 0]


async def test_step_8_the_silence_of_an_account_outlives_a_restart(tmp_path: Path) -> None:
    changes = {"permits.invalid.burst": 1}
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        await bridge.ask(ALICE, "account.get")
        assert await malformed(bridge, ALICE, 1) == [1]
    async with a_pipeline(tmp_path, changes=changes, run=2) as bridge:
        assert await malformed(bridge, ALICE, 1) == [0]


async def test_step_8_strangers_are_told_as_long_as_they_have_permits_and_then_nothing(tmp_path: Path) -> None:
    changes = {"permits.invalid.burst": 2}
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        assert await malformed(bridge, ALICE, 4) == [1, 1, 0, 0]
        assert await malformed(bridge, BOB, 1) == [1]
        assert await bridge.waiting() == []
    async with a_pipeline(tmp_path, changes=changes, run=2) as bridge:
        assert await malformed(bridge, ALICE, 1) == [1]


async def test_step_8_strangers_together_have_a_limit(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.strangers.burst": 4}) as bridge:
        answers = [await malformed(bridge, Client(f"stranger {number}"), 1) for number in range(4)]
        assert answers == [[1], [1], [0], [0]]
        assert await bridge.waiting() == []


async def test_step_8_the_silence_is_for_malformed_requests_only(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.invalid.burst": 1}) as bridge:
        assert await malformed(bridge, ALICE, 2) == [1, 0]
        assert (await bridge.ask(ALICE)).code is None


async def test_step_8_the_same_malformed_rumor_is_answered_anew_and_charged_anew(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.invalid.burst": 2}) as bridge:
        await bridge.ask(ALICE, "account.get")
        rumor = bridge.request(ALICE, content="no JSON")
        assert [len(await bridge.send(ALICE, rumor)) for _ in range(3)] == [1, 1, 0]


# --- step 9: known requests (the rules of repetition are in test_repeats.py)


async def test_step_9_an_id_used_for_something_else_is_a_conflict(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        assert (await bridge.ask(ALICE, "account.get", id="same")).code is None
        for method, params in ((TURN, {}), ("account.get", {"a": 1}), ("no.such", {})):
            answer = await bridge.ask(ALICE, method, params, id="same")
            assert (answer.code, answer.content["id"]) == ("BRIDGE_CONFLICT", "same")
        assert bridge.counts == {}


async def test_step_9_ids_belong_to_the_account(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        assert (await bridge.ask(ALICE, "account.get", id="same")).code is None
        assert (await bridge.ask(BOB, TURN, id="same")).code is None


async def test_step_9_an_id_of_a_stranger_belongs_to_its_key(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        assert (await bridge.ask(ALICE, id="same")).code is None
        assert (await bridge.ask(BOB, id="same")).code is None
        assert (await bridge.ask(ALICE, "account.get", id="same")).code == "BRIDGE_CONFLICT"


# --- step 10: the method


@pytest.mark.parametrize("method", ["no.such", "", "bridge.info ", "BRIDGE.INFO", "device.steal", "__init__"])
async def test_step_10_a_method_that_there_is_not(tmp_path: Path, method: str) -> None:
    async with a_pipeline(tmp_path) as bridge:
        answer = await bridge.ask(ALICE, method or "x")
        assert answer.code == "BRIDGE_UNKNOWN_METHOD"
        assert await bridge.storage.accounts.find(ALICE.key) is None


async def test_step_10_without_a_provider_there_are_no_credentials_to_be_had(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, has_provider=False, changes={"turn.stun_urls": ()}) as bridge:
        assert TURN not in (await bridge.ask(ALICE)).result["methods"]
        assert (await bridge.ask(ALICE, TURN)).code == "BRIDGE_UNKNOWN_METHOD"


# --- step 11: the caller


@pytest.mark.parametrize(
    ("method", "code"), [("account.get", "BRIDGE_UNAUTHORIZED"), (TURN, "CALL_RELAY_UNAUTHORIZED")]
)
async def test_step_11_a_stranger_that_is_not_admitted_gets_the_methods_own_code(
    tmp_path: Path, method: str, code: str
) -> None:
    async with a_pipeline(tmp_path, changes={"accounts.admission": Admission.ALLOWLIST}) as bridge:
        answer = await bridge.ask(ALICE, method)
        assert (answer.code, answer.error["status"]) == (code, 401)
        assert await bridge.storage.accounts.find(ALICE.key) is None


@pytest.mark.parametrize("method", ["bridge.info", "account.get", TURN])
async def test_step_11_a_blocked_account_is_forbidden_everything(tmp_path: Path, method: str) -> None:
    async with a_pipeline(tmp_path, changes={"accounts.blocked": (ALICE.key,)}) as bridge:
        answer = await bridge.ask(ALICE, method)
        assert (answer.code, answer.error["status"]) == ("BRIDGE_FORBIDDEN", 403)
        assert (await bridge.ask(BOB, method)).code is None


async def test_step_11_when_there_are_too_many_accounts_it_may_be_tried_again(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"accounts.max_accounts": 1}) as bridge:
        await bridge.ask(ALICE, "account.get")
        rumor = bridge.request(BOB, "account.get")
        answer = await bridge.answer(BOB, rumor)
        assert (answer.code, answer.error["status"], answer.error["retry"]) == ("BRIDGE_UNAVAILABLE", 503, True)
        assert (await bridge.ask(ALICE, "account.get")).code is None
    async with a_pipeline(tmp_path, changes={"accounts.max_accounts": 2}, run=2) as bridge:
        assert (await bridge.answer(BOB, rumor)).code is None


# --- step 12: the permit (its arithmetic is in test_limits.py)


async def test_step_12_without_a_permit_the_wait_is_told(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 1}) as bridge:
        await bridge.ask(ALICE, TURN)
        bridge.clock.advance(0.001)
        error = (await bridge.ask(ALICE, TURN)).error
        assert (error["code"], error["status"], error["retry_after"]) == ("CALL_RELAY_RATE_LIMITED", 429, 600)
        bridge.clock.advance(599.5)
        assert (await bridge.ask(ALICE, TURN)).error["retry_after"] == 1


async def test_step_12_a_stranger_has_permits_too(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.info.burst": 2}) as bridge:
        codes = [(await bridge.ask(ALICE)).code for _ in range(3)]
        assert codes == [None, None, "BRIDGE_RATE_LIMITED"]
        assert (await bridge.ask(BOB)).code is None
        bridge.clock.advance(1)
        assert (await bridge.ask(ALICE)).code is None


# --- step 13: params


@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        (TURN, {"relay_only": "yes"}, "/params/relay_only"),
        (TURN, {"relay_only": 1}, "/params/relay_only"),
        (TURN, {"relay_only": None}, "/params/relay_only"),
        (TURN, {"shiny": True}, "/params/shiny"),
        (TURN, {"a/b~c": 1}, "/params/a~1b~0c"),
        ("account.get", {"a": 1}, "/params/a"),
        ("bridge.info", {"a": 1}, "/params/a"),
    ],
)
async def test_step_13_wrong_params_are_pointed_at(tmp_path: Path, method: str, params: Json, field: str) -> None:
    async with a_pipeline(tmp_path) as bridge:
        answer = await bridge.ask(ALICE, method, params)
        assert (answer.code, answer.error["field"]) == ("BRIDGE_INVALID_REQUEST", field)
        assert answer.error["status"] == 400


async def test_step_13_wrong_params_cost_a_permit_and_are_kept(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        rumor = bridge.request(ALICE, TURN, {"shiny": 1})
        first, second = await bridge.answer(ALICE, rumor), await bridge.answer(ALICE, rumor)
        assert first.rumor == second.rumor
        assert first.wrap.id != second.wrap.id
        assert await bridge.remaining(ALICE, "turn") == 99
        assert provider.users == []


# --- step 14: act


async def test_step_14_a_service_that_takes_too_long_has_failed(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    async with a_pipeline(tmp_path, provider=provider, changes={"inbox.deadline_seconds": 0.1}) as bridge:
        rumor = bridge.request(ALICE, TURN)
        answer = await bridge.answer(ALICE, rumor)
        assert (answer.code, answer.error["retry"]) == ("BRIDGE_UNAVAILABLE", True)
        assert await bridge.remaining(ALICE, "turn") == 100
        provider.gate.set()
        assert (await bridge.answer(ALICE, rumor)).code is None


@pytest.mark.parametrize("error", [RuntimeError("planted"), KeyError("planted"), AssertionError(), MemoryError()])
async def test_step_14_a_service_that_breaks_is_a_fault_of_ours(tmp_path: Path, error: Exception) -> None:
    provider = ScriptedProvider(error)
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        rumor = bridge.request(ALICE, TURN)
        answer = await bridge.answer(ALICE, rumor)
        assert (answer.code, answer.error["status"], answer.error["retry"]) == ("BRIDGE_INTERNAL", 500, True)
        assert "planted" not in answer.rumor.content
        assert await bridge.remaining(ALICE, "turn") == 100
        assert await bridge.waiting() == []
        provider.failure = None
        assert (await bridge.answer(ALICE, rumor)).code is None


async def test_step_14_a_damaged_account_is_a_fault_of_ours_and_does_not_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await bridge.ask(ALICE, "account.get")

        async def damaged(account: int) -> object:
            raise DamagedValue("devices")

        monkeypatch.setattr(bridge.storage.accounts, "devices", damaged)
        assert (await bridge.ask(ALICE, "account.get")).code == "BRIDGE_INTERNAL"
        assert await bridge.remaining(ALICE, "info") == 59


# --- step 15: one transaction


async def test_step_15_answer_permit_and_inbox_change_together(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    provider.gate.clear()
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        wrap = bridge.wrap(bridge.request(ALICE, TURN), ALICE)
        await bridge.accept(wrap)
        await provider.wait_asked(1)
        assert await bridge.waiting() == [wrap.id]
        assert await bridge.remaining(ALICE, "turn") == 100
        assert await bridge.answers(ALICE) == []
        provider.gate.set()
        await bridge.settle()
        assert await bridge.waiting() == []
        assert await bridge.remaining(ALICE, "turn") == 99
        assert len(await bridge.answers(ALICE)) == 1


async def test_step_15_a_permit_is_charged_as_of_the_answer(tmp_path: Path) -> None:
    """Charged as of its promise, a slow answer would set the balance back, and the time between would refill twice."""
    provider = ScriptedProvider()
    changes = {"permits.turn.burst": 3, "permits.turn.refill_seconds": 10.0}
    async with a_pipeline(tmp_path, provider=provider, changes=changes) as bridge:
        bridge.here.listen(ALICE.key, LIVE)
        slow = provider.gate
        slow.clear()
        await bridge.accept(bridge.wrap(bridge.request(ALICE, TURN), ALICE))
        await provider.wait_asked(1)
        provider.gate = asyncio.Event()
        provider.gate.set()
        bridge.clock.advance(5)
        await bridge.accept(bridge.wrap(bridge.request(ALICE, TURN), ALICE, LIVE))
        await bridge.here.wait_delivered(1)
        bridge.clock.advance(5)
        slow.set()
        await bridge.settle()
        # Three at first, one gone after five seconds, five seconds' worth back, another one gone: one and a half.
        assert (await bridge.ask(ALICE, TURN)).code is None
        assert (await bridge.ask(ALICE, TURN)).error["retry_after"] == 5


# --- first refusal wins: each pair of neighbours, both of which apply


async def test_order_freshness_before_envelope(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        rumor = bridge.request(ALICE, content="no JSON", created_at=bridge.clock.now() - MAX_AGE - 1)
        assert (await bridge.answer(ALICE, rumor)).code == "BRIDGE_EXPIRED"


async def test_order_age_before_deadline_before_future(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        now = bridge.clock.now()
        assert (await bridge.ask(ALICE, created_at=now + MAX_FUTURE + 1, expires_at=now)).code == "BRIDGE_EXPIRED"


async def test_order_freshness_before_what_is_known(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        rumor = bridge.request(ALICE, "account.get", expires_at=bridge.clock.now() + 10)
        assert (await bridge.answer(ALICE, rumor)).code is None
        bridge.clock.advance(10)
        assert (await bridge.answer(ALICE, rumor)).code == "BRIDGE_EXPIRED"


async def test_order_envelope_before_conflict(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await bridge.ask(ALICE, id="same")
        answer = await bridge.ask(ALICE, "account.get", id="same", _v="2.0.0")
        assert (answer.code, answer.error["field"]) == ("BRIDGE_INVALID_REQUEST", "/_v")


async def test_order_conflict_before_unknown_method(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await bridge.ask(ALICE, id="same")
        assert (await bridge.ask(ALICE, "no.such", id="same")).code == "BRIDGE_CONFLICT"


async def test_order_what_is_known_before_the_caller(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        rumor = bridge.request(ALICE, "account.get")
        first = await bridge.answer(ALICE, rumor)
    async with a_pipeline(tmp_path, changes={"accounts.blocked": (ALICE.key,)}, run=2) as bridge:
        assert (await bridge.answer(ALICE, rumor)).rumor == first.rumor
        assert (await bridge.ask(ALICE, "account.get")).code == "BRIDGE_FORBIDDEN"


async def test_order_unknown_method_before_the_caller(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"accounts.blocked": (ALICE.key,)}) as bridge:
        assert (await bridge.ask(ALICE, "no.such")).code == "BRIDGE_UNKNOWN_METHOD"


async def test_order_blocked_before_not_admitted(tmp_path: Path) -> None:
    changes = {"accounts.blocked": (ALICE.key,), "accounts.admission": Admission.ALLOWLIST}
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        assert (await bridge.ask(ALICE, "account.get")).code == "BRIDGE_FORBIDDEN"


async def test_order_the_caller_before_the_permit(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 1}) as bridge:
        await bridge.ask(ALICE, TURN)
        assert (await bridge.ask(ALICE, TURN)).code == "CALL_RELAY_RATE_LIMITED"
    changes = {"permits.turn.burst": 1, "accounts.admission": Admission.ALLOWLIST}
    async with a_pipeline(tmp_path, changes=changes, run=2) as bridge:
        assert (await bridge.ask(ALICE, TURN)).code == "CALL_RELAY_UNAUTHORIZED"


async def test_order_the_caller_before_the_params(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"accounts.admission": Admission.ALLOWLIST}) as bridge:
        assert (await bridge.ask(ALICE, TURN, {"shiny": 1})).code == "CALL_RELAY_UNAUTHORIZED"


async def test_order_the_permit_before_the_params(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.turn.burst": 1}) as bridge:
        await bridge.ask(ALICE, TURN)
        assert (await bridge.ask(ALICE, TURN, {"shiny": 1})).code == "CALL_RELAY_RATE_LIMITED"


async def test_order_the_params_before_the_service(tmp_path: Path) -> None:
    provider = ScriptedProvider(ProviderFailed(503, "down"))
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        assert (await bridge.ask(ALICE, TURN, {"shiny": 1})).code == "BRIDGE_INVALID_REQUEST"
        assert provider.users == []


# --- what the rest relies on


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (StorageBusy("queue"), True),
        (StorageFailed("disk"), True),
        (DamagedValue("row"), False),
        (StorageKeyMissing("key"), False),
        (StorageError("other"), False),
        (RuntimeError("bug"), False),
    ],
)
def test_only_trouble_of_the_whole_storage_passes(error: Exception, passes: bool) -> None:
    assert is_passing(error) is passes


async def test_many_at_once_are_all_answered_and_nothing_is_left(tmp_path: Path) -> None:
    clients = [Client(f"client {number}") for number in range(8)]
    async with a_pipeline(tmp_path) as bridge:
        wraps = [
            bridge.wrap(bridge.request(client, method), client, kind)
            for client in clients
            for method in ("bridge.info", "account.get", TURN)
            for kind in (LIVE, 1059)
        ]
        for client in clients:
            bridge.here.listen(client.key, LIVE)
        await bridge.give(*wraps)
        answers = await asyncio.gather(*(bridge.answers(client) for client in clients))
        assert [len(each) for each in answers] == [6] * len(clients)
        assert await bridge.waiting() == []
