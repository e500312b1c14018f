"""The command line as a whole."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.bridge.cli.commands import switchboard


def test_help_names_every_command_and_the_first_steps() -> None:
    shown = switchboard("--help")
    assert shown.returncode == 0
    for word in ("init", "run", "demo", "inspect", "switchboard init"):
        assert word in shown.stdout


def test_version_is_the_distributions() -> None:
    assert switchboard("--version").stdout.strip() == f"switchboard {version('nostr-switchboard')}"


def test_wrong_usage_exits_with_2() -> None:
    assert switchboard("init", "--no-such-option").returncode == 2


def test_start_that_fails_says_why_in_one_line_and_exits_with_2(tmp_path: Path) -> None:
    failed = switchboard("run", "--home", str(tmp_path))
    assert failed.returncode == 2
    (line,) = failed.stderr.splitlines()
    assert line.startswith("switchboard: ")
    assert "switchboard init" in line


def test_unknown_key_stops_the_start_and_names_the_one_meant(tmp_path: Path) -> None:
    home = tmp_path / "home"
    switchboard("init", "--home", str(home))
    with (home / "relay.toml").open("a") as file:
        file.write("\n[stop2]\n")
    text = (home / "relay.toml").read_text().replace("max_connections =", "max_conections =")
    (home / "relay.toml").write_text(text)
    failed = switchboard("run", "--home", str(home))
    assert failed.returncode == 2
    assert "relay.max_conections" in failed.stderr
    assert "max_connections" in failed.stderr
    assert "stop2" in failed.stderr


def test_file_that_is_no_database_stops_the_start_and_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    switchboard("init", "--home", str(home))
    (home / "switchboard.db").write_bytes(b"not a database" * 1000)
    failed = switchboard("run", "--home", str(home))
    assert failed.returncode == 2
    assert "switchboard.db" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize("command", ["run", "inspect"])
@pytest.mark.parametrize(
    ("setting", "written", "fix"),
    [
        ("file", "swithcboard.db", "name the database that is meant"),
        ("key_file", "stroage.key", "put the storage key back there"),
    ],
)
def test_misspelt_file_is_never_made_up(tmp_path: Path, command: str, setting: str, written: str, fix: str) -> None:
    home = tmp_path / "home"
    switchboard("init", "--home", str(home))
    text = (home / "relay.toml").read_text()
    (home / "relay.toml").write_text(re.sub(rf"(?m)^{setting} = .*", f'{setting} = "{written}"', text))
    before = {path.name for path in home.iterdir()}
    failed = switchboard(command, "--home", str(home))
    assert failed.returncode == 2
    (line,) = failed.stderr.splitlines()
    assert line.startswith(f'switchboard: storage.{setting} = "{written}": there is no file {home}/{written}: {fix}')
    assert {path.name for path in home.iterdir()} == before


@pytest.mark.parametrize("command", ["run", "inspect"])
def test_empty_database_is_not_filled_with_a_new_one(tmp_path: Path, command: str) -> None:
    home = tmp_path / "home"
    switchboard("init", "--home", str(home))
    (home / "switchboard.db").write_bytes(b"")
    failed = switchboard(command, "--home", str(home))
    assert failed.returncode == 2
    assert f'storage.file = "switchboard.db": {home}/switchboard.db is empty' in failed.stderr
    assert (home / "switchboard.db").read_bytes() == b""


def test_turn_secret_that_others_can_read_stops_the_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    switchboard("init", "--home", str(home), "--turn-host", "turn.example.org")
    (home / "turn.secret").chmod(0o644)
    failed = switchboard("run", "--home", str(home))
    assert failed.returncode == 2
    assert f"[turn.coturn] secret_files: {home}/turn.secret is a secret" in failed.stderr
    assert f"chmod 600 {home}/turn.secret" in failed.stderr


def test_home_moves_with_the_environment(tmp_path: Path) -> None:
    made = switchboard("init", SWITCHBOARD_HOME=str(tmp_path / "elsewhere"))
    assert made.returncode == 0
    assert (tmp_path / "elsewhere" / "relay.toml").exists()


def test_completion_is_offered_for_the_shell() -> None:
    shown = switchboard(_SWITCHBOARD_COMPLETE="source_bash")
    assert "_switchboard_completion" in shown.stdout


def test_shell_completes_commands_and_those_below_them() -> None:
    def completed(typed: str) -> set[str]:
        said = switchboard(
            _SWITCHBOARD_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=str(len(typed.split(" ")) - 1)
        )
        return set(said.stdout.split())

    assert {"doctor", "demo"} == completed("switchboard d")
    assert {"list", "show", "block", "unblock", "delete"} == completed("switchboard accounts ")
    assert "--patience" in completed("switchboard doctor --pa")
