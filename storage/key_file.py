"""Where the storage key comes from.

A key file holds one key per line, `<id 0-255>:<64 hex digits>`; the last is the newest and encrypts, the others decrypt
what is older. Empty lines and lines that start with `#` are skipped.

It is looked for in three places, the first that is named wins: the file that the environment variable
`SWITCHBOARD_STORAGE_KEY_FILE` names, the systemd credential `switchboard-storage-key`, the configured file.

A file that others can get at is refused (`storage/private_file.py`). Only a systemd credential is not looked at: the
folder that it lies in is the service's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.encryption import KeyRing, new_key
from storage.errors import FileRefused, StorageFailed, StorageKeyExists, StorageKeyMissing, StorageKeyRefused
from storage.private_file import read_private, write_private

VARIABLE: Final = "SWITCHBOARD_STORAGE_KEY_FILE"
CREDENTIAL: Final = "switchboard-storage-key"

_MAX_BYTES: Final = 65_536
_FORM: Final = "<id 0-255>:<64 hex digits>"
_LINE = re.compile(r"(\d{1,3}):([0-9a-fA-F]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeySource:
    """The place from which the storage key comes."""

    path: Path
    name: str
    """What names this place, for the operator: variable, credential or setting."""
    is_configured: bool = True
    """Whether the settings name it; else something outside them does, and nobody makes a key there."""
    is_credential: bool = False

    @property
    def shown(self) -> str:
        """What to back up, in the operator's words."""
        return self.name if self.is_credential else str(self.path)


def find_key(configured: Path, environment: Mapping[str, str], *, setting: str) -> KeySource:
    """Return the first place that is named; `setting` names the configured one. What is there is not looked at."""
    if named := environment.get(VARIABLE):
        return KeySource(Path(named), f"{VARIABLE}={named}", is_configured=False)
    if folder := environment.get("CREDENTIALS_DIRECTORY"):
        credential = Path(folder) / CREDENTIAL
        if credential.exists():
            return KeySource(credential, f"systemd credential {CREDENTIAL}", is_configured=False, is_credential=True)
    return KeySource(configured, setting)


def make_key_file(path: Path) -> None:
    """Write a new key to a file that only its owner can read; raise `StorageKeyExists` when there is one already."""
    try:
        write_private(path, f"1:{new_key().hex()}\n")
    except FileExistsError:
        raise StorageKeyExists(f"{path} exists; without its key everything stored is lost, so it stays") from None
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}") from error


def load_key_ring(source: KeySource) -> KeyRing:
    """Return the keys of a place; raise `StorageKeyMissing` or `StorageKeyRefused`, which name it and a fix."""
    try:
        return KeyRing(_parse(source, _read(source)))
    except ValueError as error:
        raise StorageKeyRefused(f"{source.name}: {source.path}: {error}; {_cure(source)}") from None


def _read(source: KeySource) -> str:
    try:
        content = read_private(source.path, max_bytes=_MAX_BYTES, guarded=source.is_credential)
    except FileNotFoundError:
        raise StorageKeyMissing(f"{source.name}: there is no file {source.path}: {_cure(source)}") from None
    except FileRefused as error:
        raise StorageKeyRefused(f"{source.name}: {error}") from error
    if len(content) > _MAX_BYTES:
        raise StorageKeyRefused(
            f"{source.name}: {source.path} is larger than {_MAX_BYTES} bytes: name the file that holds the storage key"
        )
    return content.decode("ascii", errors="replace")


def _cure(source: KeySource) -> str:
    if source.is_configured:
        return f"put the storage key back there from your copy, or name the file that holds it here or in {VARIABLE}"
    return f"put the storage key there (for a new bridge a line {_FORM}), or unset the variable"


def _parse(source: KeySource, content: str) -> list[tuple[int, bytes]]:
    keys = []
    for number, line in enumerate(content.splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None or int(match[1]) > 255:
            raise StorageKeyRefused(f"{source.name}: {source.path}, line {number}: a key is written {_FORM}")
        keys.append((int(match[1]), bytes.fromhex(match[2])))
    return keys
