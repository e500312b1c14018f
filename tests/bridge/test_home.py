"""The folder of a bridge."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bridge.errors import StartupError
from bridge.home import MAX_SECRET_FILE_BYTES, Home, write_secret
from bridge.identity import make_identity
from bridge.settings.problems import SettingsError
from bridge.settings.tree import Settings
from storage.errors import StorageKeyMissing
from storage.key_file import make_key_file
from tests.support.entropy import SeededEntropy

KEY = "[turn.coturn] secret_files"


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
    storage = await home.open_storage(Settings(), {})
    await storage.close()
    assert (home.path / "switchboard.db").is_file()


async def test_without_the_storage_key_nothing_is_opened(home: Home) -> None:
    with pytest.raises(StorageKeyMissing):
        await home.open_storage(Settings(), {})
    assert not (home.path / "switchboard.db").exists()


async def test_the_bridges_key_can_be_read_while_the_bridge_runs(home: Home) -> None:
    make_key_file(home.path / "storage.key")
    storage = await home.open_storage(Settings(), {})
    try:
        made = await make_identity(storage.secrets, SeededEntropy())
        assert home.read_key(Settings(), {}) == made.secret
    finally:
        await storage.close()
    assert home.read_key(Settings(), {}) == made.secret


async def test_a_database_without_a_key_says_so(home: Home) -> None:
    make_key_file(home.path / "storage.key")
    storage = await home.open_storage(Settings(), {})
    await storage.close()
    with pytest.raises(StartupError, match="holds no bridge key"):
        home.read_key(Settings(), {})


@pytest.mark.parametrize("text", ["north", "north\n", "  north \r\n", "\tnorth"])
def test_a_secret_is_read_without_white_space_around_it(home: Home, text: str) -> None:
    (home.path / "turn.secret").write_bytes(text.encode())
    assert home.read_secret("turn.secret", KEY) == "north"


def test_a_secret_may_be_as_long_as_the_limit(home: Home) -> None:
    (home.path / "turn.secret").write_bytes(b"x" * MAX_SECRET_FILE_BYTES)
    assert len(home.read_secret("turn.secret", KEY)) == MAX_SECRET_FILE_BYTES


@pytest.mark.parametrize(
    "content",
    [b"", b" \n\t", b"x" * (MAX_SECRET_FILE_BYTES + 1), "é".encode() * MAX_SECRET_FILE_BYTES],
    ids=["nothing", "white space", "too long", "too long, fewer characters"],
)
def test_a_secret_that_is_empty_or_cut_off_is_refused(home: Home, content: bytes) -> None:
    (home.path / "turn.secret").write_bytes(content)
    with pytest.raises(StartupError, match="empty or longer") as caught:
        home.read_secret("turn.secret", KEY)
    assert KEY in str(caught.value)


def test_a_secret_that_is_no_text_is_refused_without_showing_it(home: Home) -> None:
    (home.path / "turn.secret").write_bytes(b"secret\xff")
    with pytest.raises(StartupError, match="not UTF-8") as caught:
        home.read_secret("turn.secret", KEY)
    assert "secret\\" not in str(caught.value)


def test_a_secret_that_is_missing_names_setting_and_file(home: Home) -> None:
    with pytest.raises(StartupError, match="No such file") as caught:
        home.read_secret("turn.secret", KEY)
    assert KEY in str(caught.value)
    assert str(home.path / "turn.secret") in str(caught.value)


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
