"""`switchboard accounts`, beside a running bridge and without one."""

from __future__ import annotations

import asyncio
import os
import pty
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from client.bridge import BridgeClient
from client.errors import BridgeRefusal
from nips.keys import SecretKey
from nips.nip19 import encode_npub
from tests.bridge.cli.callers import a_caller, operate, told
from tests.bridge.cli.commands import switchboard
from tests.support.deadline import within
from tests.support.process import Switchboard
from tests.support.wraps import drawn

ALICE, BOB = SecretKey(drawn("alice")), SecretKey(drawn("bob"))
NPUB = encode_npub(ALICE.public_key)


async def refusal_of(client: BridgeClient) -> str:
    with pytest.raises(BridgeRefusal) as refused:
        await client.account()
    return refused.value.refusal.code


async def test_accounts_are_listed_by_pseudonym_and_npub_is_shown_on_demand(tmp_path: Path) -> None:
    async with within(60), Switchboard(tmp_path / "home") as program:
        for secret in (ALICE, BOB):
            async with a_caller(program, secret) as client:
                await client.account()
        listed = (await told(program.home, "accounts", "list"))["accounts"]
        assert len(listed) == 2
        assert all(re.fullmatch("[0-9a-f]{16}", account["account_id"]) for account in listed)
        plain = await operate(program.home, "accounts", "list")
        today = datetime.now(UTC).date().isoformat()
        assert [line.split("\t")[1:4] for line in plain.stdout.splitlines()] == [["1", today, today]] * 2
        assert "npub" not in plain.stdout
        with_keys = await operate(program.home, "accounts", "list", "--keys")
        assert NPUB in with_keys.stdout
        first = await operate(program.home, "accounts", "list", "--limit", "1")
        (hint,) = re.findall("--after ([0-9a-f]+)", first.stderr)
        second = await operate(program.home, "accounts", "list", "--after", hint)
        assert sorted(plain.stdout.splitlines()) == sorted((first.stdout + second.stdout).splitlines())


async def test_same_is_told_with_a_bridge_and_without(tmp_path: Path) -> None:
    async with within(60), Switchboard(tmp_path / "home") as program:
        async with a_caller(program, ALICE) as client:
            await client.account()
        beside = await operate(program.home, "accounts", "show", NPUB, "--keys")
        await program.stop()
        alone = await operate(program.home, "accounts", "show", NPUB, "--keys")
        pseudonym = alone.stdout.splitlines()[0].removeprefix("account: ")
        by_pseudonym = await operate(program.home, "accounts", "show", pseudonym, "--keys")
        await program.start()
    assert beside.stdout == alone.stdout == by_pseudonym.stdout
    assert f"npub: {NPUB}\n" in alone.stdout
    assert "blocked: no\n" in alone.stdout
    assert "\tprimary\t" in alone.stdout


async def test_block_counts_at_once_and_can_be_taken_back(tmp_path: Path) -> None:
    async with within(60), Switchboard(tmp_path / "home") as program, a_caller(program, ALICE) as client:
        await client.account()
        result = await operate(program.home, "accounts", "block", NPUB)
        assert result.stdout == "Blocked, 1 connection closed.\n"
        assert await refusal_of(client) == "BRIDGE_FORBIDDEN"
        assert (await operate(program.home, "accounts", "block", NPUB)).stdout.startswith("Was blocked already")
        assert (await told(program.home, "accounts", "show", NPUB))["blocked"]
        assert (await operate(program.home, "accounts", "unblock", NPUB)).stdout == "Unblocked.\n"
        assert (await operate(program.home, "accounts", "unblock", NPUB)).stdout == "Was not blocked.\n"
        assert (await client.account()).pubkey == ALICE.public_key


async def test_block_without_a_bridge_counts_from_the_next_start(tmp_path: Path) -> None:
    async with within(60), Switchboard(tmp_path / "home") as program:
        await program.stop()
        assert (await operate(program.home, "accounts", "block", NPUB)).stdout == "Blocked.\n"
        await program.start()
        async with a_caller(program, ALICE) as client:
            assert await refusal_of(client) == "BRIDGE_FORBIDDEN"


async def test_deletion_wants_a_yes_and_counts_at_once(tmp_path: Path) -> None:
    async with within(60), Switchboard(tmp_path / "home") as program, a_caller(program, ALICE) as client:
        await client.account()
        refused = await operate(program.home, "accounts", "delete", NPUB)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "--yes" in refused.stderr
        assert len((await told(program.home, "accounts", "list"))["accounts"]) == 1
        done = await operate(program.home, "accounts", "delete", NPUB, "--yes")
        assert done.stdout == "Deleted, 1 connection closed.\n"
        assert (await told(program.home, "accounts", "list"))["accounts"] == []
        gone = await operate(program.home, "accounts", "delete", NPUB, "--yes")
        assert gone.returncode == 1
        assert "that key has none here" in gone.stderr


@pytest.mark.parametrize(("answer", "status", "left"), [("n", 1, 1), ("y", 0, 0)])
async def test_at_a_terminal_deletion_asks(tmp_path: Path, answer: str, status: int, left: int) -> None:
    async with within(60), Switchboard(tmp_path / "home") as program:
        async with a_caller(program, ALICE) as client:
            await client.account()
        await program.stop()
        ours, theirs = pty.openpty()
        os.write(ours, f"{answer}\n".encode())
        process = await asyncio.create_subprocess_exec(
            *("switchboard", "accounts", "delete", NPUB, "--home", str(program.home)),
            stdin=theirs,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        os.close(ours)
        os.close(theirs)
        assert process.returncode == status
        assert b"with 1 device for good?" in said
        assert len((await told(program.home, "accounts", "list"))["accounts"]) == left
        await program.start()


def test_what_is_no_account_is_refused_with_what_to_write(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert switchboard("init", "--home", str(home), "--port", "0").returncode == 0
    for name, words in (("npub1x", "use a pseudonym"), ("0" * 16, "none with the pseudonym"), (NPUB, "none here")):
        result = switchboard("accounts", "show", name, "--home", str(home))
        assert (result.returncode, result.stdout) == (1, "")
        assert words in result.stderr
    missing = switchboard("accounts", "list", "--home", str(tmp_path / "none"))
    assert missing.returncode == 2
    assert "init" in missing.stderr


def test_help_teaches_by_examples() -> None:
    said = switchboard("accounts", "--help").stdout
    assert {"list", "show", "block", "unblock", "delete"} <= set(re.findall(r"^│ ([a-z]+) ", said, re.MULTILINE))
    for words in ("Examples", "Exit status"):
        assert words in said
