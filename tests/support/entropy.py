"""Randomness that is the same in every run."""

from __future__ import annotations

import hashlib


class SeededEntropy:
    """SHA-256 over a seed and a counter: two sources of one seed draw the same bytes, of two seeds never."""

    def __init__(self, seed: str | int = 0) -> None:
        self._seed = str(seed).encode()
        self._drawn = 0

    def draw(self, size: int) -> bytes:
        """Return the next bytes."""
        blocks = b"".join(self._block() for _ in range(-(-size // 32)))
        return blocks[:size]

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1; 256 bits make the bias unmeasurable."""
        if limit < 1:
            raise ValueError("there is no number below the limit")
        return int.from_bytes(self.draw(32), "big") % limit

    def _block(self) -> bytes:
        self._drawn += 1
        return hashlib.sha256(b"%s/%d" % (self._seed, self._drawn)).digest()
