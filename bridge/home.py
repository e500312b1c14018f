"""The folder that a bridge lives in: settings, storage key, secrets and database."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import StartupError
from bridge.identity import NOSTR_KEY
from bridge.settings.reading import load_settings
from bridge.settings.tree import Settings
from nips.keys import SecretKey
from storage.database import Limits
from storage.key_file import load_key_ring
from storage.secrets import read_secret
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

    def load_settings(self) -> Settings:
        """Read the settings; raise `SettingsError`, or `StartupError` when there is nothing here yet."""
        if not self.settings_file.exists():
            raise StartupError(f"{self.settings_file} is not there: run `switchboard init --home {self.path}` first")
        return load_settings(self.settings_file)

    async def open_storage(self, settings: Settings, environment: Mapping[str, str]) -> SqliteStorage:
        """Open the database under the storage key; raise a `StorageError` that says what to do."""
        configured = settings.storage
        ring = load_key_ring(self.path / configured.key_file, environment)
        limits = Limits(max_queue=configured.max_queue, max_batch=configured.max_batch, readers=configured.readers)
        return await open_storage(self.path / configured.file, ring, limits)

    def read_key(self, settings: Settings, environment: Mapping[str, str]) -> SecretKey:
        """Return the bridge's Nostr key, also while the bridge runs."""
        ring = load_key_ring(self.path / settings.storage.key_file, environment)
        raw = read_secret(self.path / settings.storage.file, ring, NOSTR_KEY)
        if raw is None:
            raise StartupError(f"{self.path / settings.storage.file} holds no bridge key")
        return SecretKey(raw)

    def read_secret(self, name: str, key: str) -> str:
        """Return the text of a secret file that a setting `key` names, without white space around it."""
        path = self.path / name
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_SECRET_FILE_BYTES + 1)
            text = raw.decode().strip() if len(raw) <= MAX_SECRET_FILE_BYTES else ""
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise StartupError(f"{key}: cannot read {path}: {reason}") from None
        if not text:
            raise StartupError(f"{key}: {path} is empty or longer than {MAX_SECRET_FILE_BYTES} bytes")
        return text


def write_secret(path: Path, text: str) -> None:
    """Write a new file that only its owner reads; a file that is there stays and raises `FileExistsError`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
