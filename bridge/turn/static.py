"""One fixed account at a TURN server, the same for everybody: for servers that offer nothing better."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.turn.provider import TurnCredentials


class StaticProvider:
    """Hands out the same user name and password each time; they cannot be told apart, limited or taken back."""

    def __init__(self, *, username: str, password: str, urls: Sequence[str]) -> None:
        self._credentials = TurnCredentials(username, password, tuple(urls))

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        """Return the fixed credentials."""
        return self._credentials
