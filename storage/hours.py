"""Deadlines in whole hours, for rows that tell more than they need to by the second.

When a request came is the one true time in an exchange whose wraps are back-dated on purpose (NIP-59). Rows that are
kept for days and only have to go some day keep the hour, so that a thief of the file cannot match them to traffic.
"""

from __future__ import annotations

from typing import Final

_SECONDS: Final = 3600


def hour_after(seconds: int) -> int:
    """Return the first whole hour, counted from the epoch, that is not before a time."""
    return -(-seconds // _SECONDS)


def hour_of(seconds: int) -> int:
    """Return the hour, counted from the epoch, that a time lies in."""
    return seconds // _SECONDS
