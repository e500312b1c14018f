"""`switchboard init`: a bridge that is complete, private and explained."""

from __future__ import annotations

import stat
from pathlib import Path

from bridge.settings.reading import load_settings
from bridge.settings.service import TurnProvider
from nips.nip19 import Profile, encode_nprofile, encode_npub, encode_nsec
from tests.bridge.cli.commands import switchboard
from tests.support.wraps import BRIDGE


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_home_is_complete_and_private(tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = switchboard("init", "--home", str(home))
    assert made.returncode == 0, made.stderr
    assert mode(home) == 0o700
    assert mode(home / "storage.key") == 0o600
    assert mode(home / "switchboard.db") == 0o600
    settings = load_settings(home / "relay.toml")
    assert settings.turn.provider is TurnProvider.NONE
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
    assert turn.provider is TurnProvider.COTURN
    assert turn.urls[0] == "turn:turn.example.org:3478?transport=udp"
    secret = home / turn.coturn.secret_files[0]
    assert mode(secret) == 0o600
    assert len(secret.read_text().strip()) == 64
    assert secret.read_text().strip() not in made.stdout
    assert "static-auth-secret" in made.stdout


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
