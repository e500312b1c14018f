"""The folder of a bridge."""

from __future__ import annotations

import os
import stat
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import StartupError
from bridge.home import MAX_SECRET_FILE_BYTES, Home, storage_limits, write_secret
from bridge.identity import make_identity
from bridge.settings.problems import SettingsError
from bridge.settings.requests import InboxSettings
from bridge.settings.tree import Settings
from bridge.settings.upkeep import StorageSettings
from storage.database import Limits
from storage.errors import StorageFailed, StorageKeyMissing, StorageMissing, WrongStorageKey
from storage.key_file import VARIABLE, make_key_file
from tests.support.entropy import SeededEntropy

KEY = "[turn.coturn] secret_files"


def a_secret(home: Home, content: bytes, *, mode: int = 0o600) -> None:
    path = home.path / "turn.secret"
    path.write_bytes(content)
    path.chmod(mode)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_without_settings_there_is_no_bridge_yet(home: Home) -> None:
    with pytest.raises(StartupError, match="switchboard init --home"):
        home.load_settings()


def test_settings_are_read(home: Home) -> None:
    home.settings_file.write_text("[relay]\nport = 7000\n", "utf-8")
    assert home.load_settings().relay.port == 7000


def test_settings_that_are_wrong_are_told(home: Home) -> None:
    home.settings_file.write_text("[relay]\nprot = 7000\n", "utf-8")
    with pytest.raises(SettingsError, match="prot"):
        home.load_settings()


async def test_the_database_lies_in_the_folder(home: Home) -> None:
    make_key_file(home.path / "storage.key")
    storage = await home.open_storage(Settings(), {}, create=True)
    await storage.close()
    assert (home.path / "switchboard.db").is_file()


async def test_without_the_storage_key_nothing_is_opened(home: Home) -> None:
    with pytest.raises(StorageKeyMissing, match=r'storage\.key_file = "storage\.key": there is no file'):
        await home.open_storage(Settings(), {})
    assert not list(home.path.iterdir())


async def test_database_that_is_missing_or_empty_is_never_made_up(home: Home) -> None:
    make_key_file(home.path / "storage.key")
    named = r'storage\.file = "switchboard\.db": '
    with pytest.raises(StorageMissing, match=f"{named}there is no file {home.path}/switchboard.db: name"):
        await home.open_storage(Settings(), {})
    with pytest.raises(StorageMissing, match=f"{named}there is no file"):
        home.read_key(Settings(), {})
    assert [path.name for path in home.path.iterdir()] == ["storage.key"]
    (home.path / "switchboard.db").touch()
    with pytest.raises(StorageMissing, match=f"{named}.* is empty: name"):
        await home.open_storage(Settings(), {})
    with pytest.raises(StorageMissing, match=f"{named}.* is empty: name"):
        home.read_key(Settings(), {})
    assert {path.name for path in home.path.iterdir()} == {"storage.key", "switchboard.db"}


