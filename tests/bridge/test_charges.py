"""Which limit an answer counts in, by who asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pipeline import Client, Json, a_pipeline

ALICE, BOB = Client("alice"), Client("bob")

NOT_FOR_STRANGERS: Json = {"permits.strangers.burst": 1, "permits.strangers.refill_seconds": 1000.0}
ANSWERED: dict[str, Json] = {
    "a call": {"method": "bridge.info"},
    "a refusal": {"method": "no.such"},
    "a refusal before anything was looked up": {"method": "bridge.info", "created_at": 0},
    "a malformed request": {"content": "no JSON"},
}


@pytest.mark.parametrize("asked", ANSWERED.values(), ids=ANSWERED)
async def test_strangers_share_one_limit_and_accounts_have_their_own(tmp_path: Path, asked: Json) -> None:
    async with a_pipeline(tmp_path, changes=NOT_FOR_STRANGERS) as bridge:
        await bridge.ask(ALICE, "account.get")
        assert len(await bridge.send(BOB, bridge.request(BOB, "no.such"))) == 1
        for client, answers in ((Client("carol"), 0), (ALICE, 1)):
            sent = await bridge.send(client, bridge.request(client, **asked))
            limited = [answer for answer in sent if answer.code == "BRIDGE_RATE_LIMITED"]
            assert len(sent) - len(limited) == answers
