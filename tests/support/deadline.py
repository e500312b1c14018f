"""Deadlines of tests: generous, in one unit, and stretched where machines are slow."""

from __future__ import annotations

import asyncio
import os

SCALE = float(os.environ.get("DEADLINE_SCALE", "1"))


def within(seconds: float = 10.0) -> asyncio.Timeout:
    """Fail with TimeoutError what takes longer."""
    return asyncio.timeout(seconds * SCALE)
