"""Requests that are being answered right now, so that none is worked on twice at once.

Wraps of one rumor that arrive while it is being answered join it, if they are of one kind: answers go back in the kind
of the question. Wraps of the other kind or with more work, and different rumors with one (scope, id), wait for each
other: the second then finds the first one's answer, or that there is none to keep.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from nips.nip59 import Rumor
from storage.interface import Dossier, InboxId


def _nobody_told() -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Arrival:
    """A request rumor on its way to an answer, with all wraps that brought it so far."""

    rumor: Rumor
    wrap_kind: int
    received_at: int
    wrap_ids: list[InboxId]
    links: list[str]
    holds: list[Callable[[], bool]]
    """Each puts off the OK for one of the wraps until it is done with; False when that was given already."""
    on_account: Callable[[], None] = _nobody_told
    """To be told that an account asks, once that is known."""
    source: str = ""
    """What the wrap came by that brought it first: an account, an address or another relay."""
    work_bits: int = 0
    """Work (NIP-13) to which the wraps commit that brought it."""
    is_crowded: bool = False
    """Too many requests of its author wait already."""
    is_sealed: bool = False
    """The answer is being recorded: who comes now is too late to join."""
    is_recorded: bool = False
    """An answer is durable, whatever goes wrong from here on."""
    is_answered: bool = False
    was_seen: bool = False
    """All its wraps came before and were done with, so nothing was recorded."""
    method: str | None = None
    """What it asks for, as far as that was read."""
    is_admitted: bool = False
    """It is an account's, and was let in (protocol.md §1 step 11)."""
    outcome: str = ""
    """What it came to, for those who count."""
    dossier: Dossier | None = None
    """What was on record when it came, as far as it got to be looked up."""
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def hold(self) -> bool:
        """Put off every OK until this is done with; tell whether none was given yet."""
        return all(hold() for hold in self.holds)

    def seal(self) -> None:
        """Let nobody join any more."""
        self.is_sealed = True


class Arrivals:
    """The arrivals in progress. There are at most as many as the inbox has workers."""

    def __init__(self) -> None:
        self._by_rumor: dict[str, Arrival] = {}
        self._locks: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}

    def __len__(self) -> int:
        return len(self._by_rumor)

    @asynccontextmanager
    async def enter(
        self,
        rumor: Rumor,
        *,
        wrap_kind: int,
        received_at: int,
        wrap_id: str,
        link: str,
        hold: Callable[[], bool],
        source: str = "",
        work_bits: int = 0,
    ) -> AsyncIterator[Arrival | None]:
        """Yield the arrival to be answered, or None when the wrap joined one that was answered meanwhile.

        Whoever answers sets `is_answered`; when that fails, each wrap that joined is on its own again.
        """
        while (under_way := self._by_rumor.get(rumor.id)) is not None:
            is_alike = under_way.wrap_kind == wrap_kind and under_way.work_bits >= work_bits
            joins = is_alike and not under_way.is_sealed
            if joins:
                under_way.wrap_ids.append(InboxId(wrap_id, link))
                under_way.holds.append(hold)
                if link not in under_way.links:
                    under_way.links.append(link)
            await under_way.done.wait()
            if joins and under_way.is_answered:
                yield None
                return
        ids, holds = [InboxId(wrap_id, link)], [hold]
        arrival = Arrival(rumor, wrap_kind, received_at, ids, [link], holds, source=source, work_bits=work_bits)
        self._by_rumor[rumor.id] = arrival
        try:
            yield arrival
        finally:
            del self._by_rumor[rumor.id]
            arrival.done.set()

    @asynccontextmanager
    async def alone(self, scope: str, request_id: str) -> AsyncIterator[None]:
        """Hold the only right to answer (scope, id)."""
        key = (scope, request_id)
        lock, waiting = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._locks.pop(key)
            if waiting > 1:
                self._locks[key] = (lock, waiting - 1)
