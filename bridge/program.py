"""What the person calls this program, for hints that can be typed as they stand."""

from __future__ import annotations

import os
from pathlib import PurePath


def program() -> str:
    """Return `switchboard`, or what `./run` says that it was called as."""
    return os.environ.get("SWITCHBOARD_PROGRAM") or "switchboard"


def typed(name: str) -> str:
    """Return a command as it is typed; `./run` alone is its own `run`."""
    called = program()
    return called if name == "run" and PurePath(called).name == "run" else f"{called} {name}"
