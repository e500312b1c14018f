"""A wrap for the bridge on its way: where it came from, who waits for it, and what they are told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto

from nips.event import VerifiedEvent
from nips.nip59 import Rumor
from storage.interface import InboxId


class Fate(Enum):
    """What whoever brought a wrap is told about it."""

    DONE = auto()
    KNOWN = auto()
    """It came before."""
    LATE = auto()
    """It is still being worked on."""
    TURNED_AWAY = auto()
    """Its turn did not come in time; nobody looked at it."""
    TROUBLE = auto()
    """Nobody works on it any more, and it is not done with."""


@dataclass(slots=True, eq=False)
class Waiting:
    wrap: VerifiedEvent
    link: str
    received_at: int
    since: float
    """When it came, by the clock that never steps back."""
    is_kept: bool
    """It is in the store, or on its way there, so it is tried until it is done with."""
    source: str = ""
    is_known: bool = False
    """Its source is an account."""
    is_held: bool = False
    """Its connection waits with it, and it is written down only once somebody works on it."""
    rumor: Rumor | None = None
    """What is inside, once that was looked at and had to wait."""
    has_seat: bool = False
    """It waited for its author's other requests, and its turn has come."""
    fate: asyncio.Future[Fate] | None = None
    """Who waits for it, unless it was kept first."""
    patience: asyncio.TimerHandle | None = None

    def tell(self, fate: Fate) -> None:
        """Tell who waits, if somebody still does."""
        if self.fate is not None and not self.fate.done():
            self.fate.set_result(fate)

    def hold(self) -> bool:
        """Have who waits wait for the end; tell whether somebody does, or whether it was acknowledged already."""
        if self.fate is None or self.fate.done() or self.patience is None:
            return False
        self.patience.cancel()
        return True

    @property
    def id(self) -> InboxId:
        """What makes it this entry."""
        return InboxId(self.wrap.id, self.link)
