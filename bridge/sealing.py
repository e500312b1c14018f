"""Opening requests and sealing answers: what costs most of a request's time, behind one interface.

Here it is done in this process. `bridge/workers/` does the same in processes of its own; who asks sees no difference.
"""

from __future__ import annotations

from typing import Protocol

from client.clock import Clock
from client.entropy import Entropy
from client.wrapping import LIVE_SECONDS, wrap_rumor
from nips.conversation_keys import ConversationKeys
from nips.event import VerifiedEvent
from nips.keys import PublicKey, SecretKey
from nips.nip59 import Rumor, open_wrap


class Sealing(Protocol):
    """Opens wraps for the bridge and makes those that it sends."""

    @property
    def workers(self) -> int:
        """How many processes of its own are ready."""
        ...

    async def open(self, wrap: VerifiedEvent) -> Rumor:
        """Return the rumor inside a wrap for us; raise `InvalidWrap` if there is none that counts.

        `SealingFailed` says nothing about the wrap: the same one may open later.
        """
        ...

    async def wrap(
        self,
        rumor: Rumor,
        recipient: PublicKey,
        *,
        kind: int,
        back_seconds: int = LIVE_SECONDS,
        expires_at: int | None = None,
    ) -> VerifiedEvent:
        """Return a fresh wrap of our rumor (see `client.wrapping`), or raise `SealingFailed`."""
        ...

    async def run(self) -> None:
        """Keep running what the others need, until cancelled."""
        ...


class LocalSealing:
    """Does it at once, in this process."""

    def __init__(
        self, secret: SecretKey, *, clock: Clock, entropy: Entropy, max_known_senders: int, unsigned_seals: bool
    ) -> None:
        self._keys = ConversationKeys(secret, max_kept=max_known_senders)
        self._clock = clock
        self._entropy = entropy
        self._unsigned_seals = unsigned_seals

    @property
    def workers(self) -> int:
        """None."""
        return 0

    async def open(self, wrap: VerifiedEvent) -> Rumor:
        """Return the rumor inside a wrap for us; raise `InvalidWrap` if there is none that counts."""
        return self.open_now(wrap)

    async def wrap(
        self,
        rumor: Rumor,
        recipient: PublicKey,
        *,
        kind: int,
        back_seconds: int = LIVE_SECONDS,
        expires_at: int | None = None,
    ) -> VerifiedEvent:
        """Return a fresh wrap of our rumor."""
        return self.wrap_now(rumor, recipient, kind=kind, back_seconds=back_seconds, expires_at=expires_at)

    async def run(self) -> None:
        """Return: nothing has to run."""

    def open_now(self, wrap: VerifiedEvent) -> Rumor:
        """Do the same as `open`, without an event loop."""
        return open_wrap(wrap, self._keys, unsigned_seals=self._unsigned_seals)

    def wrap_now(
        self, rumor: Rumor, recipient: PublicKey, *, kind: int, back_seconds: int, expires_at: int | None
    ) -> VerifiedEvent:
        """Do the same as `wrap`, without an event loop."""
        return wrap_rumor(
            rumor,
            self._keys,
            recipient,
            kind=kind,
            clock=self._clock,
            entropy=self._entropy,
            back_seconds=back_seconds,
            expires_at=expires_at,
        )
