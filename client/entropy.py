"""The one place that draws randomness. Everything else is given the bytes it uses."""

from __future__ import annotations

import secrets
from typing import Protocol

from nips.errors import InvalidKey
from nips.keys import SecretKey


class Entropy(Protocol):
    """A source of randomness fit for keys."""

    def draw(self, size: int) -> bytes:
        """Return fresh random bytes."""
        ...

    def below(self, limit: int) -> int:
        """Return a random whole number from 0 to `limit` - 1."""
        ...


class SystemEntropy:
    """The operating system's randomness."""

    def draw(self, size: int) -> bytes:
        """Return fresh random bytes."""
        return secrets.token_bytes(size)

    def below(self, limit: int) -> int:
        """Return a random whole number from 0 to `limit` - 1."""
        return secrets.randbelow(limit)


def draw_key(entropy: Entropy) -> SecretKey:
    """Return a fresh secret key."""
    while True:
        try:
            return SecretKey(entropy.draw(32))
        except InvalidKey:  # one draw in 2^128 is not below the group order
            continue
