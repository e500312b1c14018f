"""How many may be inside at once, how many may wait for that, and how much of either one user may have."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass

NOBODY = ""
"""The user of what is done for all; it has its turn like any other, but no bound of its own."""


class GateFull(Exception):
    """As many wait as may, of all or of this user."""


@dataclass(frozen=True, slots=True)
class GateRules:
    """The bounds."""

    max_inside: int = 16
    max_waiting: int = 256
    max_inside_each: int = 2
    """Of one user; of the room to wait in one user has the same share."""

    @property
    def max_waiting_each(self) -> int:
        """How many of one user may wait."""
        share = max(1, self.max_waiting * self.max_inside_each // self.max_inside)
        return min(self.max_waiting, share)


class Gate:
    """Lets users in by turns, each user's calls as they came; whoever entered has to leave."""

    def __init__(self, rules: GateRules) -> None:
        self._rules = rules
        # The user whose turn is next comes first.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._inside: Counter[str] = Counter()
        self.inside = 0
        self.waiting = 0

    def adopt(self, rules: GateRules) -> None:
        """Have other bounds; who waits or is inside already stays."""
        self._rules = rules
        self._let_in()

    async def enter(self, user: str) -> None:
        """Come in as soon as there is room, or raise `GateFull`."""
        if self._has_room(user):
            self._admit(user)
            return
        if self.waiting >= self._rules.max_waiting or not self._may_wait(user):
            raise GateFull
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(user, deque()).append(turn)
        self.waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._take_out(user, turn)
            else:
                # Let in and called away in the same moment: the place goes to the next.
                self.leave(user)
            raise

    def leave(self, user: str) -> None:
        """Make room for the next."""
        self.inside -= 1
        self._inside[user] -= 1
        if not self._inside[user]:
            del self._inside[user]
        self._let_in()

    def _has_room(self, user: str) -> bool:
        is_bound = user != NOBODY and self._inside[user] >= self._rules.max_inside_each
        return self.inside < self._rules.max_inside and not is_bound

    def _may_wait(self, user: str) -> bool:
        return user == NOBODY or len(self._waiting.get(user, ())) < self._rules.max_waiting_each

    def _admit(self, user: str) -> None:
        self.inside += 1
        self._inside[user] += 1

    def _let_in(self) -> None:
        while self.inside < self._rules.max_inside and (found := self._next()):
            user, turn = found
            self._take_out(user, turn)
            if user in self._waiting:
                # After one of theirs it is the others' turn.
                self._waiting[user] = self._waiting.pop(user)
            self._admit(user)
            turn.set_result(None)

    def _next(self) -> tuple[str, asyncio.Future[None]] | None:
        for user, turns in self._waiting.items():
            # One that was cancelled just now takes itself out.
            turn = next((turn for turn in turns if not turn.done()), None)
            if turn is not None and self._has_room(user):
                return user, turn
        return None

    def _take_out(self, user: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting[user]
        turns.remove(turn)
        self.waiting -= 1
        if not turns:
            del self._waiting[user]
