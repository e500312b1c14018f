"""Proof of work (NIP-13), for relays that ask for it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from nips.event import event_id

Tags = Sequence[Sequence[str]]


def leading_zero_bits(identity: str) -> int:
    """Return how many zero bits an id begins with."""
    return 256 - int(identity, 16).bit_length()


def with_work(
    pubkey: str, created_at: int, kind: int, tags: Tags, content: str, *, bits: int, target: int | None = None
) -> Tags:
    """Return the tags with a nonce that gives the event's id so many zero bits, committed to a target."""
    commitment = str(bits if target is None else target)
    for nonce in itertools.count():
        worked = [("nonce", str(nonce), commitment), *tags]
        if leading_zero_bits(event_id(pubkey, created_at, kind, worked, content)) >= bits:
            return worked
    raise AssertionError("counting does not end")
