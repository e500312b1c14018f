"""`switchboard init`: a bridge that is complete, private and explained."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from bridge.home import Home
from bridge.settings.reading import load_settings
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from nips.nip19 import Profile, encode_nprofile, encode_npub, encode_nsec
from storage.key_file import CREDENTIAL, VARIABLE, make_key_file
from tests.bridge.cli.commands import switchboard
from tests.support.wraps import AUTHOR, BRIDGE


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def contents(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.iterdir()}


def with_small_files(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on what looks like a full disk: a storage key fits, a database does not."""
    return subprocess.run(
        ["/bin/sh", "-c", 'ulimit -f 8 && exec switchboard "$@"', "sh", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": os.environ["PATH"]},
    )


def test_new_home_is_complete_and_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = switchboard("init", "--home", str(home))
    assert made.returncode == 0, made.stderr
    assert mode(home) == 0o700
    assert mode(home / "storage.key") == 0o600
    assert mode(home / "switchboard.db") == 0o600
    settings = load_settings(home / "relay.toml")
    assert settings.turn.providers == ()
    assert not settings.compat.read_without_auth


def test_key_brought_along_is_the_bridges_and_is_shown_in_every_form_but_the_secret(tmp_path: Path) -> None:
    key_file, home = tmp_path / "key", tmp_path / "home"
    key_file.write_text(encode_nsec(BRIDGE), encoding="ascii")
    made = switchboard(
        "init", "--home", str(home), "--secret-key-file", str(key_file), "--public-url", "wss://r.example"
    )
    assert encode_npub(BRIDGE.public_key) in made.stdout
    assert encode_nprofile(Profile(BRIDGE.public_key, ("wss://r.example",))) in made.stdout
    assert "nsec1" not in made.stdout + made.stderr
    assert BRIDGE.reveal().hex() not in made.stdout + made.stderr
    assert BRIDGE.reveal() not in (home / "switchboard.db").read_bytes()


def test_bridge_that_is_made_is_never_made_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    switchboard("init", "--home", str(home))
    before = {path.name: path.read_bytes() for path in home.iterdir()}
    again = switchboard("init", "--home", str(home))
    assert again.returncode == 2
    assert "relay.toml exists" in again.stderr
    assert {path.name: path.read_bytes() for path in home.iterdir()} == before


def test_option_that_makes_no_sense_makes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    refused = switchboard("init", "--home", str(home), "--public-url", "http://relay.example")
    assert refused.returncode == 2
    assert "public_url" in refused.stderr
    assert not home.exists()


def test_turn_host_sets_up_coturn_with_a_private_secret(tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = switchboard("init", "--home", str(home), "--turn-host", "turn.example.org")
    turn = load_settings(home / "relay.toml").turn
    assert turn.providers == (ProviderKind.COTURN,)
    assert turn.coturn.urls[0] == "turn:turn.example.org:3478?transport=udp"
    secret = home / turn.coturn.secret_files[0]
    assert mode(secret) == 0o600
    assert len(secret.read_text().strip()) == 64
    assert secret.read_text().strip() not in made.stdout
    assert "static-auth-secret" in made.stdout


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("turn.example.org", "turn.example.org:3478"),
        ("turn.example.org:5349", "turn.example.org:5349"),
        ("192.0.2.1:3479", "192.0.2.1:3479"),
        ("2001:db8::1", "[2001:db8::1]:3478"),
        ("[2001:db8::1]", "[2001:db8::1]:3478"),
        ("[2001:db8::1]:5349", "[2001:db8::1]:5349"),
    ],
)
def test_turn_host_is_a_host_with_a_port_or_without(tmp_path: Path, written: str, meant: str) -> None:
    home = tmp_path / "home"
    made = switchboard("init", "--brief", "--home", str(home), "--turn-host", written)
    assert made.returncode == 0, made.stderr
    turn = load_settings(home / "relay.toml").turn
    assert turn.coturn.urls == (f"turn:{meant}?transport=udp", f"turn:{meant}?transport=tcp")
    assert turn.stun_urls == (f"stun:{meant}",)


@pytest.mark.parametrize("written", ["", "turn:host:3478", "host:0", "host?transport=udp", "a b", "[host]", "host:"])
def test_turn_host_that_is_none_gets_one_line_with_an_example(tmp_path: Path, written: str) -> None:
    home = tmp_path / "home"
    refused = switchboard("init", "--home", str(home), "--turn-host", written)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith("switchboard: --turn-host ")
    assert "turn.example.org:5349" in line
    assert not home.exists()


