"""Accounts, blocks and invites, as an operator sees and changes them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bridge.administration.callers import PAGE, Callers
from bridge.administration.commands import Administration
from bridge.administration.messages import CommandRefused, Json, Request
from bridge.pseudonyms import Pseudonyms
from nips.keys import PublicKey
from nips.nip19 import encode_npub
from storage.account_interface import Device, RegisterDevice
from storage.interface import Answer, NewAccount
from storage.sqlite import SqliteStorage
from tests.support.clock import FixedClock
from tests.support.entropy import SeededEntropy
from tests.support.pipeline import Client, a_storage

ALICE, BOB = Client("alice"), Client("bob")
PSEUDONYMS = Pseudonyms(bytes(32))


@dataclass
class Desk:
    """Commands on a storage, and what a running bridge would be told."""

    storage: SqliteStorage
    max_invites: int = 3
    clock: FixedClock = field(default_factory=FixedClock)
    dismissed: list[set[str]] = field(default_factory=list)
    forgotten: list[set[str]] = field(default_factory=list)

    async def ask(self, command: str, **arguments: object) -> Json:
        return await Administration(self.callers(command)).carry_out(Request(command, arguments))

    def callers(self, command: str) -> Callers:
        return Callers(
            accounts=self.storage.accounts,
            invites=self.storage.invites,
            pseudonyms=PSEUDONYMS,
            clock=self.clock,
            entropy=SeededEntropy(f"desk {command}"),
            max_invites=lambda: self.max_invites,
            dismiss=self._dismiss,
            forget=lambda keys: self.forgotten.append(set(keys)),
        )

    def _dismiss(self, keys: Collection[str], reason: str) -> int:
        self.dismissed.append(set(keys))
        return len(keys)

    async def admit(self, key: PublicKey) -> str:
        new = NewAccount(key, bytes(16), f"{key[:8]}-0000-4000-8000-000000000000", self.clock.now())
        await self.storage.accounts.admit(new, max_accounts=10_000)
        return PSEUDONYMS.of_account(key)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_storage(tmp_path) as storage:
        yield Desk(storage)


# --- accounts


async def test_accounts_are_listed_by_pseudonym_page_by_page(desk: Desk) -> None:
    names = {await desk.admit(Client(str(number)).key) for number in range(5)}
    first = await desk.ask("accounts.list", limit=3)
    second = await desk.ask("accounts.list", limit=3, after=first["next"])
    assert (len(first["accounts"]), len(second["accounts"])) == (3, 2)
    assert {account["account_id"] for account in first["accounts"] + second["accounts"]} == names
    assert second["next"] is None
    with pytest.raises(CommandRefused, match="after: use what the last list told"):
        await desk.ask("accounts.list", after="x")
    assert first["accounts"][0]["devices"] == 1
    assert first["accounts"][0]["blocked"] is False


@pytest.mark.parametrize("command", ["accounts.list", "accounts.show"])
async def test_keys_are_told_only_when_they_are_asked_for(desk: Desk, command: str) -> None:
    name = await desk.admit(ALICE.key)
    arguments = {"account": name} if command == "accounts.show" else {}
    told = json.dumps(await desk.ask(command, **arguments))
    assert ALICE.key not in told
    assert encode_npub(ALICE.key) not in told
    assert encode_npub(ALICE.key) in json.dumps(await desk.ask(command, with_keys=True, **arguments))


@pytest.mark.parametrize("naming", ["pseudonym", "npub", "hex"])
async def test_account_is_named_in_any_of_three_ways(desk: Desk, naming: str) -> None:
    await desk.admit(BOB.key)
    text = {"pseudonym": await desk.admit(ALICE.key), "npub": encode_npub(ALICE.key), "hex": ALICE.key}[naming]
    told = await desk.ask("accounts.show", account=text)
    assert told["account_id"] == PSEUDONYMS.of_account(ALICE.key)
    assert [device["primary"] for device in told["devices"]] == [True]


async def test_pseudonym_is_found_beyond_the_first_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PAGE > 2
    monkeypatch.setattr("bridge.administration.callers.PAGE", 2)
    names = [await desk.admit(Client(str(number)).key) for number in range(5)]
    assert (await desk.ask("accounts.show", account=names[4]))["account_id"] == names[4]


@pytest.mark.parametrize(
    ("text", "problem"),
    [("0" * 16, "there is none with the pseudonym"), ("alice", "use a pseudonym"), (BOB.key, "that key has none here")],
)
async def test_account_that_is_not_there_is_refused(desk: Desk, text: str, problem: str) -> None:
    with pytest.raises(CommandRefused, match=problem):
        await desk.ask("accounts.show", account=text)


async def test_block_counts_at_once_and_closes_every_connection_of_the_account(desk: Desk) -> None:
    name = await desk.admit(ALICE.key)
    assert await desk.ask("accounts.block", account=name) == {
        "changed": True,
        "connections_closed": 1,
        "account_id": name,
        "is_device": False,
    }
    assert desk.dismissed == [{ALICE.key}]
    assert (await desk.ask("accounts.show", account=name))["blocked"] is True
    assert (await desk.ask("accounts.block", account=name))["changed"] is False
    assert (await desk.ask("accounts.unblock", account=name))["changed"] is True
    assert (await desk.ask("accounts.show", account=name))["blocked"] is False
    assert (await desk.ask("accounts.unblock", account=name))["changed"] is False
    assert desk.forgotten == []


async def test_key_of_a_device_stands_for_its_account(desk: Desk) -> None:
    name = await desk.admit(ALICE.key)
    (account, _) = await desk.storage.accounts.find(ALICE.key) or pytest.fail("no account")
    phone = Device("7dcbfe3c-0000-4000-8000-000000000000", BOB.key, "", None, False, 0, 0)
    effect = RegisterDevice(account.number, phone, "0" * 64, desk.clock.now() + 60, max_devices=5)
    await desk.storage.requests.commit(Answer([], effect=effect))
    blocked = await desk.ask("accounts.block", account=encode_npub(BOB.key))
    assert (blocked["changed"], blocked["account_id"], blocked["is_device"]) == (True, name, True)
    assert desk.dismissed == [{ALICE.key, BOB.key}]
    assert await desk.storage.accounts.is_blocked(ALICE.key)
    await desk.storage.accounts.block(BOB.key)
    assert (await desk.ask("accounts.unblock", account=BOB.key))["changed"] is True
    assert not await desk.storage.accounts.is_blocked(ALICE.key)
    assert not await desk.storage.accounts.is_blocked(BOB.key)
    deleted = await desk.ask("accounts.delete", account=BOB.key)
    assert (deleted["account_id"], deleted["is_device"]) == (name, True)


async def test_blocked_accounts_are_listed_by_themselves_and_other_keys_counted(desk: Desk) -> None:
    name = await desk.admit(ALICE.key)
    await desk.admit(BOB.key)
    for key in (ALICE.key, Client("carol").key, Client("dave").key):
        await desk.ask("accounts.block", account=key)
    listed = await desk.ask("accounts.list", blocked=True)
    assert [account["account_id"] for account in listed["accounts"]] == [name]
    assert listed["blocked_strangers"] == 2
    assert "blocked_strangers" not in await desk.ask("accounts.list")


async def test_key_without_an_account_can_be_blocked_before_it_comes(desk: Desk) -> None:
    assert (await desk.ask("accounts.block", account=encode_npub(BOB.key)))["changed"] is True
    assert await desk.storage.accounts.is_blocked(BOB.key)


async def test_deleted_account_is_gone_with_its_connections_and_answers_on_their_way(desk: Desk) -> None:
    name = await desk.admit(ALICE.key)
    deleted = await desk.ask("accounts.delete", account=name)
    assert (deleted["deleted"], deleted["connections_closed"], deleted["account_id"]) == (True, 1, name)
    assert (desk.dismissed, desk.forgotten) == ([{ALICE.key}], [{ALICE.key}])
    with pytest.raises(CommandRefused):
        await desk.ask("accounts.show", account=name)


# --- invites


async def test_invite_is_made_listed_and_revoked(desk: Desk) -> None:
    made = await desk.ask("invites.create", uses=2, expires_in_seconds=60, note="for the team")
    assert len(bytes.fromhex(made["code"])) == 16
    assert (made["uses"], made["uses_left"], made["expires_at"]) == (2, 2, desk.clock.now() + 60)
    listed = (await desk.ask("invites.list"))["invites"]
    assert listed == [{key: value for key, value in made.items() if key != "code"}]
    assert (await desk.ask("invites.list", with_codes=True))["invites"] == [made]
    assert await desk.ask("invites.revoke", number=made["number"]) == {"revoked": True}
    assert (await desk.ask("invites.list"))["invites"] == []
    with pytest.raises(CommandRefused, match="there is no invite"):
        await desk.ask("invites.revoke", number=made["number"])


async def test_invites_that_let_nobody_in_any_more_are_not_listed(desk: Desk) -> None:
    now = desk.clock.now()
    for code, expires_at in (("used", None), ("brief", now + 60), ("lasting", None)):
        await desk.storage.invites.create(code, uses=1, expires_at=expires_at, note="", now=now, max_invites=9)
    new = NewAccount(ALICE.key, bytes(16), f"{ALICE.key[:8]}-0000-4000-8000-000000000000", desk.clock.now())
    await desk.storage.accounts.admit(new, max_accounts=10, invite="used")
    desk.clock.advance(60)
    listed = (await desk.ask("invites.list", with_codes=True))["invites"]
    assert [invite["code"] for invite in listed] == ["lasting"]


async def test_invite_made_without_words_is_for_one_and_lasts(desk: Desk) -> None:
    made = await desk.ask("invites.create")
    assert (made["uses"], made["expires_at"], made["note"]) == (1, None, "")


async def test_there_are_never_more_invites_than_the_setting_has(desk: Desk) -> None:
    desk.max_invites = 1
    await desk.ask("invites.create")
    with pytest.raises(CommandRefused, match=r"accounts\.max_invites = 1"):
        await desk.ask("invites.create")


async def test_accounts_are_counted(desk: Desk) -> None:
    assert await desk.storage.accounts.count() == 0
    for number in range(3):
        await desk.admit(Client(str(number)).key)
    assert await desk.storage.accounts.count() == 3


# --- the settings


async def test_keys_that_the_settings_block_are_closed_though_the_storage_fails(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.admit(ALICE.key)
    await desk.storage.close()
    await desk.callers("reload").close_blocked({ALICE.key})
    assert desk.dismissed == [{ALICE.key}]
    assert [record.message for record in caplog.records] == ["devices of blocked accounts may stay connected"]
