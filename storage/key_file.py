"""Where the storage key comes from.

A key file holds one key per line, `<id 0-255>:<64 hex digits>`; the last is the newest and encrypts, the others decrypt
what is older. Empty lines and lines that start with `#` are skipped.

It is looked for in three places, the first that is named wins: the file that the environment variable
`SWITCHBOARD_STORAGE_KEY_FILE` names, the systemd credential `switchboard-storage-key`, the configured file.

A file that its group or others can read is refused, with two exceptions. A systemd credential is not looked at: systemd
shows it as group-readable where it grants access by ACL, and the folder is the service's own. The file of the variable,
the way of containers, may be readable by a group while it belongs to another user, since that group is then the only
way to it; to others it may not be.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from storage.encryption import KeyRing, new_key
from storage.errors import StorageFailed, StorageKeyExists, StorageKeyMissing, StorageKeyRefused

VARIABLE: Final = "SWITCHBOARD_STORAGE_KEY_FILE"
CREDENTIAL: Final = "switchboard-storage-key"

_MAX_BYTES: Final = 65_536
_LINE = re.compile(r"(\d{1,3}):([0-9a-fA-F]{64})", re.ASCII)


def make_key_file(path: Path) -> None:
    """Write a new key to a file that only its owner can read; raise `StorageKeyExists` when there is one already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise StorageKeyExists(f"{path} exists; without its key everything stored is lost, so it stays") from None
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"1:{new_key().hex()}\n")
        file.flush()
        os.fsync(file.fileno())
    _flush_folder(path.parent)


def load_key_ring(configured: Path, environment: Mapping[str, str]) -> KeyRing:
    """Return the keys from the first place that is named; raise `StorageKeyMissing` or `StorageKeyRefused`."""
    if named := environment.get(VARIABLE):
        return _load(Path(named), _allowed_for_variable)
    if folder := environment.get("CREDENTIALS_DIRECTORY"):
        credential = Path(folder) / CREDENTIAL
        if credential.exists():
            return _load(credential, lambda _status: 0o777)
    return _load(configured, lambda _status: 0o700)


def _allowed_for_variable(status: os.stat_result) -> int:
    return 0o700 if status.st_uid == os.geteuid() else 0o740


def _load(path: Path, allowed: Callable[[os.stat_result], int]) -> KeyRing:
    keys = []
    for number, line in enumerate(_read(path, allowed).splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None or int(match[1]) > 255:
            raise StorageKeyRefused(f"{path}, line {number}: a key is written <id 0-255>:<64 hex digits>")
        keys.append((int(match[1]), bytes.fromhex(match[2])))
    try:
        return KeyRing(keys)
    except ValueError as error:
        raise StorageKeyRefused(f"{path}: {error}") from None


def _read(path: Path, allowed: Callable[[os.stat_result], int]) -> str:
    try:
        # Not blocking, or a named pipe in this place would hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _check(path, os.fstat(descriptor), allowed)
            content = os.read(descriptor, _MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise StorageKeyMissing(f"there is no storage key at {path}: make one with `switchboard init`") from None
    except OSError as error:
        raise StorageKeyRefused(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > _MAX_BYTES:
        raise StorageKeyRefused(f"{path} is larger than {_MAX_BYTES} bytes: that is no key file")
    return content.decode("ascii", errors="replace")


def _check(path: Path, status: os.stat_result, allowed: Callable[[os.stat_result], int]) -> None:
    # Of the descriptor, not of the path: the file cannot be exchanged between check and use.
    if not stat.S_ISREG(status.st_mode):
        raise StorageKeyRefused(f"{path} is not a file")
    mode = stat.S_IMODE(status.st_mode)
    if mode & ~allowed(status):
        raise StorageKeyRefused(
            f"{path} is the storage key and others can get at it (mode {mode:04o}): chmod 600 {path}"
        )


def _flush_folder(folder: Path) -> None:
    # The name of a new file is durable once its folder is.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
