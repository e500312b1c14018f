"""Names for accounts that mean nothing outside: keyed hashes, one family for each purpose.

Two families never share a name, so a TURN user part cannot be matched with a log line.
"""

from __future__ import annotations

import hmac

EXPERIMENT_PLACES = 2**64
"""How many places there are in an experiment."""


class Pseudonyms:
    """Keyed hashes of public keys under a key of this bridge."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError("a pseudonym key is 32 bytes")
        self._key = key

    def __repr__(self) -> str:
        return "Pseudonyms(hidden)"

    def of_account(self, pubkey: str) -> str:
        """Return the name under which logs and metrics know an account: 16 hex digits, stable."""
        return self._name("log", pubkey)[:16]

    def of_turn_user(self, pubkey: str, day: int) -> str:
        """Return the user part that an account has at TURN servers on one day: 32 hex digits.

        It is stable over the day so that a server's quota per user works, and new the next day (protocol.md §4).
        """
        return self._name("turn", str(day), pubkey)[:32]

    def place_in(self, experiment: str, pubkey: str) -> int:
        """Return the place that an account has in an experiment: from 0 to `EXPERIMENT_PLACES` - 1, evenly spread."""
        return int(self._name("experiment", experiment, pubkey)[:16], 16)

    def _name(self, *parts: str) -> str:
        return hmac.digest(self._key, "\0".join(("switchboard", *parts)).encode(), "sha256").hex()
