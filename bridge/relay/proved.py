"""Which connections have proved which keys, so that they can be closed when a key may not be used any more.

A connection is closed as a whole, whatever else it has proved: what it was sent for one key may lie unsent among the
rest, and its client has to learn that a key of its own is worth nothing here any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from nips.keys import PublicKey


class Dismissible(Protocol):
    """A connection that can be ended from outside."""

    def dismiss(self, reason: str) -> None:
        """Send nothing more but the reason, and close."""
        ...


class ProvedKeys:
    """Connections by the keys that they proved. Each is bounded in how many that are."""

    def __init__(self) -> None:
        self._connections: dict[str, dict[Dismissible, None]] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, key: PublicKey, connection: Dismissible) -> None:
        """Remember that a connection proved a key."""
        self._connections.setdefault(key, {})[connection] = None

    def remove(self, keys: Iterable[PublicKey], connection: Dismissible) -> None:
        """Forget a connection, which proved these keys and is over."""
        for key in keys:
            connections = self._connections.get(key, {})
            connections.pop(connection, None)
            if not connections:
                self._connections.pop(key, None)

    def dismiss(self, keys: Iterable[str], reason: str) -> int:
        """End every connection that proved one of these keys; return how many."""
        connections = {connection: None for key in keys for connection in self._connections.get(key, ())}
        for connection in connections:
            connection.dismiss(reason)
        return len(connections)
