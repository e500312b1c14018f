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
    """TURN addresses for clients: the configured ones, or the provider's own where there are none."""
    valid_seconds: int | None = None
    """How long they are accepted from now on; None: for good."""
    stun_urls: Sequence[str] = ()
    """STUN addresses that belong to the same servers, for operators who configure none."""


class TurnProvider(Protocol):
    """A source of TURN credentials."""

    @property
    def name(self) -> str:
        """The word that names it in the settings; there is one of each in a chain."""
        ...

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        """Return access for a user known by an opaque name; raise `ProviderFailed`."""
        ...
