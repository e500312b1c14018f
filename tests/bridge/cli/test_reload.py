"""`switchboard reload`, as an operator types it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

from bridge.settings.tree import Settings
from tests.bridge.cli.commands import switchboard
from tests.support.deadline import within
from tests.support.process import Switchboard


async def reload(home: Path) -> CompletedProcess[str]:
    return await asyncio.to_thread(switchboard, "reload", "--home", str(home))


def with_burst(settings: Settings) -> Settings:
    return replace(settings, permits=replace(settings.permits, turn=replace(settings.permits.turn, burst=7)))


def with_grace(settings: Settings) -> Settings:
    return replace(settings, stop=replace(settings.stop, grace_seconds=7))


async def test_what_counts_and_what_waits_is_told(tmp_path: Path) -> None:
    async with within(60), Switchboard(tmp_path / "home") as program:
        told = await reload(program.home)
        assert (told.returncode, told.stdout) == (0, "Read again; nothing differs from what counts already.\n")
        program.change_settings(lambda settings: with_grace(with_burst(settings)))
        told = await reload(program.home)
        assert (told.returncode, told.stderr) == (0, "")
        assert told.stdout == "Counts from now on: permits.turn.burst\nCounts after a restart: stop.grace_seconds\n"
        assert (await program.wait_for("settings read again", changed=["permits.turn.burst"]))["after_restart"] == [
            "stop.grace_seconds"
        ]


async def test_broken_file_is_refused_with_every_problem_and_the_bridge_goes_on(tmp_path: Path) -> None:
    async with within(60), Switchboard(tmp_path / "home") as program:
        good = (program.home / "relay.toml").read_text()
        (program.home / "relay.toml").write_text('[relay]\nport = -1\nhots = "a"\n')
        told = await reload(program.home)
        assert (told.returncode, told.stdout) == (1, "")
        assert "Nothing was changed:" in told.stderr
        assert "relay.port = -1" in told.stderr
        assert 'did you mean "host"?' in told.stderr
        program.log.remove(await program.wait_for("settings refused, the old ones stay"))
        (program.home / "relay.toml").write_text(good)
        assert (await reload(program.home)).returncode == 0
        await program.stop()
        assert not program.complaints


def test_without_a_bridge_there_is_nothing_to_tell(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert switchboard("init", "--home", str(home)).returncode == 0
    told = switchboard("reload", "--home", str(home))
    assert told.returncode == 2
    assert told.stderr.startswith(f"switchboard: no bridge runs in {home}")
