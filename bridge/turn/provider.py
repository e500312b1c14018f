"""What every source of TURN credentials offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TurnCredentials:
    """One user's access to TURN servers; user name and password have no repr."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    urls: Sequence[str]


class TurnProvider(Protocol):
    """A source of TURN credentials."""

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        """Return access for a user known by an opaque name; raise `ProviderFailed`."""
        ...
