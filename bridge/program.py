"""What the person calls this program, for hints that can be typed as they stand."""

from __future__ import annotations

import os


def program() -> str:
    """Return `switchboard`, or what `./run` says that it was called as."""
    return os.environ.get("SWITCHBOARD_PROGRAM") or "switchboard"
