"""The folder that a bridge lives in: settings, storage key, secrets and database."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import StartupError
from bridge.identity import NOSTR_KEY
from bridge.program import program
from bridge.settings.reading import load_settings
from bridge.settings.rendering import render
from bridge.settings.tree import Settings
from bridge.settings.upkeep import StorageSettings
from bridge.settings.values import write_value
from nips.keys import SecretKey
from storage.database import Limits
from storage.database_file import holds_data
from storage.errors import FileRefused, StorageFailed, StorageMissing, WrongStorageKey
from storage.key_file import KeySource, find_key, load_key_ring, make_key_file
from storage.private_file import flush_folder, read_private, write_private
from storage.secrets import read_secret
from storage.space import SpaceLimits
from storage.sqlite import SqliteStorage, open_storage

SETTINGS_FILE = "relay.toml"
MAX_SECRET_FILE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Home:
    """One bridge's folder; file names in the settings are relative to it."""

    path: Path

    @property
    def settings_file(self) -> Path:
        """The settings."""
        return self.path / SETTINGS_FILE

    def is_made(self) -> bool:
        """Tell whether a bridge is here: its settings are written last, so they say that it is complete."""
        with _writing(self.path):
            try:
                self.settings_file.stat()
            except (FileNotFoundError, NotADirectoryError):
                return False
            return True

    def load_settings(self) -> Settings:
        """Read the settings; raise `SettingsError`, or `StartupError` when there is nothing here yet."""
        if not self.is_made():
            init = f"{program()} init --home {shlex.quote(str(self.path))}"
            raise StartupError(f"{self.settings_file} is not there: run `{init}` first")
        return load_settings(self.settings_file)

    def key_source(self, settings: Settings, environment: Mapping[str, str]) -> KeySource:
        """Return where the storage key comes from."""
        name = settings.storage.key_file
        return find_key(self.path / name, environment, setting=f"storage.key_file = {write_value(name)}")

    async def open_storage(
        self, settings: Settings, environment: Mapping[str, str], *, create: bool = False
    ) -> SqliteStorage:
        """Open the database under the storage key; raise a `StorageError` that says what to do.

        Only with `create` is one made where there is none: whoever mistyped its name is not given an empty one.
        """
        configured = settings.storage
        source = self.key_source(settings, environment)
        ring = load_key_ring(source)
        limits = storage_limits(configured, max_dropped=settings.inbox.max_waiting)
        with _naming(settings, source):
            return await open_storage(self.path / configured.file, ring, limits, create=create)

    def read_key(self, settings: Settings, environment: Mapping[str, str]) -> SecretKey:
        """Return the bridge's Nostr key, also while the bridge runs."""
        raw = self.read_stored(settings, environment, NOSTR_KEY)
        if raw is None:
            raise StartupError(
                f"storage.file = {write_value(settings.storage.file)}: {self.path / settings.storage.file} holds no "
                "bridge key: name the database that is meant, or put it back from a backup"
            )
        return SecretKey(raw)

    def read_stored(self, settings: Settings, environment: Mapping[str, str], name: str) -> bytes | None:
        """Return one of the bridge's own secrets out of its database, also while it runs."""
        source = self.key_source(settings, environment)
        ring = load_key_ring(source)
        with _naming(settings, source):
            return read_secret(self.path / settings.storage.file, ring, name)

    def read_secret(self, name: str, key: str) -> str:
        """Return the text of a secret file that a setting `key` names, without white space around it."""
        path = self.path / name
        try:
            raw = read_private(path, max_bytes=MAX_SECRET_FILE_BYTES)
            text = raw.decode().strip() if len(raw) <= MAX_SECRET_FILE_BYTES else ""
        except FileNotFoundError as error:
            raise StartupError(f"{key}: cannot read {path}: {error.strerror}: write the secret there") from None
        except UnicodeDecodeError:
            raise StartupError(f"{key}: cannot read {path}: not UTF-8 text") from None
        except FileRefused as error:
            raise StartupError(f"{key}: {error}") from None
        if not text:
            raise StartupError(f"{key}: {path} is empty or longer than {MAX_SECRET_FILE_BYTES} bytes")
        return text

    def make_folder(self) -> None:
        """Make the folder, for its owner only; one that is there is left as it is."""
        with _writing(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def make_key(self, settings: Settings) -> None:
        """Make the storage key unless there is one; never a second one for a database that has lost its own."""
        key, database = self.path / settings.storage.key_file, self.path / settings.storage.file
        if os.path.lexists(key):
            return
        if holds_data(database):
            raise StartupError(
                f"{database} is there and its storage key {key} is not: put the key back from your copy. Without it "
                "nothing in the database can be read; if that bridge is given up, remove the database, or choose "
                "another --home"
            )
        make_key_file(key)

    def make_secret(self, name: str, key: str, text: str) -> None:
        """Write a secret file that a setting `key` names; one that is there already must be usable, and stays."""
        with _writing(self.path / name):
            try:
                write_secret(self.path / name, text)
            except FileExistsError:
                self.read_secret(name, key)

    def write_settings(self, settings: Settings) -> None:
        """Write the settings, all or nothing; raise `StartupError` when they are there already."""
        if self.is_made():
            raise StartupError(made_already(self))
        part = self.settings_file.with_name(f"{SETTINGS_FILE}.part")
        with _writing(self.settings_file):
            try:
                with part.open("w", encoding="utf-8") as file:
                    file.write(render(settings))
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(self.settings_file)
                flush_folder(self.path)
            except OSError:
                with suppress(OSError):
                    part.unlink()
                raise


def made_already(home: Home) -> str:
    """Say that there is a bridge in this place, and how to start it."""
    run = f"{program()} run --home {shlex.quote(str(home.path))}"
    return f"{home.settings_file} exists: this bridge is made; `{run}` starts it"


def write_secret(path: Path, text: str) -> None:
    """Write a new file that only its owner reads; a file that is there stays and raises `FileExistsError`."""
    write_private(path, f"{text}\n")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say in words what the system has against this path."""
    try:
        yield
    except OSError as error:
        raise StartupError(
            f"{path} cannot be made or read: {error.strerror}: choose another folder with --home, or mend this one"
        ) from None


@contextmanager
def _naming(settings: Settings, source: KeySource) -> Iterator[None]:
    """Name the settings that led to a database or key that cannot be used."""
    try:
        yield
    except StorageMissing as error:
        raise StorageMissing(f"storage.file = {write_value(settings.storage.file)}: {error}") from error
    except WrongStorageKey as error:
        raise WrongStorageKey(f"{error}. The key came from {source.name}: put the right one there") from error
    except StorageFailed as error:
        raise StorageFailed(f"storage.file = {write_value(settings.storage.file)}: {error}") from error


def storage_limits(settings: StorageSettings, *, max_dropped: int) -> Limits:
    """Return the limits that the settings ask for, and how many wraps without an answer are remembered."""
    return Limits(
        max_queue=settings.max_queue,
        max_batch=settings.max_batch,
        readers=settings.readers,
        max_dropped=max_dropped,
        max_read_steps=settings.max_read_steps,
        max_erased_keys=settings.max_erased_keys,
        max_revoked_each=settings.max_revoked_each,
        max_blocked_keys=settings.max_blocked_keys,
        space=SpaceLimits(
            max_bytes=settings.max_bytes,
            reserve_bytes=settings.reserve_bytes,
            max_log_bytes=settings.max_log_bytes,
        ),
    )
