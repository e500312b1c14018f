"""What an operator reads when the settings cannot be used."""

from __future__ import annotations

import pytest

from bridge.errors import StartupError
from bridge.settings.problems import MAX_SHOWN, Problem, SettingsError, did_you_mean


def test_problem_names_key_value_and_fix() -> None:
    assert str(Problem("relay.port", "70000", "use less")) == "relay.port = 70000: use less"
    assert str(Problem("relay.prot", "", "no such key")) == "relay.prot: no such key"
    assert str(Problem("", "", "is not TOML")) == "is not TOML"


def test_error_names_the_file_on_every_line() -> None:
    error = SettingsError("home/relay.toml", [Problem("a", "1", "x"), Problem("b", "", "y")])
    assert str(error).splitlines() == ["home/relay.toml: a = 1: x", "home/relay.toml: b: y"]
    assert isinstance(error, StartupError)


def test_error_lists_no_more_than_can_be_read() -> None:
    error = SettingsError("relay.toml", [Problem(f"key{n}", "", "x") for n in range(MAX_SHOWN + 5)])
    assert len(error.problems) == MAX_SHOWN + 5
    assert str(error).splitlines()[MAX_SHOWN:] == ["relay.toml: and 5 more problems"]


@pytest.mark.parametrize(
    ("written", "suggestion"),
    [("prot", '; did you mean "port"?'), ("PORT", '; did you mean "port"?'), ("zzz", ""), (7, ""), ("p" * 10**6, "")],
)
def test_suggestion_is_something_that_looks_alike(written: object, suggestion: str) -> None:
    assert did_you_mean(written, ["host", "port"]) == suggestion
