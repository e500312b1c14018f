"""Tests that need a network of their own: each module beside this one named inside_*.py is run in one.

`unshare` makes it for any user where the kernel lets users do so. What the tests inside say is shown when one fails.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.turn.managed.child import find_program
from tests.support.deadline import within

FOLDER = Path(__file__).parent
INSIDE = sorted(path.name for path in FOLDER.glob("inside_*.py"))


def reason_to_skip() -> str | None:
    """Return what is missing here."""
    if find_program() is None:
        return "no turnserver: apt-get install coturn"
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "no unshare or no ip: apt-get install util-linux iproute2"
    trial = subprocess.run(
        ["unshare", "-rn", "sh", FOLDER / "network.sh", "true"], capture_output=True, text=True, check=False
    )
    return f"no network namespace for this user: {trial.stderr.strip()}" if trial.returncode else None


async def run_inside(module: str) -> tuple[int, str]:
    """Run the tests of a module in a new network and return the status and all that was said."""
    process = await asyncio.create_subprocess_exec(
        *("unshare", "-rn", "sh", str(FOLDER / "network.sh")),
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FOLDER / module)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=FOLDER.parent.parent,
    )
    try:
        async with within(240):
            said, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, said.decode(errors="replace")


def test_there_is_something_to_run() -> None:
    assert INSIDE


@pytest.mark.parametrize("module", INSIDE)
async def test_all_of_it_holds_in_a_network_of_its_own(module: str) -> None:
    reason = reason_to_skip()
    if reason is not None:
        pytest.skip(reason)
    status, said = await run_inside(module)
    assert status == 0, said
    assert re.search(r"\b\d+ passed", said), said
    assert not re.search(r"\b\d+ (skipped|xfailed|error)", said), said
