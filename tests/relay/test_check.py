"""Hold the command: it teaches, refuses with what to do, and its exit status and lines can be relied on."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.bridge.peers import running_script
from tests.relay.catalogue import CHECKS
from tests.relay.check import main
from tests.relay.others import OTHERS
from tests.support.deadline import within

ROOT = Path(__file__).resolve().parents[2]
KEPT, BROKEN = "nip01.frame.eose_comes_once", "nip01.sub.replacing_request_brings_its_stored_events"


@dataclass(frozen=True)
class Ended:
    """How the command ended."""

    status: int
    said: str
    complaint: str


async def check(*arguments: str) -> Ended:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.relay.check",
        *arguments,
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with within(60):
        said, complaint = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, said.decode(), complaint.decode())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peer() -> AsyncIterator[str]:
    """Run a relay that keeps most rules and breaks some."""
    async with running_script("local_relay.py") as urls:
        yield urls["open"]


def test_help_says_what_it_does_to_a_relay(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    said = capsys.readouterr().out
    for words in ("throw", "exit status", "examples:", "--json", "--only", "--nsec", "--timeout", "--list"):
        assert words in said


def test_list_names_every_check_with_its_rule_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    said = capsys.readouterr().out
    for wanted in CHECKS:
        assert f"{wanted.name}  [{wanted.level.value}; {wanted.source}]\n    {wanted.rule}\n" in said


@pytest.mark.asyncio(loop_scope="module")
async def test_status_is_0_when_no_must_failed(peer: str) -> None:
    ended = await check(peer, "--only", KEPT, "--all")
    assert (ended.status, ended.complaint) == (0, "")
    assert f"passed          {KEPT}" in ended.said
    assert "\x1b" not in ended.said


@pytest.mark.asyncio(loop_scope="module")
async def test_status_is_1_when_a_must_failed_and_what_was_said_is_shown(peer: str) -> None:
    ended = await check(peer, "--only", BROKEN)
    assert ended.status == 1
    assert f"failed          {BROKEN}" in ended.said
    assert '→ ["REQ","same",' in ended.said
    assert '← ["EOSE","same"]' in ended.said


@pytest.mark.asyncio(loop_scope="module")
async def test_json_is_one_object_a_line(peer: str) -> None:
    ended = await check(peer, "--only", "nip01.sub.*re*", "--json", "--timeout", "10", "--at-once", "8")
    lines = {line["test"]: line for line in map(json.loads, ended.said.splitlines())}
    assert ended.status == 1
    assert (lines[BROKEN]["pass"], lines[BROKEN]["required"]) == (False, True)
    assert lines[BROKEN]["info"]
    assert lines["nip01.sub.request_with_the_same_id_replaces"]["pass"] is True


@pytest.mark.asyncio(loop_scope="module")
async def test_what_does_not_apply_is_told_with_its_reason_and_fails_nothing(peer: str) -> None:
    ended = await check(peer, "--only", "nip13", "--json")
    assert ended.status == 0
    assert [json.loads(line)["pass"] for line in ended.said.splitlines()] == [None] * 3
    assert "min_pow_difficulty" in ended.said


@pytest.mark.asyncio(loop_scope="module")
async def test_relays_of_others_are_started_and_told_with_their_scores() -> None:
    ended = await check("--peer", "all", "--only", "nip01.frame.eose", "--timeout", "20")
    assert (ended.status, ended.complaint) == (0, "")
    heads = [line.partition(" at ws://")[0] for line in ended.said.splitlines() if " at ws://" in line]
    assert heads == list(OTHERS)
    assert ended.said.count("NIP-01") == len(OTHERS)


def test_checks_come_in_the_order_of_the_nips() -> None:
    nips = [wanted.nip for wanted in CHECKS]
    assert nips == sorted(nips)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "ws://"),
        (["relay.example.org"], "ws://"),
        (["https://relay.example.org"], "ws://"),
        (["ws://[::1"], "ws://"),
        (["ws://127.0.0.1:1", "--peer", "all"], "not both"),
        (["ws://127.0.0.1:1", "--only", "no such check"], "--list"),
        (["ws://127.0.0.1:1", "--nsec", "nsec1nonsense"], "--nsec"),
    ],
)
def test_what_cannot_be_tried_ends_with_status_2_and_what_to_do(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err


async def test_relay_that_is_not_there_ends_with_status_2() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{nobody.getsockname()[1]}"
        ended = await check(url)
    assert ended.status == 2
    assert url in ended.complaint
    assert "Traceback" not in ended.complaint