def test_turn_secret_that_is_there_is_used(tmp_path: Path) -> None:
    secret = tmp_path / "turn.secret"
    secret.write_text("north\n", "utf-8")
    refused = switchboard("init", "--home", str(tmp_path), "--turn-host", "turn.example.org")
    assert (refused.returncode, "chmod 600" in refused.stderr, "Traceback" in refused.stderr) == (2, True, False)
    assert not (tmp_path / "relay.toml").exists()
    secret.chmod(0o600)
    made = switchboard("init", "--home", str(tmp_path), "--turn-host", "turn.example.org")
    assert made.returncode == 0, made.stderr
    assert secret.read_text("utf-8") == "north\n"
    assert "Used as it was there: storage.key, switchboard.db, turn.secret." in made.stdout


def test_buildit_turns_compatibility_on_and_says_what_it_costs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = switchboard("init", "--home", str(home), "--buildit")
    compat = load_settings(home / "relay.toml").compat
    assert compat.unsigned_seals
    assert compat.read_without_auth
    assert "without proving a key" in " ".join(made.stdout.split())


def test_no_colours_and_no_frame_where_nobody_looks(tmp_path: Path) -> None:
    made = switchboard("init", "--home", str(tmp_path / "home"))
    assert "\033" not in made.stdout
    assert made.stdout.splitlines()[0].startswith("npub: npub1")


def test_storage_key_of_the_environment_is_used_and_no_other_made(tmp_path: Path) -> None:
    home, key = tmp_path / "home", tmp_path / "elsewhere.key"
    make_key_file(key)
    made = switchboard("init", "--home", str(home), **{VARIABLE: str(key)})
    assert made.returncode == 0, made.stderr
    assert f"Back up {key} apart" in made.stdout
    assert not (home / "storage.key").exists()
    command = ["inspect", "--home", str(home)]
    assert switchboard(*command, **{VARIABLE: str(key)}).returncode == 0
    without = switchboard(*command)
    assert without.returncode == 2
    assert f'storage.key_file = "storage.key": there is no file {home}/storage.key' in without.stderr


def test_storage_key_of_systemd_is_used_and_no_other_made(tmp_path: Path) -> None:
    home, credentials = tmp_path / "home", tmp_path / "credentials"
    credentials.mkdir()
    make_key_file(credentials / CREDENTIAL)
    made = switchboard("init", "--home", str(home), "--brief", CREDENTIALS_DIRECTORY=str(credentials))
    assert made.stdout == f"Made {home}/; back up systemd credential {CREDENTIAL} apart from the database.\n"
    assert not (home / "storage.key").exists()
    assert switchboard("inspect", "--home", str(home), CREDENTIALS_DIRECTORY=str(credentials)).returncode == 0


def test_storage_key_that_the_environment_names_in_vain_makes_nothing(tmp_path: Path) -> None:
    home, key = tmp_path / "home", tmp_path / "none.key"
    refused = switchboard("init", "--home", str(home), **{VARIABLE: str(key)})
    assert refused.returncode == 2
    assert f"{VARIABLE}={key}: there is no file {key}" in refused.stderr
    assert not home.exists()


@pytest.mark.parametrize(
    ("below", "reason"),
    [("a file/home", "Not a directory"), ("x" * 300, "File name too long"), ("a loop/home", "Too many levels")],
)
def test_home_that_cannot_be_made_is_named_with_reason_and_fix(tmp_path: Path, below: str, reason: str) -> None:
    (tmp_path / "a file").touch()
    (tmp_path / "a loop").symlink_to(tmp_path / "a loop")
    refused = switchboard("init", "--home", str(tmp_path / below))
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"switchboard: {tmp_path / below} cannot be made or read: {reason}")
    assert "choose another folder with --home" in line


def test_folder_that_takes_no_files_is_named_with_reason_and_fix() -> None:
    refused = switchboard("init", "--home", "/proc/switchboard")
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith("switchboard: /proc/switchboard cannot be made or read: ")


def test_interrupted_init_is_finished_by_the_next_one(tmp_path: Path) -> None:
    home = tmp_path / "home"
    broken = with_small_files("init", "--home", str(home))
    assert broken.returncode == 2
    assert "Traceback" not in broken.stderr
    key = (home / "storage.key").read_bytes()
    assert not (home / "relay.toml").exists()
    made = switchboard("init", "--home", str(home))
    assert made.returncode == 0, made.stderr
    assert (home / "storage.key").read_bytes() == key
    assert "Used as it was there: storage.key" in made.stdout


