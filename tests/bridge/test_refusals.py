"""Every code of the contract can be reached, says what the contract says, and says nothing else."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import pytest

from bridge.errors import ProviderFailed
from bridge.settings.accounts import Admission
from protocol.catalogue import load_catalogue
from tests.support.contract import FIXED_TEXTS, STATUSES
from tests.support.devices import register
from tests.support.edges import ScriptedProvider
from tests.support.pipeline import Answer, Client, Json, Pipeline, a_pipeline

ALICE, BOB, PHONE = Client("alice"), Client("bob"), Client("phone")
TURN = "turn.get_credentials"
CATALOGUE = load_catalogue()

Scenario = Callable[[Pipeline], Awaitable[Answer]]


async def malformed(bridge: Pipeline) -> Answer:
    return await bridge.answer(ALICE, bridge.request(ALICE, content="no JSON"))


async def wrong_params(bridge: Pipeline) -> Answer:
    return await bridge.ask(ALICE, TURN, {"relay_only": 7})


async def not_admitted(bridge: Pipeline) -> Answer:
    return await bridge.ask(ALICE, "account.get")


async def credentials(bridge: Pipeline) -> Answer:
    return await bridge.ask(ALICE, TURN)


async def unknown_method(bridge: Pipeline) -> Answer:
    return await bridge.ask(ALICE, "no.such")


async def id_used_twice(bridge: Pipeline) -> Answer:
    await bridge.ask(ALICE, id="same")
    return await bridge.ask(ALICE, "account.get", id="same")


async def too_old(bridge: Pipeline) -> Answer:
    return await bridge.ask(ALICE, created_at=0)


async def asked_twice(bridge: Pipeline) -> Answer:
    await bridge.ask(ALICE)
    return await bridge.ask(ALICE)


async def one_account_too_many(bridge: Pipeline) -> Answer:
    await bridge.ask(BOB, "account.get")
    return await bridge.ask(ALICE, "account.get")


async def credentials_twice(bridge: Pipeline) -> Answer:
    await bridge.ask(ALICE, TURN)
    return await bridge.ask(ALICE, TURN)


async def device_without_proof(bridge: Pipeline) -> Answer:
    return await register(bridge, PHONE, ALICE, proof={})


async def device_by_a_proof_of_before(bridge: Pipeline) -> Answer:
    await register(bridge, PHONE, ALICE)
    return await register(bridge, PHONE, ALICE, name="again")


async def device_of_somebody_else(bridge: Pipeline) -> Answer:
    await register(bridge, PHONE, BOB)
    return await register(bridge, PHONE, ALICE)


async def device_too_many(bridge: Pipeline) -> Answer:
    for number in range(5):
        await register(bridge, Client(f"device {number}"), ALICE)
    return await register(bridge, PHONE, ALICE)


async def revoke_what_is_not_there(bridge: Pipeline) -> Answer:
    return await bridge.ask(ALICE, "device.revoke", {"device_id": str(UUID(int=1))})


async def revoke_the_account_itself(bridge: Pipeline) -> Answer:
    (primary,) = (await bridge.ask(ALICE, "device.list")).result["devices"]
    return await bridge.ask(ALICE, "device.revoke", {"device_id": primary["device_id"]})


ALLOWLIST: Json = {"accounts.admission": Admission.ALLOWLIST}

SCENARIOS: list[tuple[str, Scenario, Json, Exception | None]] = [
    ("BRIDGE_INVALID_REQUEST", malformed, {}, None),
    ("BRIDGE_INVALID_REQUEST", wrong_params, {}, None),
    ("BRIDGE_UNAUTHORIZED", not_admitted, ALLOWLIST, None),
    ("BRIDGE_POW_REQUIRED", one_account_too_many, {"accounts.budget.burst": 1}, None),
    ("BRIDGE_FORBIDDEN", not_admitted, {"accounts.blocked": (ALICE.key,)}, None),
    ("BRIDGE_UNKNOWN_METHOD", unknown_method, {}, None),
    ("BRIDGE_CONFLICT", id_used_twice, {}, None),
    ("BRIDGE_EXPIRED", too_old, {}, None),
    ("BRIDGE_RATE_LIMITED", asked_twice, {"permits.info.burst": 1}, None),
    ("BRIDGE_INTERNAL", credentials, {}, RuntimeError("planted-secret")),
    ("BRIDGE_UNAVAILABLE", one_account_too_many, {"accounts.max_accounts": 1}, None),
    ("DEVICE_PROOF_INVALID", device_without_proof, {}, None),
    ("DEVICE_PROOF_USED", device_by_a_proof_of_before, {}, None),
    ("DEVICE_TAKEN", device_of_somebody_else, {}, None),
    ("DEVICE_LIMIT", device_too_many, {}, None),
    ("DEVICE_UNKNOWN", revoke_what_is_not_there, {}, None),
    ("DEVICE_PRIMARY", revoke_the_account_itself, {}, None),
    ("CALL_RELAY_UNAUTHORIZED", credentials, ALLOWLIST, None),
    ("CALL_RELAY_RATE_LIMITED", credentials_twice, {"permits.turn.burst": 1}, None),
    ("CALL_RELAY_PROVIDER_ERROR", credentials, {}, ProviderFailed(503, "planted-secret")),
]


def test_every_code_of_the_contract_has_a_scenario() -> None:
    assert {code for code, *_ in SCENARIOS} == set(CATALOGUE.refusals)


def test_every_own_code_of_a_method_has_a_scenario() -> None:
    own = {code for method in CATALOGUE.methods.values() for code in method.own_codes}
    assert own <= {code for code, *_ in SCENARIOS}


@pytest.mark.parametrize(
    ("code", "scenario", "changes", "failure"),
    SCENARIOS,
    ids=[f"{code}-{play.__name__}" for code, play, *_ in SCENARIOS],
)
async def test_a_code_is_reached_and_says_what_the_contract_says(
    tmp_path: Path, code: str, scenario: Scenario, changes: Json, failure: Exception | None
) -> None:
    async with a_pipeline(tmp_path, changes=changes, provider=ScriptedProvider(failure)) as bridge:
        answer = await scenario(bridge)
    entry = CATALOGUE.refusal(code)
    error = answer.error
    assert error["code"] == code
    assert (error["status"], error["message"], error["retry"]) == (STATUSES[code], entry.message, entry.retry)
    assert error["message"] == FIXED_TEXTS.get(code, entry.message)
    assert error["retry"] is (STATUSES[code] in (429, 500, 503))
    assert ("retry_after" in error) is (STATUSES[code] == 429)
    assert ("field" in error) is (STATUSES[code] == 400)
    assert ("pow_bits" in error) is (STATUSES[code] == 402)
    assert "planted" not in answer.rumor.content


async def test_an_answer_carries_nothing_but_what_the_contract_names(tmp_path: Path) -> None:
    provider = ScriptedProvider(RuntimeError("planted-secret"))
    async with a_pipeline(tmp_path, provider=provider) as bridge:
        answer = await bridge.ask(ALICE, TURN)
    assert set(answer.content) == {"_v", "id", "server_time", "error"}
    assert set(answer.error) == {"code", "status", "message", "retry"}
    for word in ("RuntimeError", "planted", ".py", "Traceback"):
        assert word not in json.dumps(answer.content)
    assert {tag[0] for tag in answer.rumor.tags} == {"p", "e"}


async def test_what_breaks_before_any_service_is_a_fault_of_ours_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_pipeline(tmp_path) as bridge:

        async def broken(**_: str) -> None:
            raise RuntimeError("planted-secret")

        monkeypatch.setattr(bridge.storage.requests, "look_up", broken)
        answer = await bridge.ask(ALICE, "account.get")
        assert answer.code == "BRIDGE_INTERNAL"
        assert await bridge.waiting() == []
    assert "planted" not in answer.rumor.content + caplog.text
    (record,) = [record for record in caplog.records if record.getMessage() == "request failed"]
    facts = vars(record)["facts"]
    assert facts["error"] == "RuntimeError"
    assert facts["at"].startswith("test_refusals.py:")


async def test_answers_tell_the_time_of_our_clock(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        answer = await bridge.ask(ALICE, created_at=bridge.clock.now() - 100)
        assert answer.content["server_time"] == answer.rumor.created_at == bridge.clock.now()
        assert answer.content["_v"] == "1.0.0"
