"""Who is next: wraps for the bridge wait in one line for each source, so that nobody waits behind what others send.

A source is what a wrap came by: an account whose key its connection proved, else an address, else another relay's link.
What is inside says nothing until it is opened, and anybody may make any amount of it. So sources take turns, and those
that are accounts come before all others: these get one turn in so many, and no more than some workers at once. While
accounts ask, and most of what the others send comes to nothing, they get only one: whatever is done for them in between
makes accounts wait, however short it is.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from nips.keys import PublicKey

TURNS_OF_ACCOUNTS = 8
"""Turns that accounts have for each one of the others, when both wait."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a wrap came from, as far as it shows outside."""

    keys: Collection[PublicKey] = ()
    """Keys that its connection proved."""
    sender: str = ""
    """The address of that, or nothing."""


NOWHERE = Origin()


QUIET_SECONDS = 1.0
"""How long it takes until accounts that ask no more do not count."""


MOST_VAIN = 64
VAIN = 32
"""Wraps that came to nothing, less those that were an account's, from which on the others are a flood."""


class Waits(Protocol):
    """Something that waits in line."""

    source: str
    is_known: bool
    """Its source is an account."""


T = TypeVar("T", bound=Waits)


@dataclass(slots=True)
class _Class(Generic[T]):
    """Sources that are treated alike, those who are next first."""

    queues: OrderedDict[str, OrderedDict[T, None]] = field(default_factory=OrderedDict)
    waiting: int = 0
    working: int = 0

    def put(self, item: T) -> None:
        self.queues.setdefault(item.source, OrderedDict())[item] = None
        self.waiting += 1

    def take(self) -> T:
        source, queue = self.queues.popitem(last=False)
        item, _ = queue.popitem(last=False)
        if queue:
            self.queues[source] = queue
        self.waiting -= 1
        self.working += 1
        return item

    def remove(self, item: T) -> bool:
        queue = self.queues.get(item.source, OrderedDict())
        if item not in queue:
            return False
        del queue[item]
        if not queue:
            del self.queues[item.source]
        self.waiting -= 1
        return True


class Line(Generic[T]):
    """Gives work to workers. Who puts things in bounds how many there are."""

    def __init__(self, *, strangers_at_once: int, monotonic: Callable[[], float]) -> None:
        self._at_once = strangers_at_once
        self._monotonic = monotonic
        self._busy_until = monotonic()
        self._vain = 0
        self._accounts = _Class[T]()
        self._strangers = _Class[T]()
        self._turns = 0
        """Of accounts since the last one of another source."""
        self._unfinished = 0
        self._idle: deque[asyncio.Future[None]] = deque()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def waiting(self) -> int:
        """How many nobody works on yet."""
        return self._accounts.waiting + self._strangers.waiting

    def waiting_like(self, item: T) -> int:
        """Return how many wait that are treated like this one."""
        return self._class_of(item).waiting

    def waiting_of(self, item: T) -> int:
        """Return how many of its source wait."""
        return len(self._class_of(item).queues.get(item.source, ()))

    def put(self, item: T) -> None:
        """Let something wait."""
        self._unfinished += 1
        self._empty.clear()
        self._note(item)
        self._class_of(item).put(item)
        self._wake()

    async def get(self) -> T:
        """Wait for the next thing to work on; `done` or `again` follows."""
        while (taken := self._next()) is None:
            ready = asyncio.get_running_loop().create_future()
            self._idle.append(ready)
            try:
                await ready
            except asyncio.CancelledError:
                # Whoever was woken for nothing passes it on.
                if ready.done() and not ready.cancelled():
                    self._wake()
                raise
            finally:
                if ready in self._idle:
                    self._idle.remove(ready)
        if self._accounts.waiting or self._may_take_stranger():
            self._wake()
        return taken

    def done(self, item: T) -> None:
        """End the work on something."""
        if not item.is_known:
            self._vain = min(MOST_VAIN, self._vain + 1)
        self.leave(item)
        self._finish()

    def withdraw(self, item: T) -> bool:
        """Take out what nobody works on yet; False: somebody does."""
        is_out = self._class_of(item).remove(item)
        if is_out:
            self._finish()
        return is_out

    def leave(self, item: T) -> None:
        """Stop to work on something that is not finished: it is put back with `again`."""
        self._note(item)
        self._class_of(item).working -= 1
        self._wake()

    def again(self, item: T) -> None:
        """Let something wait again, at the end of its source's line."""
        self._class_of(item).put(item)
        self._wake()

    def promote(self, item: T) -> None:
        """Know for an account's what is being worked on."""
        if not item.is_known:
            self._strangers.working -= 1
            item.is_known = True
            self._accounts.working += 1
            self._vain //= 2
            self._note(item)
            self._wake()

    async def finished(self) -> None:
        """Return when nothing waits and nothing is being worked on."""
        await self._empty.wait()

    def _finish(self) -> None:
        self._unfinished -= 1
        if not self._unfinished:
            self._empty.set()

    def _next(self) -> T | None:
        is_strangers_turn = self._turns >= TURNS_OF_ACCOUNTS and self._may_take_stranger()
        if self._accounts.waiting and not is_strangers_turn:
            self._turns += 1
            return self._accounts.take()
        if self._may_take_stranger():
            self._turns = 0
            return self._strangers.take()
        return None

    def _may_take_stranger(self) -> bool:
        is_busy = self._accounts.working or self._accounts.waiting or self._monotonic() < self._busy_until
        at_once = 1 if is_busy and self._vain >= VAIN else self._at_once
        return self._strangers.waiting > 0 and self._strangers.working < at_once

    def _note(self, item: T) -> None:
        if item.is_known:
            self._busy_until = self._monotonic() + QUIET_SECONDS

    def _wake(self) -> None:
        while self._idle:
            ready = self._idle.popleft()
            if not ready.done():
                ready.set_result(None)
                return

    def _class_of(self, item: T) -> _Class[T]:
        return self._accounts if item.is_known else self._strangers
