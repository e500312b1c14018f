"""Running the real command line."""

from __future__ import annotations

import os
import subprocess


def switchboard(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in a terminal-less environment with nothing but PATH and what is given."""
    return subprocess.run(
        ["switchboard", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
    )
