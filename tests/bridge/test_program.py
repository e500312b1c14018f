"""What hints call the program."""

from __future__ import annotations

import pytest

from bridge.program import program, typed


def test_program_is_switchboard_unless_called_by_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWITCHBOARD_PROGRAM", raising=False)
    assert program() == "switchboard"
    monkeypatch.setenv("SWITCHBOARD_PROGRAM", "")
    assert program() == "switchboard"
    monkeypatch.setenv("SWITCHBOARD_PROGRAM", "./run")
    assert program() == "./run"


def test_command_is_given_as_it_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWITCHBOARD_PROGRAM", raising=False)
    assert (typed("init"), typed("run")) == ("switchboard init", "switchboard run")
    monkeypatch.setenv("SWITCHBOARD_PROGRAM", "./run")
    assert (typed("init"), typed("run")) == ("./run init", "./run")