def test_init_that_broke_off_before_the_settings_keeps_the_bridges_key(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "relay.toml.part").mkdir(parents=True)
    broken = switchboard("init", "--home", str(home))
    assert broken.returncode == 2
    assert f"{home}/relay.toml cannot be made or read: Is a directory" in broken.stderr
    (home / "relay.toml.part").rmdir()
    broken_off = Home(home).read_key(Settings(), {})
    made = switchboard("init", "--home", str(home))
    assert made.returncode == 0, made.stderr
    assert Home(home).read_key(Settings(), {}) == broken_off
    assert f"npub: {encode_npub(broken_off.public_key)}\n" in made.stdout
    assert "Used as it was there: storage.key, switchboard.db." in made.stdout


def test_bridge_without_settings_is_not_given_another_key(tmp_path: Path) -> None:
    home, key_file = tmp_path / "home", tmp_path / "key"
    switchboard("init", "--home", str(home))
    (home / "relay.toml").unlink()
    key_file.write_text(encode_nsec(AUTHOR), encoding="ascii")
    refused = switchboard("init", "--home", str(home), "--secret-key-file", str(key_file))
    assert refused.returncode == 2
    assert "leave out --secret-key-file" in refused.stderr
    assert not (home / "relay.toml").exists()


def test_database_without_its_storage_key_is_told_exactly(tmp_path: Path) -> None:
    home = tmp_path / "home"
    switchboard("init", "--home", str(home))
    (home / "relay.toml").unlink()
    (home / "storage.key").unlink()
    before = contents(home)
    refused = switchboard("init", "--home", str(home))
    assert refused.returncode == 2
    assert f"{home}/switchboard.db is there and its storage key {home}/storage.key is not" in refused.stderr
    assert contents(home) == before


def test_database_under_another_storage_key_is_told_exactly(tmp_path: Path) -> None:
    home = tmp_path / "home"
    switchboard("init", "--home", str(home))
    (home / "relay.toml").unlink()
    (home / "storage.key").unlink()
    make_key_file(home / "storage.key")
    refused = switchboard("init", "--home", str(home))
    assert refused.returncode == 2
    assert f"{home}/switchboard.db was encrypted under another storage key" in refused.stderr
    assert 'The key came from storage.key_file = "storage.key"' in refused.stderr
    assert not (home / "relay.toml").exists()


def test_brief_init_says_one_line(tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = switchboard("init", "--brief", "--home", str(home))
    assert made.stdout == f"Made {home}/; back up {home}/storage.key apart from the database.\n"
    assert load_settings(home / "relay.toml") == Settings()


def test_words_are_printed_as_they_are(tmp_path: Path) -> None:
    home = tmp_path / "[bold]a :cat: [compat]"
    made = switchboard("init", "--home", str(home), "--buildit", "--turn-host", "turn.example.org")
    assert f"Made {home}/ with relay.toml, storage.key and switchboard.db.\n" in made.stdout
    assert f"the text in {home}/turn.secret.\n" in made.stdout
    assert f"Next: switchboard run --home '{home}'\n" in made.stdout
    assert "Turn both off in [compat]" in " ".join(made.stdout.split())


def test_hints_call_the_program_as_the_person_does(tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = switchboard("init", "--home", str(home), SWITCHBOARD_PROGRAM="./run")
    assert "TURN server: a coturn of its own will run along; " in made.stdout  # it is installed where tests run
    assert "set [turn] in relay.toml, or see it all work with `./run demo`.\n" in made.stdout
    assert made.stdout.endswith(f"Next: ./run --home {home}\n")
    again = switchboard("init", "--home", str(home), SWITCHBOARD_PROGRAM="./run")
    assert "`./run run --home" in again.stderr


def test_default_home_needs_no_naming(tmp_path: Path) -> None:
    made = subprocess.run(
        ["switchboard", "init"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={"PATH": os.environ["PATH"]},
    )
    assert made.stdout.endswith("Next: switchboard run\n")


def test_place_that_only_this_machine_finds_is_said_and_not_drawn(tmp_path: Path) -> None:
    shown = {
        url: _on_a_terminal("init", "--home", str(tmp_path / name), *(["--public-url", url] if url else []))
        for name, url in (("here", ""), ("everywhere", "wss://relay.example.org"))
    }
    assert "█" not in shown[""]
    assert "Reachable from this machine only: set public_url in [bridge]" in shown[""]
    assert "█" in shown["wss://relay.example.org"]
    assert "this machine only" not in shown["wss://relay.example.org"]


def _on_a_terminal(*arguments: str) -> str:
    """Return what a command prints where somebody looks."""
    return subprocess.run(
        ["switchboard", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={"PATH": os.environ["PATH"], "FORCE_COLOR": "1", "COLUMNS": "140"},
    ).stdout
