"""Faults of ours in the log."""

from __future__ import annotations

import logging
import traceback


def note_fault(log: logging.Logger, error: Exception) -> None:
    """Log an error that nobody foresaw: its class and the line that raised it.

    Not its message, and no values: they may quote what a client sent.
    """
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
    log.error("failed", extra={"facts": {"error": type(error).__name__, "at": place}})
