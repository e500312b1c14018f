"""Putting work into wraps (NIP-13): beside the event loop, and no more often than has to be.

Mining has no memory: each attempt is as likely to succeed as the first. So nothing is lost when the time in a wrap is
set anew in between, which a live wrap needs; and whoever gives up has to wait for the attempts of a moment only.
"""

from __future__ import annotations

import asyncio
from functools import partial

from client.clock import Clock
from client.entropy import Entropy, draw_key
from client.wrapping import LIVE_SECONDS, wrap_time
from nips import kinds
from nips.event import VerifiedEvent, sign_event
from nips.keys import PublicKey
from nips.nip13 import mine
from nips.nip59 import draft_wrap

ATTEMPTS = 50_000
"""Nonces that are tried before the time in a wrap is set anew: about a tenth of a second."""


async def wrap_with_work(
    seal: VerifiedEvent,
    recipient: PublicKey,
    *,
    kind: int,
    bits: int,
    clock: Clock,
    entropy: Entropy,
    expires_at: int | None = None,
) -> VerifiedEvent:
    """Put a seal into one more wrap with so many bits of work; with more than a few that takes its time."""
    one_time = draw_key(entropy)
    draft = draft_wrap(seal, one_time, recipient, kind=kind, expires_at=expires_at, nonce=entropy.draw(32))
    start = 0
    while True:
        created_at = wrap_time(kind, clock=clock, entropy=entropy, back_seconds=LIVE_SECONDS)
        attempt = partial(
            mine,
            one_time.public_key,
            created_at=created_at,
            kind=kind,
            tags=draft.tags,
            content=draft.content,
            bits=bits,
            start=start,
            attempts=ATTEMPTS,
        )
        if tags := await asyncio.to_thread(attempt):
            break
        start += ATTEMPTS
    return sign_event(
        one_time, created_at=created_at, kind=kind, tags=tags, content=draft.content, aux=entropy.draw(32)
    )


class WorkedWraps:
    """Wraps of one seal with as much work as is asked: each is mined once, and goes to each relay once."""

    def __init__(
        self,
        seal: VerifiedEvent,
        recipient: PublicKey,
        *,
        kind: int,
        clock: Clock,
        entropy: Entropy,
        expires_at: int | None,
    ) -> None:
        self.bits = 0
        """What is asked; 0: nothing, and nothing is mined."""
        self._seal = seal
        self._recipient = recipient
        self._kind = kind
        self._clock = clock
        self._entropy = entropy
        self._expires_at = expires_at
        self._mining = asyncio.Lock()
        self._mined: VerifiedEvent | None = None
        self._mined_bits = 0
        self._taken_to: set[str] = set()

    async def wrap_for(self, relay: str) -> VerifiedEvent:
        """Return a wrap that did not go to this relay yet; a live one is of now."""
        async with self._mining:
            while (wrap := self._mined) is None or self._is_spent(wrap, relay):
                # More may be asked before it is found.
                bits = self.bits
                self._mined = await wrap_with_work(
                    self._seal,
                    self._recipient,
                    kind=self._kind,
                    bits=bits,
                    clock=self._clock,
                    entropy=self._entropy,
                    expires_at=self._expires_at,
                )
                self._mined_bits = bits
                self._taken_to.clear()
            self._taken_to.add(relay)
            return wrap

    def _is_spent(self, wrap: VerifiedEvent, relay: str) -> bool:
        is_live = self._kind == kinds.EPHEMERAL_GIFT_WRAP
        is_old = is_live and abs(self._clock.now() - wrap.created_at) > LIVE_SECONDS
        return is_old or relay in self._taken_to or self._mined_bits < self.bits
