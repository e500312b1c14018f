"""One fixed account at a TURN server, the same for everybody: for servers that offer nothing better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.turn.provider import TurnCredentials


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticProvider:
    """Hands out the same user name and password each time; they cannot be told apart, limited or taken back."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    urls: Sequence[str]
    name: str = "static"

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        """Return the fixed credentials."""
        return TurnCredentials(self.username, self.password, tuple(self.urls))