async def test_file_that_is_no_database_names_the_setting(home: Home) -> None:
    make_key_file(home.path / "storage.key")
    (home.path / "switchboard.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(StorageFailed, match=r'storage\.file = "switchboard\.db": .* not a database'):
        await home.open_storage(Settings(), {})
    with pytest.raises(StorageFailed, match=r'storage\.file = "switchboard\.db": .* not a database'):
        home.read_key(Settings(), {})


async def test_wrong_storage_key_names_where_it_came_from(home: Home) -> None:
    make_key_file(home.path / "storage.key")
    make_key_file(home.path / "another.key")
    storage = await home.open_storage(Settings(), {}, create=True)
    await make_identity(storage.secrets, SeededEntropy())
    await storage.close()
    environment = {VARIABLE: f"{home.path}/another.key"}
    came = f"The key came from {VARIABLE}={home.path}/another.key: put the right one there"
    with pytest.raises(WrongStorageKey, match=came):
        await home.open_storage(Settings(), environment)
    with pytest.raises(WrongStorageKey, match=came):
        home.read_key(Settings(), environment)


async def test_the_bridges_key_can_be_read_while_the_bridge_runs(home: Home) -> None:
    make_key_file(home.path / "storage.key")
    storage = await home.open_storage(Settings(), {}, create=True)
    try:
        made = await make_identity(storage.secrets, SeededEntropy())
        assert home.read_key(Settings(), {}) == made.secret
    finally:
        await storage.close()
    assert home.read_key(Settings(), {}) == made.secret


async def test_a_database_without_a_key_says_so(home: Home) -> None:
    make_key_file(home.path / "storage.key")
    storage = await home.open_storage(Settings(), {}, create=True)
    await storage.close()
    with pytest.raises(StartupError, match=r'storage\.file = "switchboard\.db": .* holds no bridge key: name'):
        home.read_key(Settings(), {})


@pytest.mark.parametrize("text", ["north", "north\n", "  north \r\n", "\tnorth"])
def test_a_secret_is_read_without_white_space_around_it(home: Home, text: str) -> None:
    a_secret(home, text.encode())
    assert home.read_secret("turn.secret", KEY) == "north"


def test_a_secret_may_be_as_long_as_the_limit(home: Home) -> None:
    a_secret(home, b"x" * MAX_SECRET_FILE_BYTES)
    assert len(home.read_secret("turn.secret", KEY)) == MAX_SECRET_FILE_BYTES


@pytest.mark.parametrize(
    "content",
    [b"", b" \n\t", b"x" * (MAX_SECRET_FILE_BYTES + 1), "é".encode() * MAX_SECRET_FILE_BYTES],
    ids=["nothing", "white space", "too long", "too long, fewer characters"],
)
def test_a_secret_that_is_empty_or_cut_off_is_refused(home: Home, content: bytes) -> None:
    a_secret(home, content)
    with pytest.raises(StartupError, match="empty or longer") as caught:
        home.read_secret("turn.secret", KEY)
    assert KEY in str(caught.value)


def test_a_secret_that_is_no_text_is_refused_without_showing_it(home: Home) -> None:
    a_secret(home, b"secret\xff")
    with pytest.raises(StartupError, match="not UTF-8") as caught:
        home.read_secret("turn.secret", KEY)
    assert "secret\\" not in str(caught.value)


def test_a_secret_that_is_missing_names_setting_and_file(home: Home) -> None:
    with pytest.raises(StartupError, match="No such file") as caught:
        home.read_secret("turn.secret", KEY)
    assert KEY in str(caught.value)
    assert str(home.path / "turn.secret") in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_secret_that_others_can_read_is_refused_like_the_storage_key(home: Home, mode: int) -> None:
    a_secret(home, b"north", mode=mode)
    with pytest.raises(StartupError, match=rf"{mode:04o}\): chmod 600 {home.path}/turn\.secret") as caught:
        home.read_secret("turn.secret", KEY)
    assert str(caught.value).startswith(f"{KEY}: ")


def test_a_secret_is_written_for_its_owner_only(home: Home) -> None:
    before = os.umask(0)
    try:
        write_secret(home.path / "turn.secret", "north")
    finally:
        os.umask(before)
    assert stat.S_IMODE((home.path / "turn.secret").stat().st_mode) == 0o600
    assert home.read_secret("turn.secret", KEY) == "north"


def test_a_secret_that_is_there_stays(home: Home) -> None:
    write_secret(home.path / "turn.secret", "north")
    with pytest.raises(FileExistsError):
        write_secret(home.path / "turn.secret", "south")
    assert home.read_secret("turn.secret", KEY) == "north"


def test_a_secret_is_made_once_and_one_that_is_there_is_used(home: Home) -> None:
    home.make_secret("turn.secret", KEY, "north")
    home.make_secret("turn.secret", KEY, "south")
    assert home.read_secret("turn.secret", KEY) == "north"


def test_a_secret_that_is_there_and_of_no_use_is_told(home: Home) -> None:
    a_secret(home, b"")
    with pytest.raises(StartupError, match=r"\[turn\.coturn\] secret_files: .* is empty"):
        home.make_secret("turn.secret", KEY, "south")


def test_a_storage_key_is_made_once(home: Home) -> None:
    home.make_key(Settings())
    made = (home.path / "storage.key").read_bytes()
    home.make_key(Settings())
    assert (home.path / "storage.key").read_bytes() == made


def test_a_database_that_lost_its_key_gets_no_new_one(home: Home) -> None:
    (home.path / "switchboard.db").write_bytes(b"SQLite format 3")
    with pytest.raises(StartupError, match=r"switchboard\.db is there and its storage key .*storage\.key is not: put"):
        home.make_key(Settings())
    assert [path.name for path in home.path.iterdir()] == ["switchboard.db"]


def test_settings_are_written_whole_or_not_at_all(home: Home) -> None:
    (home.path / "relay.toml.part").mkdir()
    with pytest.raises(StartupError, match=rf"{home.settings_file} cannot be made or read: Is a directory"):
        home.write_settings(Settings())
    assert not home.is_made()
    (home.path / "relay.toml.part").rmdir()
    (home.path / "relay.toml.part").write_text("half", "utf-8")
    home.write_settings(Settings())
    assert home.load_settings() == Settings()
    assert [path.name for path in home.path.iterdir()] == ["relay.toml"]


def test_settings_that_are_there_are_never_written_over(home: Home) -> None:
    home.settings_file.write_text("[relay]\nport = 7000\n", "utf-8")
    with pytest.raises(StartupError, match="this bridge is made"):
        home.write_settings(Settings())
    assert home.load_settings().relay.port == 7000


def test_a_place_that_cannot_be_looked_at_is_told_with_the_reason(tmp_path: Path) -> None:
    for look in (Home.is_made, Home.load_settings, Home.make_folder):
        with pytest.raises(StartupError, match="cannot be made or read: File name too long: choose another folder"):
            look(Home(tmp_path / ("x" * 300)))


def test_hints_call_the_program_as_the_person_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHBOARD_PROGRAM", "./run")
    with pytest.raises(StartupError, match=r"run `\./run init --home '.*/my folder'` first"):
        Home(tmp_path / "my folder").load_settings()


NO_LIMITS = {"file", "key_file", "purge_interval_seconds"}


@pytest.mark.parametrize("key", [field.name for field in fields(StorageSettings()) if field.name not in NO_LIMITS])
def test_every_figure_of_storage_changes_a_limit(key: str) -> None:
    changes: dict[str, Any] = {key: getattr(StorageSettings(), key) * 2}
    assert storage_limits(StorageSettings(**changes), max_dropped=1) != storage_limits(StorageSettings(), max_dropped=1)


def test_defaults_of_settings_and_storage_agree() -> None:
    assert storage_limits(StorageSettings(), max_dropped=InboxSettings().max_waiting) == Limits()
