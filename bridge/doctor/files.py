"""Files of a bridge: whose they are, and who else can get at them."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from bridge.administration.place import SOCKET_NAME
from bridge.doctor.examination import Findings
from bridge.doctor.findings import Finding, ok, problem, skipped, warning
from bridge.doctor.subject import Subject
from bridge.errors import StartupError
from bridge.home import SETTINGS_FILE
from bridge.settings.keys import key_of, table_of
from storage.errors import FileRefused, StorageError, StorageKeyMissing
from storage.key_file import VARIABLE, load_key_ring
from storage.private_file import read_private

FAMILY = "files"

ELSEWHERE = f"to have it looked at, name the file that holds the storage key in {VARIABLE}"

_OF_OTHERS = 0o077
_WRITABLE_BY_OTHERS = 0o022
_NO_SECRETS = {"storage.file", "storage.key_file"}


async def check_files(subject: Subject) -> Findings:
    """Look at the home folder and at every file that the settings name."""
    home = subject.home.path
    status = home.stat()
    yield _folder(home, status)
    yield _settings(home / SETTINGS_FILE)
    yield _storage_key(subject)
    troubles = [
        finding
        for name in beside(subject.settings.storage.file)
        if (finding := _data_file(home / name, owner=status.st_uid))
    ]
    for finding in troubles:
        yield finding
    if not troubles:
        found = "it and what lies beside it are for its owner alone"
        yield ok(FAMILY, subject.settings.storage.file, found)
    for key, name in secret_files(subject.settings):
        if finding := _secret(home / name, key):
            yield finding


def beside(database: str) -> Sequence[str]:
    """Return the names of the files that a bridge itself makes."""
    return database, f"{database}-wal", f"{database}-shm", f"{database}.lock", SOCKET_NAME


def secret_files(settings: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Walk over the files with secrets that settings name, each with the full name of its key."""
    for declared in fields(settings):
        name = f"{at}.{declared.name}".lstrip(".")
        value = getattr(settings, declared.name)
        if table_of(declared) is not None:
            yield from secret_files(value, name)
        elif key_of(declared).is_file and name not in _NO_SECRETS:
            yield from ((name, file) for file in ([value] if isinstance(value, str) else value) if file)


def _folder(home: Path, status: os.stat_result) -> Finding:
    mode, shown = stat.S_IMODE(status.st_mode), shlex.quote(str(home))
    if mode & _WRITABLE_BY_OTHERS:
        found = f"others can write there (mode {mode:04o}), and so exchange any file in it"
        return problem(FAMILY, str(home), found, f"chmod 700 {shown}")
    if mode & _OF_OTHERS:
        return warning(FAMILY, str(home), f"others can look into it (mode {mode:04o})", f"chmod 700 {shown}")
    if status.st_uid != os.geteuid():
        found = f"belongs to {user(status.st_uid)}, and you are {user(os.geteuid())}"
        return warning(FAMILY, str(home), found, f"run this as {user(status.st_uid)}, as the bridge does")
    return ok(FAMILY, str(home), f"for {user(status.st_uid)} alone (mode {mode:04o})")


def _settings(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _WRITABLE_BY_OTHERS:
        return problem(
            FAMILY, path.name, f"others can change it (mode {mode:04o})", f"chmod go-w {shlex.quote(str(path))}"
        )
    return ok(FAMILY, path.name, "every key of it is valid")


def _storage_key(subject: Subject) -> Finding:
    source = subject.home.key_source(subject.settings, subject.environment)
    try:
        load_key_ring(source)
    except StorageKeyMissing as error:
        if subject.running_key is not None:
            return skipped(FAMILY, source.shown, "is not there: the running bridge has its storage key", ELSEWHERE)
        return problem(FAMILY, source.shown, *_split(str(error)))
    except StorageError as error:
        return problem(FAMILY, source.shown, *_split(str(error)))
    return ok(FAMILY, source.shown, "nobody else can get at it; have a copy apart from the database")


def _data_file(path: Path, *, owner: int) -> Finding | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    mode, shown = stat.S_IMODE(status.st_mode), shlex.quote(str(path))
    if status.st_uid != owner:
        found = f"belongs to {user(status.st_uid)} and its folder to {user(owner)}: the bridge may not open it"
        return problem(FAMILY, path.name, found, f"chown {user(owner)} {shown}")
    if mode & _OF_OTHERS:
        found = f"others can read it (mode {mode:04o}); it is encrypted, but tells how much goes on"
        return warning(FAMILY, path.name, found, f"chmod 600 {shown}")
    return None


def _secret(path: Path, key: str) -> Finding | None:
    """Judge a secret as the bridge does when it reads it; one that is not there is the business of who needs it."""
    try:
        content = read_private(path, max_bytes=1)
    except FileNotFoundError:
        return None
    except FileRefused as error:
        return problem(FAMILY, f"{key}: {path.name}", *_split(str(error)))
    if not content:
        return problem(FAMILY, f"{key}: {path.name}", "is empty", "write the secret there")
    return ok(FAMILY, f"{key}: {path.name}", "nobody else can get at it")


async def check_identity(subject: Subject) -> Findings:
    """See whether the bridge's own key can be had: without it most other checks cannot be made."""
    if subject.secret is not None:
        yield ok(FAMILY, "bridge key", "is in the database, and opens under the storage key")
        return
    try:
        subject.home.read_key(subject.settings, subject.environment)
    except StorageKeyMissing as error:
        if subject.running_key is not None:
            yield skipped(FAMILY, "bridge key", "the running bridge has it", ELSEWHERE)
            return
        yield problem(FAMILY, "bridge key", *_split(str(error)))
        return
    except (StartupError, StorageError) as error:
        yield problem(FAMILY, "bridge key", *_split(str(error)))
        return
    yield skipped(FAMILY, "bridge key", "could not be read before, and can now", "run this again")


def _split(text: str) -> tuple[str, str]:
    """Part a refusal in what is wrong and what to do, at its last colon."""
    found, _, fix = text.rpartition(": ")
    return (found, fix) if found else (text, "see docs/operator.md")


def user(number: int) -> str:
    """Return the name of a user, or the number of one without."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
