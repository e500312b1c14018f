"""What measurements yield, as tests look at it."""

from __future__ import annotations

from collections.abc import Iterable

from bench.figures import Figure


def peers_by_name(figures: Iterable[Figure]) -> dict[str, set[str]]:
    """Return the peers that each value stands beside; all values must be there."""
    found: dict[str, set[str]] = {}
    for figure in figures:
        assert figure.value > 0
        assert figure.peer_value > 0
        peers = found.setdefault(figure.name, set())
        assert figure.peer not in peers, "the same row twice"
        peers.add(figure.peer)
    return found
