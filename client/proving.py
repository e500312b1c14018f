"""Which of our keys are proved to a relay (NIP-42), and by whom: at once where we hold the key, later where we ask.

A key that is held by somebody else costs a question for each connection, so nobody is asked twice about one challenge,
and about no challenge of a connection that is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from client.clock import Clock
from client.entropy import Entropy
from client.errors import SignerFailed
from client.signer import Signer
from nips import kinds
from nips.event import VerifiedEvent
from nips.keys import SecretKey
from nips.nip42 import auth_tags, make_auth

_log = logging.getLogger(__name__)


class Prover:
    """Answers the challenges of one relay."""

    def __init__(self, url: str, keys: Sequence[SecretKey | Signer], *, clock: Clock, entropy: Entropy) -> None:
        self._url = url
        self._keys = [key for key in keys if isinstance(key, SecretKey)]
        self._signers = [key for key in keys if not isinstance(key, SecretKey)]
        self._clock = clock
        self._entropy = entropy
        self._challenge = ""
        self._is_asked = asyncio.Event()

    def answer(self, challenge: str) -> tuple[Sequence[VerifiedEvent], bool]:
        """Return the answers of our own keys, and whether these are all; the signers' come from `more`."""
        now = self._clock.now()
        answers = [
            make_auth(key, relay_url=self._url, challenge=challenge, created_at=now, aux=self._entropy.draw(32))
            for key in self._keys
        ]
        if self._signers:
            # Only the latest counts: whoever is asked slowly may still be busy with the one before.
            self._challenge = challenge
            self._is_asked.set()
        return answers, not self._signers

    async def more(self) -> tuple[str, Sequence[VerifiedEvent]]:
        """Wait for the next challenge and return it with the signers' answers; who fails is left out."""
        await self._is_asked.wait()
        self._is_asked.clear()
        challenge, answers = self._challenge, []
        for signer in self._signers:
            try:
                answers.append(await self._sign(signer, challenge))
            except SignerFailed:
                _log.warning("a key is not proved to a relay", extra={"facts": {"relay": self._url}})
        return challenge, answers

    async def _sign(self, signer: Signer, challenge: str) -> VerifiedEvent:
        tags = auth_tags(relay_url=self._url, challenge=challenge)
        return await signer.sign(created_at=self._clock.now(), kind=kinds.AUTH, tags=tags, content="")
