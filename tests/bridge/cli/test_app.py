"""The command line as a whole."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

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
    assert failed.stderr.startswith("switchboard: ")
    assert "switchboard init" in failed.stderr
    assert "Traceback" not in failed.stderr


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


def test_home_moves_with_the_environment(tmp_path: Path) -> None:
    made = switchboard("init", SWITCHBOARD_HOME=str(tmp_path / "elsewhere"))
    assert made.returncode == 0
    assert (tmp_path / "elsewhere" / "relay.toml").exists()


def test_completion_is_offered_for_the_shell() -> None:
    shown = switchboard(_SWITCHBOARD_COMPLETE="source_bash")
    assert "_switchboard_completion" in shown.stdout
