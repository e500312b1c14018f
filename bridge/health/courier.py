"""Takes notices to the operator, as private messages of the bridge's key (NIP-17).

They go to the relays of the operator's list (kind 10050) that we reach, our own among them; where there is no list, or
none of it is reached, to every relay that we have. One that has taken a message is enough.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from bridge.destinations import Deliverer, Publisher
from bridge.errors import SealingFailed
from bridge.health.notices import Notice
from bridge.logs import where
from bridge.replies import MAX_INBOX_RELAYS
from bridge.sealing import Sealing
from client.clock import Clock
from client.connection import MakeFilters, OnEvent
from client.errors import LinkFull
from client.wrapping import BACKDATE_SECONDS
from nips import kinds
from nips.event import Event, VerifiedEvent
from nips.filter import Filter
from nips.keys import PublicKey
from nips.nip17 import inbox_relays, make_private_message
from nips.nip42 import relay_address
from nips.nip59 import Rumor
from storage.errors import StorageError
from storage.relay_interface import Added, GiftWraps, PublicEvents

log = logging.getLogger(__name__)

MOST_WAITING: Final = 32
"""Notices that wait; beyond that the oldest is dropped."""

FIRST_RETRY_SECONDS: Final = 5.0
LAST_RETRY_SECONDS: Final = 300.0
KEPT_SECONDS: Final = 30 * 86_400
"""How long relays are asked to keep a notice."""

SUBSCRIPTION: Final = "operator"


Attempt = Coroutine[Any, Any, bool]
"""Tells in the end whether somebody has taken the message."""


class NoticeLink(Publisher, Protocol):
    """A link to a relay that is not ours."""

    def subscribe(self, name: str, make_filters: MakeFilters, on_event: OnEvent) -> None:
        """Ask for events."""
        ...

    def unsubscribe(self, name: str) -> None:
        """Ask for them no more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What the courier goes by."""

    bridge: PublicKey
    sealing: Sealing
    here: Deliverer
    gift_wraps: GiftWraps
    public_events: PublicEvents
    quota: int
    """Wraps that our own relay keeps for one recipient."""
    own_url: Callable[[], str]
    links: Mapping[str, NoticeLink]
    clock: Clock


class Courier:
    """Delivers notices in their order, each until somebody has taken it."""

    def __init__(self, operator: PublicKey | None, ways: Ways, *, on_delivered: Callable[[Notice], None]) -> None:
        self._operator = operator
        self._ways = ways
        self._on_delivered = on_delivered
        self._waiting: deque[Notice] = deque(maxlen=MOST_WAITING)
        self._has_some = asyncio.Event()
        self._listed_elsewhere: Event | None = None

    def adopt(self, operator: PublicKey | None) -> None:
        """Tell somebody else from now on."""
        if operator != self._operator:
            self._operator, self._listed_elsewhere = operator, None
            self._ask_links()

    def send(self, notice: Notice) -> None:
        """Have a notice delivered, if there is somebody to tell."""
        if self._operator is not None:
            self._waiting.append(notice)
            self._has_some.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._ask_links()
        while True:
            await self._has_some.wait()
            while self._waiting and self._operator is not None:
                await self._see_through(self._waiting[0])
            self._has_some.clear()

    async def _see_through(self, notice: Notice) -> None:
        delay = FIRST_RETRY_SECONDS
        while (operator := self._operator) is not None and notice in self._waiting:
            # The same rumor each time, so that whoever gets it twice sees that it is one.
            rumor = make_private_message(self._ways.bridge, operator, notice.text, created_at=notice.at)
            if await self._deliver(rumor, operator):
                self._on_delivered(notice)
                break
            log.warning("notice not delivered, trying again", extra={"facts": {"part": notice.incident}})
            await asyncio.sleep(delay)
            delay = min(2 * delay, LAST_RETRY_SECONDS)
        with suppress(ValueError):
            self._waiting.remove(notice)

    async def _deliver(self, rumor: Rumor, operator: PublicKey) -> bool:
        """Take a message everywhere; tell whether somebody has taken it."""
        ways = self._ways
        expires_at = ways.clock.now() + KEPT_SECONDS
        try:
            wrap = await ways.sealing.wrap(
                rumor, operator, kind=kinds.GIFT_WRAP, back_seconds=BACKDATE_SECONDS, expires_at=expires_at
            )
        except SealingFailed:
            return False
        async with asyncio.TaskGroup() as tasks:
            attempts = [tasks.create_task(attempt) for attempt in await self._attempts(wrap, operator, expires_at)]
        return any(attempt.result() for attempt in attempts)

    async def _attempts(self, wrap: VerifiedEvent, operator: PublicKey, expires_at: int) -> list[Attempt]:
        listed, own = await self._listed(operator), relay_address(self._ways.own_url())
        links = {url: relay_address(url) for url in self._ways.links}
        is_all = listed.isdisjoint([own, *links.values()])
        attempts: list[Attempt] = [
            _publish(self._ways.links[url], wrap) for url, address in links.items() if is_all or address in listed
        ]
        if is_all or own in listed:
            attempts.append(self._keep_here(wrap, operator, expires_at))
        return attempts

    async def _keep_here(self, wrap: VerifiedEvent, operator: PublicKey, expires_at: int) -> bool:
        ways = self._ways
        try:
            with ways.here.storing([wrap.id]):
                added = await ways.gift_wraps.add(wrap, recipient=operator, expires_at=expires_at, quota=ways.quota)
                if added is Added.ADDED:
                    ways.here.deliver(wrap)
                return added is Added.ADDED
        except StorageError:
            return False

    async def _listed(self, operator: PublicKey) -> set[tuple[str, int] | None]:
        """Return where the operator reads, by the newest list that we know."""
        try:
            known = await self._ways.public_events.latest(operator, kinds.INBOX_RELAYS)
        except StorageError:
            known = None
        newest = max((one for one in (known, self._listed_elsewhere) if one), key=_age, default=None)
        return set() if newest is None else set(map(relay_address, inbox_relays(newest, maximum=MAX_INBOX_RELAYS)))

    def _ask_links(self) -> None:
        for link in self._ways.links.values():
            link.unsubscribe(SUBSCRIPTION)
            if self._operator is not None:
                with suppress(LinkFull):
                    link.subscribe(SUBSCRIPTION, _asking_for_list(self._operator), self._note_list)

    async def _note_list(self, event: VerifiedEvent) -> None:
        is_newer = self._listed_elsewhere is None or event.created_at > self._listed_elsewhere.created_at
        if event.pubkey == self._operator and event.kind == kinds.INBOX_RELAYS and is_newer:
            self._listed_elsewhere = event


async def _publish(link: Publisher, wrap: VerifiedEvent) -> bool:
    try:
        return (await link.publish(wrap)).is_accepted
    except Exception as error:  # noqa: BLE001 - one relay's fault must not keep the notice from the others
        log.error("notice not published", extra={"facts": where(error)})
        return False


def _asking_for_list(operator: PublicKey) -> MakeFilters:
    wanted = Filter(kinds=frozenset({kinds.INBOX_RELAYS}), authors=frozenset({operator}))
    return lambda now: [wanted]


def _age(event: Event) -> int:
    return event.created_at
