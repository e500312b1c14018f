"""Every no that a client can get, and the one table that turns it into words.

    Refused
    ├── Unacceptable    the event's kind or time, or something else about it, is not for us
    ├── Blocked         we do not take or do such a thing at all
    ├── WorkNeeded      less work went into the event than we ask for (NIP-13)
    ├── RateLimited     too fast, or too much of it
    ├── AuthRequired    only for somebody who proved a key, and nobody did (NIP-42)
    └── Restricted      a key was proved, and it is not the right one (NIP-42)

These texts and those of `nips` are written for the client. Those of the storage and of anything unforeseen are not:
they could tell what is stored here, so the client only reads that something of ours failed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from nips.errors import NipError
from nips.messages import Prefix, Unsupported
from storage.errors import ReadTooLarge, StorageError, StorageFull


class Refused(Exception):
    """Something a client asked for is not done; the text is for the client."""


class Unacceptable(Refused):
    """An event that is well made, and out of place."""


class Blocked(Refused):
    """Something that this relay does for nobody."""


class WorkNeeded(Refused):
    """An event that cost its author too little."""


class RateLimited(Refused):
    """Too fast, or too much."""


class AuthRequired(Refused):
    """Somebody who has proved no key asks for what belongs to one."""


class Restricted(Refused):
    """Somebody who has proved a key asks for what belongs to another."""


Refusal = tuple[Prefix, str | None]
"""The prefix, and the text if the error's own is not for the client."""

REFUSALS: Mapping[type[BaseException], Refusal] = {
    NipError: (Prefix.INVALID, None),
    Unsupported: (Prefix.UNSUPPORTED, None),
    Unacceptable: (Prefix.INVALID, None),
    Blocked: (Prefix.BLOCKED, None),
    WorkNeeded: (Prefix.POW, None),
    RateLimited: (Prefix.RATE_LIMITED, None),
    AuthRequired: (Prefix.AUTH_REQUIRED, None),
    Restricted: (Prefix.RESTRICTED, None),
    ReadTooLarge: (Prefix.ERROR, "this takes too long to find, ask for less"),
    StorageFull: (Prefix.ERROR, "this relay is full, try another or come back later"),
    StorageError: (Prefix.ERROR, "try again later"),
    Exception: (Prefix.ERROR, "internal error"),
}


def words_for(error: Exception) -> str:
    """Return the message of OK or CLOSED for an error: its class's entry, or the nearest above it."""
    prefix, text = next(REFUSALS[cls] for cls in type(error).__mro__ if cls in REFUSALS)
    return prefix.says(str(error) if text is None else text)


def is_foreseen(error: Exception) -> bool:
    """Tell whether an error has an entry of its own; anything else is a fault of ours, and belongs into the log."""
    return any(cls in REFUSALS for cls in type(error).__mro__ if cls is not Exception)


def slow_down(wait_seconds: float) -> RateLimited:
    """Return the refusal of somebody who has to wait, in whole seconds, rounded up."""
    return RateLimited(f"slow down, wait {max(1, math.ceil(wait_seconds))} s")
