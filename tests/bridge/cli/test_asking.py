"""What commands to a bridge have in common."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import typer

from bridge.cli.asking import asked, complain, day, moment, print_fact, print_table, read_duration, word_of_waiting
from bridge.home import Home
from tests.support.bridges import a_home, bridge_settings


def test_days_and_times_are_in_utc() -> None:
    assert (day(1_795_132_800), day(None)) == ("2026-11-20", "")
    assert (moment(1_795_133_700), moment(None)) == ("2026-11-20 00:15 UTC", "never")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800), ("4w", 2_419_200)]
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "0h", "1.5h", "-1d", "1 d", "9999999999d", "١d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_duration(text)


def test_rows_are_whole_where_no_terminal_looks(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["a", "b"], [["x" * 300, "[b]y"], ["1", ""]])
    assert capsys.readouterr().out == f"{'x' * 300}\t[b]y\n1\t\n"


def test_words_of_others_are_one_value_each_and_command_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["device", "name"], [["1", "evil\x1b]0;x\x07\n2\tadmin\x9b2J\u202e"]])
    print_fact("note", "a\rb")
    complain(["relay: \x1b[2J"])
    said = capsys.readouterr()
    assert said.out == "1\tevil\ufffd]0;x\ufffd\ufffd2\ufffdadmin\ufffd2J\ufffd\nnote: a\ufffdb\n"
    assert said.err == "switchboard: relay: \ufffd[2J\n"


@pytest.mark.parametrize("columns", [40, 200])
def test_terminal_shows_every_value_in_one_piece(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": str(columns), "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    npub = f"npub1{'q' * 58}"
    print_table(["account", "", "npub"], [["17e9148349ceedbb", "blocked", npub]])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if npub in line]
    assert [line for line in lines if "17e9148349ceedbb" in line]


def test_wait_is_told_when_it_is_long_and_only_then(capsys: pytest.CaptureFixture[str]) -> None:
    with word_of_waiting(3600) as told:
        pass
    assert (told.is_set(), capsys.readouterr().err) == (False, "")
    with word_of_waiting(0) as told:
        assert told.wait(30)
    assert "no answer yet" in capsys.readouterr().err


def test_refusal_is_told_and_ends_with_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(a_home(tmp_path, bridge_settings()))
    assert asked(Home(tmp_path), "accounts.list")["accounts"] == []
    with pytest.raises(typer.Exit) as ended:
        asked(Home(tmp_path), "accounts.show", account="nobody")
    assert ended.value.exit_code == 1
    assert "use a pseudonym" in capsys.readouterr().err
