"""`switchboard doctor`, as an operator types it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

from bridge.settings.tree import Settings
from tests.bridge.cli.commands import switchboard
from tests.support.deadline import within
from tests.support.odd_relay import NO_SERVICE_URL, OddRelay
from tests.support.process import Switchboard


async def doctor(home: Path, *options: str) -> CompletedProcess[str]:
    return await asyncio.to_thread(switchboard, "doctor", "--home", str(home), *options)


async def test_fresh_bridge_has_no_problems_with_it_running_and_without(tmp_path: Path) -> None:
    async with within(90), Switchboard(tmp_path / "home") as program:
        beside = await doctor(program.home)
        await program.stop()
        alone = await doctor(program.home)
        assert program.complaints == []
        await program.start()
    for told in (beside, alone):
        assert (told.returncode, told.stderr) == (0, "")
        assert "\x1b" not in told.stdout
        assert "problem" not in told.stdout
    assert "bridge.info is answered in" in beside.stdout
    assert "no bridge runs here now" in alone.stdout or "its port is not known" in alone.stdout


async def test_problem_ends_it_with_status_1_and_its_fix(tmp_path: Path) -> None:
    def trapped(settings: Settings) -> Settings:
        return replace(settings, upstream=replace(settings.upstream, relays=(relay.url,)))

    async with (
        within(90),
        OddRelay(protected=frozenset({1059}), auth_notice=NO_SERVICE_URL) as relay,
        Switchboard(tmp_path / "home", change=trapped) as program,
    ):
        told = await doctor(program.home, "--json", "--patience", "2")
        # That relay refuses the bridge too, which it logs.
        await program.kill()
        await program.start()
    assert (told.returncode, told.stderr) == (1, "")
    *findings, counts = [json.loads(line) for line in told.stdout.splitlines()]
    (finding,) = [finding for finding in findings if finding["severity"] == "problem"]
    assert finding["about"] == relay.url
    assert "serviceUrl" in finding["fix"]
    assert counts["counts"]["problem"] == 1


def test_bridge_that_is_not_there_or_cannot_be_read_ends_it_with_status_2(tmp_path: Path) -> None:
    told = switchboard("doctor", "--home", str(tmp_path / "none"))
    assert (told.returncode, told.stdout) == (2, "")
    assert "init" in told.stderr
    home = tmp_path / "home"
    assert switchboard("init", "--home", str(home)).returncode == 0
    (home / "relay.toml").write_text("[relay]\nprot = 1\n")
    told = switchboard("doctor", "--home", str(home))
    assert told.returncode == 2
    assert 'did you mean "port"?' in told.stderr


def test_storage_key_that_others_can_read_is_a_problem_and_the_rest_goes_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert switchboard("init", "--home", str(home), "--port", "0").returncode == 0
    (home / "storage.key").chmod(0o644)
    told = switchboard("doctor", "--home", str(home))
    assert told.returncode == 1
    assert f"chmod 600 {home / 'storage.key'}" in told.stdout
    assert "is whole" in told.stdout
