"""What holds for every test: the tools of .venv come first, nothing of the developer's settings leaks in."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# Set where everything that tests need is installed: a skip is then a hole in the net, and fails.
SKIPS_FAIL = os.environ.pop("SWITCHBOARD_SKIPS_FAIL", "") == "1"

# Two cores, often shared: how long an example takes says nothing. Where nobody watches, runs are repeatable.
settings.register_profile("switchboard", deadline=None)
settings.register_profile("unattended", parent=settings.get_profile("switchboard"), derandomize=True, database=None)


def pytest_configure() -> None:
    """Prepare the environment that tests, and the programs they start, run in."""
    settings.load_profile("unattended" if SKIPS_FAIL else "switchboard")
    for name in [name for name in os.environ if name.startswith("SWITCHBOARD_")]:
        del os.environ[name]
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where everything is installed."""
    report = yield
    if SKIPS_FAIL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: nothing may be skipped here, but: {reason}"
    return report
