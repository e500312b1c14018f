"""How many may be inside at once, and how many may wait for that."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass


class GateFull(Exception):
    """As many wait as may."""


@dataclass(frozen=True, slots=True)
class GateRules:
    """The bounds."""

    max_inside: int = 16
    max_waiting: int = 256


class Gate:
    """Lets in who came first; whoever entered has to leave."""

    def __init__(self, rules: GateRules) -> None:
        self._rules = rules
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.inside = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def adopt(self, rules: GateRules) -> None:
        """Have other bounds; who waits or is inside already stays."""
        self._rules = rules
        self._let_in()

    async def enter(self) -> None:
        """Come in as soon as there is room, or raise `GateFull`."""
        if self.inside < self._rules.max_inside:
            self.inside += 1
            return
        if len(self._waiting) >= self._rules.max_waiting:
            raise GateFull
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove(turn)
            else:
                # Let in and called away in the same moment: the place goes to the next.
                self.leave()
            raise

    def leave(self) -> None:
        """Make room for the next."""
        self.inside -= 1
        self._let_in()

    def _let_in(self) -> None:
        while self.inside < self._rules.max_inside and (turn := self._next()):
            self.inside += 1
            turn.set_result(None)

    def _next(self) -> asyncio.Future[None] | None:
        # One that was cancelled just now takes itself out.
        turn = next((turn for turn in self._waiting if not turn.done()), None)
        if turn is not None:
            self._waiting.remove(turn)
        return turn
