"""`switchboard demo`: a whole exchange on this machine."""

from __future__ import annotations

import shutil

import pytest
import typer

from bridge.cli import demo
from bridge.turn.coturn import coturn_password
from tests.bridge.cli.commands import switchboard

STEPS = ["a bridge runs", "a client connects", "bridge.info", "account.get", "turn.get_credentials"]


def test_demo_ends_in_an_allocation_on_a_real_coturn() -> None:
    if shutil.which("turnserver") is None:
        pytest.skip("no turnserver here: apt-get install coturn")
    shown = switchboard("demo")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    lines = [line[2:].rsplit(" ", 2)[0] for line in shown.stdout.splitlines() if line.startswith("✓")]
    assert lines == [STEPS[0], "coturn runs", *STEPS[1:], "coturn grants an allocation"]


def test_demo_without_coturn_says_what_is_missing() -> None:
    without = switchboard("demo", PATH=_only_switchboard())
    assert without.returncode == 0, without.stdout + without.stderr
    assert "apt-get install coturn" in without.stdout
    assert [line[2:].rsplit(" ", 2)[0] for line in without.stdout.splitlines() if line.startswith("✓")] == STEPS


def _only_switchboard() -> str:
    program = shutil.which("switchboard")
    assert program is not None
    return program.rpartition("/")[0]


def test_step_that_fails_is_shown_as_such_and_ends_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("turnserver") is None:
        pytest.skip("no turnserver here: apt-get install coturn")
    # The bridge signs with another secret than coturn's.
    monkeypatch.setattr("bridge.turn.managed.server.coturn_password", lambda _, name: coturn_password(b"another", name))
    with pytest.raises(typer.Exit) as ended:
        demo.command()
    assert ended.value.exit_code == 1
    shown = capsys.readouterr().out
    assert "✗ TransactionFailed" in shown
    assert "401" in shown
