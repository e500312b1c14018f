"""Runs checks side by side, each under its deadline, and tells what they find as they find it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from bridge.doctor.findings import Finding, problem

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Checks that run side by side."""

Findings = AsyncGenerator[Finding, None]


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its family, the thing that it looks at, and how."""

    family: str
    about: str
    examine: Callable[[], Findings]


class Audience(Protocol):
    """Whoever follows an examination."""

    def begun(self, check: Check) -> None:
        """Hear that a check runs."""
        ...

    def told(self, finding: Finding) -> None:
        """Hear what was found."""
        ...

    def ended(self, check: Check) -> None:
        """Hear that a check is over."""
        ...


async def examine(checks: Sequence[Check], audience: Audience, *, seconds: float) -> None:
    """Run all checks; one that takes longer than `seconds`, or fails of itself, is a finding too."""
    places = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as tasks:
        for check in checks:
            tasks.create_task(_run(check, audience, places, seconds))


async def _run(check: Check, audience: Audience, places: asyncio.Semaphore, seconds: float) -> None:
    async with places:
        audience.begun(check)
        try:
            async with asyncio.timeout(seconds), aclosing(check.examine()) as findings:
                async for finding in findings:
                    audience.told(finding)
        except TimeoutError:
            audience.told(
                problem(
                    check.family,
                    check.about,
                    f"not done within {seconds:g} seconds",
                    "look at network and load of this machine, or give more time with --patience",
                )
            )
        except Exception as error:
            # One check's fault must not hide what the others find.
            log.exception("a check failed")
            audience.told(
                problem(
                    check.family,
                    check.about,
                    f"the check itself failed ({type(error).__name__})",
                    "this is a fault of ours: please report it with the output of --debug",
                )
            )
        finally:
            audience.ended(check)
