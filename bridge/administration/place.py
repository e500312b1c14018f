"""Where the admin socket is: in the home, however long its name is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SOCKET_NAME: Final = "admin.sock"

MAX_PATH_BYTES: Final = 107
"""Longest name of a socket that Linux takes (unix(7))."""


@contextmanager
def within_reach(path: Path) -> Iterator[Path]:
    """Name a socket so that the system takes it: by way of its open folder, if its own name is too long."""
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        yield path
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{folder}") / path.name
    finally:
        os.close(folder)
