"""`switchboard invite`, beside a running bridge and without one."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.home import Home
from bridge.settings.accounts import Admission
from bridge.settings.rendering import render
from bridge.settings.tree import Settings
from client.clock import SystemClock
from client.errors import BridgeRefusal
from nips.keys import SecretKey
from nips.nip19 import decode_nprofile
from tests.bridge.cli.callers import a_caller, operate, told
from tests.bridge.cli.commands import switchboard
from tests.support.deadline import within
from tests.support.process import Switchboard
from tests.support.wraps import drawn


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A bridge that does not run, with an address."""
    folder = tmp_path / "home"
    options = ("--home", str(folder), "--public-url", "wss://relay.example.org")
    assert switchboard("init", *options).returncode == 0
    return folder


def invite(home: Path, *arguments: str) -> str:
    result = switchboard("invite", *arguments, "--home", str(home))
    assert result.returncode == 0, result.stderr
    return result.stdout


def words_of(framed: str) -> str:
    """Return what stands in a frame, as one line."""
    return " ".join(framed.replace("│", " ").split())


def test_code_is_printed_with_where_the_bridge_is(home: Path) -> None:
    lines = invite(home, "create", "--uses", "3", "--for", "7d").splitlines()
    facts = dict(line.split(": ", 1) for line in lines)
    assert re.fullmatch("[0-9a-f]{32}", facts["code"])
    assert decode_nprofile(facts["nprofile"]).relays == ("wss://relay.example.org",)
    assert facts["Invite 1"].startswith("3 uses, until 20")


def test_invites_are_listed_without_their_codes_unless_asked(home: Path) -> None:
    created = json.loads(invite(home, "create", "--note", "Alice, by mail", "--for", "12h", "--json"))
    assert 0 <= created["expires_at"] - SystemClock().now() - 12 * 3600 + 60 <= 60
    invite(home, "create")
    listed = [line.split("\t") for line in invite(home, "list").splitlines()]
    assert [[*row[:3], row[5]] for row in listed] == [["1", "1", "1", "Alice, by mail"], ["2", "1", "1", ""]]
    assert listed[1][3] == "never"
    assert created["code"] not in invite(home, "list")
    assert created["code"] in invite(home, "list", "--codes")


async def test_invite_is_made_beside_a_bridge_whose_storage_key_is_out_of_reach(tmp_path: Path) -> None:
    async with within(60), Switchboard(tmp_path / "home") as program:
        key = program.home / "storage.key"
        key.rename(tmp_path / "credential")
        made = await told(program.home, "invite", "create")
        assert decode_nprofile(made["nprofile"]).public_key == program.public_key
        assert len((await told(program.home, "invite", "list"))["invites"]) == 1
        (tmp_path / "credential").rename(key)


@pytest.mark.parametrize(
    ("arguments", "name", "words"),
    [
        (("create", "--for", "0d"), "--for", "1 s to 3650d"),
        (("create", "--for", "9999w"), "--for", "1 s to 3650d"),
        (("create", "--for", "soon"), "--for", "such as 12h or 7d"),
        (("revoke", "99999999999999999999999"), "NUMBER", "9007199254740991"),
    ],
)
def test_value_out_of_bounds_is_refused_by_its_name(
    home: Path, arguments: tuple[str, ...], name: str, words: str
) -> None:
    refused = switchboard("invite", *arguments, "--home", str(home))
    assert refused.returncode == 2
    assert name in words_of(refused.stderr)
    assert words in words_of(refused.stderr)


def test_what_is_revoked_is_gone(home: Path) -> None:
    invite(home, "create")
    assert invite(home, "revoke", "1") == "Revoked invite 1.\n"
    assert invite(home, "list") == ""
    again = switchboard("invite", "revoke", "1", "--home", str(home))
    assert again.returncode == 1
    assert "there is no invite 1" in again.stderr


def test_no_more_than_the_setting_allows_are_made(home: Path) -> None:
    settings = Home(home).load_settings()
    few = replace(settings, accounts=replace(settings.accounts, max_invites=1))
    (home / "relay.toml").write_text(render(few))
    invite(home, "create")
    refused = switchboard("invite", "create", "--home", str(home))
    assert refused.returncode == 1
    assert "accounts.max_invites" in refused.stderr


@pytest.mark.parametrize("duration", ["7", "0d", "7 days", "-1d", "1y", ""])
def test_duration_that_is_none_is_refused_with_an_example(home: Path, duration: str) -> None:
    refused = switchboard("invite", "create", "--for", duration, "--home", str(home))
    assert refused.returncode == 2
    assert "12h or 7d" in words_of(refused.stderr)


async def test_running_bridge_makes_and_revokes_them_itself(tmp_path: Path) -> None:
    async with within(60), Switchboard(tmp_path / "home") as program:
        created = await told(program.home, "invite", "create", "--uses", "2")
        (listed,) = (await told(program.home, "invite", "list"))["invites"]
        assert (listed["number"], listed["uses_left"]) == (created["number"], 2)
        assert (await told(program.home, "invite", "revoke", str(created["number"])))["revoked"]
        assert (await operate(program.home, "invite", "list")).stdout == ""


def test_who_needs_no_code_is_said_to(home: Path) -> None:
    result = switchboard("invite", "create", "--home", str(home))
    assert 'accounts.admission is "open"' in result.stderr


async def test_code_lets_one_in_and_no_second(tmp_path: Path) -> None:
    def by_invite(settings: Settings) -> Settings:
        return replace(settings, accounts=replace(settings.accounts, admission=Admission.INVITE))

    async with within(60), Switchboard(tmp_path / "home", change=by_invite) as program:
        result = await operate(program.home, "invite", "create")
        code = result.stdout.splitlines()[0].removeprefix("code: ")
        assert result.stderr == ""
        async with a_caller(program, SecretKey(drawn("alice"))) as alice:
            await alice.call("account.get", invite=code)
        async with a_caller(program, SecretKey(drawn("bob"))) as bob:
            with pytest.raises(BridgeRefusal):
                await bob.call("account.get", invite=code)
        assert len((await told(program.home, "accounts", "list"))["accounts"]) == 1
