"""Files that hold secrets: written for their owner alone, and not read when others can get at them.

A file that its group or others can get at is refused, with one exception: one that belongs to another user may be
readable by a group, since that group is then the only way to it. Containers hand secrets over like that, and systemd
shows its credentials so where it grants access by ACL.
"""

from __future__ import annotations

import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path

from storage.errors import FileRefused


def write_private(path: Path, text: str) -> None:
    """Write a new file, durably; raise `FileExistsError` and let it be when there is one, else `OSError`.

    What cannot be written to its end is removed again.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        flush_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def read_private(path: Path, *, max_bytes: int, guarded: bool = False) -> bytes:
    """Return the content, at most one byte more than `max_bytes`; `guarded` says that its folder keeps others out.

    Raise `FileNotFoundError`, or `FileRefused` with path, reason and fix.
    """
    try:
        # Not blocking, or a named pipe in this place would hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            # Of the descriptor, not of the path: the file cannot be exchanged between check and use.
            _check(path, os.fstat(descriptor), guarded)
            return os.read(descriptor, max_bytes + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror}") from error


def flush_folder(folder: Path) -> None:
    """Make names in a folder durable: the name of a new file is so once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check(path: Path, status: os.stat_result, guarded: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise FileRefused(f"{path} is not a file")
    mode = stat.S_IMODE(status.st_mode)
    is_ours = status.st_uid == os.geteuid()
    if not guarded and mode & ~(0o700 if is_ours else 0o740):
        fix = f"chmod {'600' if is_ours else '640'} {shlex.quote(str(path))}"
        raise FileRefused(f"{path} is a secret and others can get at it (mode {mode:04o}): {fix}")
