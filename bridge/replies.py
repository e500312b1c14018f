"""From a response rumor to what is kept or sent: which wraps, for which destinations, stamped and expiring when."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from bridge.sealing import Sealing
from client.clock import Clock
from client.entropy import Entropy
from client.wrapping import LIVE_SECONDS
from nips import kinds
from nips.event import Event, VerifiedEvent
from nips.keys import PublicKey
from nips.nip17 import inbox_relays
from nips.nip40 import is_expired
from nips.nip42 import relay_address
from nips.nip59 import Rumor
from storage.interface import HERE, Dossier, QueuedReply, StoredReply
from storage.relay_interface import PublicEvents

PRESENT_SECONDS = 60
"""An asker whose wrap came in this recently is taken to be still there, so its answer is stamped as live."""

MAX_INBOX_RELAYS = 3
"""NIP-17 recommends one to three."""


@dataclass(frozen=True, slots=True)
class ReplyTimes:
    """How long answers last, in seconds."""

    retention_seconds: int
    """A stored answer lasts at least this long."""
    free_retention_seconds: int
    """The same for an answer that took no permit: refusals and repeats cost their asker nothing but a wrap."""
    live_seconds: int
    """A live answer waits this long for its asker to listen."""
    backdate_max_seconds: int
    """How far back the wrap for an absent asker may be stamped (NIP-59)."""


class ReplyWriter:
    """Wraps responses and addresses them."""

    def __init__(
        self,
        sealing: Sealing,
        *,
        times: ReplyTimes,
        own_url: Callable[[], str],
        upstream: Collection[str],
        public_events: PublicEvents,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self.times = times
        self._sealing = sealing
        self._own_url = own_url
        self._links = frozenset(upstream)
        self._upstream = {relay_address(url): url for url in upstream}
        self._public_events = public_events
        self._clock = clock
        self._entropy = entropy

    async def write(
        self,
        response: Rumor,
        asker: PublicKey,
        *,
        kind: int,
        links: Collection[str],
        received_at: int,
        dossier: Dossier | None = None,
        is_free: bool = False,
    ) -> Sequence[StoredReply | QueuedReply]:
        """Return one reply for each link that the request came by and, if stored, for each of the asker's inbox relays.

        Inbox relays to which no link is open are left out. Their list is looked up unless it is in the dossier.
        """
        # A link that the settings no longer name leaves our own relay as the place where its asker may look.
        destinations = dict.fromkeys(link if link in self._links else HERE for link in links)
        if kind == kinds.GIFT_WRAP:
            listed = dossier.inbox_list if dossier else await self._public_events.latest(asker, kinds.INBOX_RELAYS)
            destinations |= dict.fromkeys(self._inboxes(listed))
        if kind == kinds.EPHEMERAL_GIFT_WRAP:
            return [self._live(response, asker, destination) for destination in destinations]
        present = self._clock.now() - received_at <= PRESENT_SECONDS
        retention_seconds = self.times.free_retention_seconds if is_free else self.times.retention_seconds
        return [
            await self._stored(response, asker, destination, present, retention_seconds) for destination in destinations
        ]

    async def wrap_live(self, response: Rumor, asker: PublicKey) -> VerifiedEvent:
        """Return a fresh ephemeral wrap of a response."""
        return await self._sealing.wrap(response, asker, kind=kinds.EPHEMERAL_GIFT_WRAP)

    def _live(self, response: Rumor, asker: PublicKey, destination: str) -> QueuedReply:
        now = self._clock.now()
        expires_at = now + self.times.live_seconds
        kind = kinds.EPHEMERAL_GIFT_WRAP
        return QueuedReply(destination, asker, kind, response.to_json(), expires_at, next_attempt_at=now)

    async def _stored(
        self, response: Rumor, asker: PublicKey, destination: str, present: bool, retention_seconds: int
    ) -> StoredReply | QueuedReply:
        now = self._clock.now()
        back_seconds = LIVE_SECONDS if present else self.times.backdate_max_seconds
        # Blurred as much as the stamp, or it would tell what the stamp is back-dated to hide.
        blur_seconds = 0 if present else self._entropy.below(back_seconds + 1)
        expires_at = now + retention_seconds + blur_seconds
        wrap = await self._sealing.wrap(
            response, asker, kind=kinds.GIFT_WRAP, back_seconds=back_seconds, expires_at=expires_at
        )
        if destination == HERE:
            return StoredReply(wrap, asker, expires_at)
        return QueuedReply(destination, asker, kinds.GIFT_WRAP, wrap.to_json(), expires_at, next_attempt_at=now)

    def _inboxes(self, listed: Event | None) -> list[str]:
        if listed is None or is_expired(listed, self._clock.now()):
            return []
        own = relay_address(self._own_url())
        addresses = map(relay_address, inbox_relays(listed, maximum=MAX_INBOX_RELAYS))
        reachable = [HERE if address == own else self._upstream.get(address) for address in addresses]
        return [destination for destination in reachable if destination is not None]
