"""Getting an account, on the whole way of a request: budget, work, invites, and who is not kept waiting by it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.line import NOWHERE, Origin
from bridge.settings.accounts import Admission
from storage.interface import HERE, Added, Dossier
from tests.support.deadline import within
from tests.support.edges import ScriptedProvider, ScriptedPublisher
from tests.support.pipeline import LIVE, STORED, Answer, Client, Json, Pipeline, a_pipeline

ALICE, BOB, CAROL = Client("alice"), Client("bob"), Client("carol")
TURN = "turn.get_credentials"
OTHER = "wss://other.example"
DEAR: Json = {"accounts.budget.burst": 1, "accounts.work.min_bits": 6, "accounts.work.max_bits": 8}
BY_INVITE: Json = {"accounts.admission": Admission.INVITE}


async def an_account(bridge: Pipeline, client: Client = ALICE) -> None:
    assert (await bridge.ask(client, "account.get")).code is None


async def sent_with_work(bridge: Pipeline, client: Client, rumor: object, bits: int, **options: object) -> Answer:
    """Send a rumor in a wrap with so much work and return the one answer that it got."""
    known = {answer.wrap.id for answer in await bridge.answers(client)}
    await bridge.give(bridge.wrap(rumor, client, work_bits=bits), **options)  # type: ignore[arg-type]
    (answer,) = [answer for answer in await bridge.answers(client) if answer.wrap.id not in known]
    return answer


async def an_invite(bridge: Pipeline, code: str = "the code", *, uses: int = 1) -> None:
    now = bridge.clock.now()
    await bridge.storage.invites.create(code, uses=uses, expires_at=None, note="", now=now, max_invites=10)


# --- work


async def test_same_request_in_a_wrap_with_the_work_is_answered(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes=DEAR) as bridge:
        await an_account(bridge)
        rumor = bridge.request(BOB, "account.get")
        refused = await bridge.answer(BOB, rumor)
        assert (refused.code, refused.error["pow_bits"]) == ("BRIDGE_POW_REQUIRED", 6)
        assert (await sent_with_work(bridge, BOB, rumor, 5)).code == "BRIDGE_POW_REQUIRED"
        assert (await sent_with_work(bridge, BOB, rumor, 6)).result["account"]["pubkey"] == BOB.key
        assert (await bridge.ask(BOB, TURN)).code is None


async def test_work_counts_on_wraps_that_come_by_other_relays(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes=DEAR, publishers={OTHER: ScriptedPublisher()}) as bridge:
        await an_account(bridge)
        rumor = bridge.request(BOB, "account.get")
        assert (await bridge.answer(BOB, rumor, link=OTHER)).code == "BRIDGE_POW_REQUIRED"
        assert (await sent_with_work(bridge, BOB, rumor, 6, link=OTHER)).code is None


async def test_work_counts_on_wraps_that_waited_for_a_restart(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes=DEAR) as bridge:
        await an_account(bridge)
        clock = bridge.clock
    async with a_pipeline(tmp_path, changes=DEAR, clock=clock, is_running=False, run=2) as bridge:
        wrap = bridge.wrap(bridge.request(BOB, "account.get"), BOB, work_bits=6)
        async with asyncio.timeout(5):
            assert await bridge.core.inbox.accept(wrap, link=OTHER) is Added.ADDED
    async with a_pipeline(tmp_path, changes=DEAR, clock=clock, run=3) as bridge:
        await bridge.settle()
        assert [answer.code for answer in await bridge.answers(BOB)] == [None]


async def test_wrap_with_more_work_does_not_share_the_fate_of_one_with_less(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes=DEAR) as bridge:
        await an_account(bridge)
        rumor = bridge.request(BOB, "account.get")
        await bridge.give(bridge.wrap(rumor, BOB), bridge.wrap(rumor, BOB, work_bits=6))
        assert {answer.code for answer in await bridge.answers(BOB)} >= {None}


async def test_accounts_never_work(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes=DEAR) as bridge:
        await an_account(bridge)
        for number in range(5):
            await bridge.ask(Client(f"newcomer {number}"), "account.get")
        assert (await bridge.ask(ALICE, TURN)).code is None


@pytest.mark.parametrize("kind", [STORED, LIVE])
async def test_strangers_are_told_the_price_and_need_no_work_for_that(tmp_path: Path, kind: int) -> None:
    async with a_pipeline(tmp_path, changes=DEAR) as bridge:
        assert (await bridge.ask(BOB)).result["pow_bits"] == 0
        await an_account(bridge)
        bridge.here.listen(BOB.key, LIVE)
        assert (await bridge.answer(BOB, bridge.request(BOB), kind)).result["pow_bits"] == 6
        assert (await bridge.ask(ALICE)).result["pow_bits"] == 6


async def test_budget_outlasts_a_restart(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes=DEAR) as bridge:
        await an_account(bridge)
        clock = bridge.clock
    async with a_pipeline(tmp_path, changes=DEAR, clock=clock, run=2) as bridge:
        assert (await bridge.ask(BOB, TURN)).code == "BRIDGE_POW_REQUIRED"
        clock.advance(30)
        assert (await bridge.ask(CAROL, TURN)).code is None


# --- invites


async def test_code_in_the_envelope_lets_its_bearer_in(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes=BY_INVITE) as bridge:
        await an_invite(bridge)
        assert (await bridge.ask(ALICE)).result["admission"] == "invite"
        assert (await bridge.ask(ALICE, TURN)).code == "CALL_RELAY_UNAUTHORIZED"
        assert (await bridge.ask(ALICE, TURN, invite="the code")).code is None
        assert (await bridge.ask(ALICE, TURN)).code is None
        assert (await bridge.ask(BOB, TURN, invite="the code")).code == "CALL_RELAY_UNAUTHORIZED"


async def test_wrong_code_is_told_from_none_by_nobody(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes=BY_INVITE) as bridge:
        await an_invite(bridge)
        answers = [await bridge.ask(BOB, "account.get", **more) for more in ({}, {"invite": "a code"})]
        assert answers[0].error == answers[1].error
        assert answers[0].code == "BRIDGE_UNAUTHORIZED"


async def test_same_request_is_let_in_once_there_is_such_an_invite(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes=BY_INVITE) as bridge:
        rumor = bridge.request(ALICE, "account.get", invite="the code")
        assert (await bridge.answer(ALICE, rumor)).code == "BRIDGE_UNAUTHORIZED"
        await an_invite(bridge)
        assert (await bridge.answer(ALICE, rumor)).code is None


@pytest.mark.parametrize("code", ["", "x" * 129, 7, ["the code"]])
async def test_code_that_can_be_none_is_malformed(tmp_path: Path, code: object) -> None:
    async with a_pipeline(tmp_path, changes=BY_INVITE) as bridge:
        assert (await bridge.ask(ALICE, TURN, invite=code)).error["field"] == "/invite"


async def test_code_is_ignored_where_none_is_needed(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path) as bridge:
        await an_invite(bridge)
        assert (await bridge.ask(ALICE, TURN, invite="the code")).code is None
        (invite,) = await bridge.storage.invites.all()
        assert invite.uses_left == 1


# --- who is not kept waiting


def of_account(client: Client) -> Origin:
    return Origin((client.key,), "192.0.2.1")


async def test_one_key_has_so_many_workers_and_others_have_the_rest(tmp_path: Path) -> None:
    provider, changes = ScriptedProvider(), {"inbox.concurrency": 8, "inbox.concurrency_each": 3}
    async with a_pipeline(tmp_path, provider=provider, changes=changes) as bridge:
        await an_account(bridge, ALICE)
        await an_account(bridge, BOB)
        provider.gate.clear()
        slow = [bridge.wrap(bridge.request(ALICE, TURN), ALICE) for _ in range(20)]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bridge.give(*slow, origin=of_account(ALICE)))
            await provider.wait_asked(3)
            for _ in range(10):
                assert (await bridge_answers_now(bridge, BOB)).code is None
            assert provider.busy == 3
            provider.gate.set()
        assert provider.most_busy == 3
        assert len(await bridge.answers(ALICE)) == 21


async def bridge_answers_now(bridge: Pipeline, client: Client) -> Answer:
    """Ask for something quick and return the answer, whatever else is still being worked on."""
    rumor = bridge.request(client, "account.get")
    async with within(10):
        await bridge.accept(bridge.wrap(rumor, client), origin=of_account(client))
        while not (found := [answer for answer in await bridge.answers(client) if answer.answers == rumor.id]):
            pass
        return found[0]


async def test_one_key_has_so_many_requests_waiting_and_is_told_beyond_that(tmp_path: Path) -> None:
    provider = ScriptedProvider()
    changes = {"inbox.concurrency_each": 2, "inbox.max_waiting_each": 3, "inbox.keep_after_seconds": 0.01}
    async with a_pipeline(tmp_path, provider=provider, changes=changes) as bridge:
        await an_account(bridge, ALICE)
        provider.gate.clear()
        wraps = [bridge.wrap(bridge.request(ALICE, TURN), ALICE) for _ in range(9)]
        await bridge.accept(*wraps, origin=of_account(ALICE))
        async with within(10):
            while len(await bridge.answers(ALICE)) < 5:  # noqa: ASYNC110
                await asyncio.sleep(0)
        codes = [answer.code for answer in await bridge.answers(ALICE)]
        assert sorted(codes, key=str) == ["CALL_RELAY_RATE_LIMITED"] * 4 + [None]
        assert bridge.core.inbox.waiting == 3
        provider.gate.set()
        await bridge.settle()
        codes = [answer.code for answer in await bridge.answers(ALICE)]
        assert codes.count(None) == 6
        assert bridge.core.inbox.waiting == 0


async def test_strangers_leave_the_last_quarter_of_the_inbox_to_accounts(tmp_path: Path) -> None:
    changes = {"inbox.max_waiting": 8, "inbox.concurrency": 1, "inbox.keep_after_seconds": 0}
    async with a_pipeline(tmp_path, changes=changes) as bridge:
        await an_account(bridge, ALICE)
        clock = bridge.clock
    async with a_pipeline(tmp_path, changes=changes, clock=clock, run=2, is_running=False) as bridge:
        bridge.core.inbox._accounts[ALICE.key] = None

        async def taken(client: Client, *, link: str = HERE, origin: Origin = NOWHERE) -> list[Added]:
            wraps = [bridge.wrap(bridge.request(client, TURN), client) for _ in range(2)]
            return [added for wrap in wraps for added in await bridge.accept(wrap, link=link, origin=origin)]

        flood = [await taken(BOB, link=f"wss://{number}.example") for number in range(10)]
        assert sum(each.count(Added.ADDED) for each in flood) == 6
        assert await taken(ALICE, origin=of_account(ALICE)) == [Added.ADDED] * 2
        assert await taken(ALICE, origin=of_account(ALICE)) == [Added.FULL] * 2


async def test_one_source_fills_no_more_than_half_of_the_inbox(tmp_path: Path) -> None:
    changes = {"inbox.max_waiting": 8, "inbox.concurrency": 1, "inbox.keep_after_seconds": 0}
    async with a_pipeline(tmp_path, changes=changes, is_running=False) as bridge:
        wraps = [bridge.wrap(bridge.request(BOB, TURN), BOB) for _ in range(9)]
        added = [one for wrap in wraps[:8] for one in await bridge.accept(wrap, link=OTHER)]
        assert added == [Added.ADDED] * 4 + [Added.FULL] * 4
        assert await bridge.accept(wraps[8], link="wss://another.example") == [Added.ADDED]


STRANGE = Origin((), "192.0.2.1")


async def test_wrap_of_a_stranger_waits_for_its_turn_unwritten_and_is_turned_away_in_the_end(tmp_path: Path) -> None:
    changes = {"inbox.stranger_patience_seconds": 0.01, "inbox.keep_after_seconds": 0}
    async with a_pipeline(tmp_path, changes=changes, is_running=False) as bridge:
        wraps = [bridge.wrap(bridge.request(BOB, TURN), BOB) for _ in range(3)]
        assert await bridge.accept(*wraps, origin=STRANGE) == [Added.FULL] * 3
        assert (await bridge.waiting(), bridge.core.inbox.waiting) == ([], 0)


async def test_wrap_of_a_stranger_is_written_down_when_work_on_it_takes_long(tmp_path: Path) -> None:
    provider, changes = ScriptedProvider(), {"inbox.keep_after_seconds": 0}
    async with a_pipeline(tmp_path, provider=provider, changes=changes) as bridge:
        provider.gate.clear()
        wrap = bridge.wrap(bridge.request(BOB, TURN), BOB)
        assert await bridge.accept(wrap, origin=STRANGE) == [Added.ADDED]
        assert await bridge.waiting() == [wrap.id]
        provider.gate.set()
        await bridge.settle()
        assert (await bridge.waiting(), len(await bridge.answers(BOB))) == ([], 1)


async def test_wraps_of_a_stranger_who_went_away_are_not_looked_at(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, is_running=False) as bridge, asyncio.TaskGroup() as tasks:
        wrap = bridge.wrap(bridge.request(BOB, TURN), BOB)
        accepting = tasks.create_task(bridge.core.inbox.accept(wrap, link=HERE, origin=STRANGE))
        await asyncio.sleep(0)
        assert bridge.core.inbox.waiting == 1
        accepting.cancel()
        await asyncio.sleep(0)
        assert bridge.core.inbox.waiting == 0
        await bridge.settle()


async def test_no_more_wraps_of_strangers_wait_than_there_is_room_for(tmp_path: Path) -> None:
    async with (
        a_pipeline(tmp_path, changes={"inbox.max_waiting": 8}, is_running=False) as bridge,
        asyncio.TaskGroup() as tasks,
    ):
        accepting = []
        for number in range(9):
            wrap = bridge.wrap(bridge.request(BOB, TURN), BOB)
            origin = Origin((), f"192.0.2.{number}")
            accepting.append(tasks.create_task(bridge.core.inbox.accept(wrap, link=HERE, origin=origin)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert bridge.core.inbox.waiting == 6
        assert [task.result() for task in accepting if task.done()] == [Added.FULL] * 3
        for task in accepting:
            task.cancel()


async def test_accounts_come_first_once_they_are_known_by_their_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_pipeline(tmp_path, changes={"inbox.concurrency": 1}) as bridge:
        await an_account(bridge, ALICE)
        look_up, askers = bridge.storage.requests.look_up, list[str]()

        async def noting(**asked: Any) -> Dossier:
            askers.append(asked["asker"])
            return await look_up(**asked)

        monkeypatch.setattr(bridge.storage.requests, "look_up", noting)
        strangers = [Client(f"stranger {number}") for number in range(20)]
        flood = [bridge.wrap(bridge.request(each, "no.such"), each, LIVE) for each in strangers]
        wrap = bridge.wrap(bridge.request(ALICE, "account.get"), ALICE, LIVE)
        async with within(20), asyncio.TaskGroup() as tasks:
            for number, each in enumerate(flood):
                tasks.create_task(bridge.accept(each, origin=Origin((), f"192.0.2.{number}")))
            tasks.create_task(bridge.accept(wrap, origin=of_account(ALICE)))
        await bridge.settle()
        assert askers.index(ALICE.key) < 3
        assert len(askers) == 21


async def test_no_more_accounts_are_remembered_than_may_be(tmp_path: Path) -> None:
    async with a_pipeline(tmp_path, changes={"permits.max_tracked_keys": 2}) as bridge:
        for client in (ALICE, BOB, CAROL):
            await an_account(bridge, client)
        assert list(bridge.core.inbox._accounts) == [BOB.key, CAROL.key]
