"""What hints call the program."""

from __future__ import annotations

import pytest

from bridge.program import program


def test_program_is_switchboard_unless_called_by_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWITCHBOARD_PROGRAM", raising=False)
    assert program() == "switchboard"
    monkeypatch.setenv("SWITCHBOARD_PROGRAM", "")
    assert program() == "switchboard"
    monkeypatch.setenv("SWITCHBOARD_PROGRAM", "./run")
    assert program() == "./run"
