"""Randomness: of the size asked for, and a key only from bytes that are one."""

from __future__ import annotations

import pytest

from client.entropy import SystemEntropy, draw_key
from nips.keys import SecretKey

GROUP_ORDER = bytes.fromhex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")


class ScriptedEntropy:
    """Draws what it is given."""

    def __init__(self, *draws: bytes) -> None:
        self._draws = list(draws)

    def draw(self, size: int) -> bytes:
        drawn = self._draws.pop(0)
        assert len(drawn) == size
        return drawn

    def below(self, limit: int) -> int:
        raise AssertionError("a key is drawn from bytes")


@pytest.mark.parametrize("size", [1, 16, 32, 1000])
def test_as_many_bytes_are_drawn_as_asked_for(size: int) -> None:
    entropy = SystemEntropy()
    assert len(entropy.draw(size)) == size


def test_numbers_stay_below_the_limit() -> None:
    entropy = SystemEntropy()
    assert {entropy.below(3) for _ in range(200)} == {0, 1, 2}


@pytest.mark.parametrize("no_key", [bytes(32), GROUP_ORDER, b"\xff" * 32])
def test_bytes_that_are_no_key_are_drawn_again(no_key: bytes) -> None:
    assert draw_key(ScriptedEntropy(no_key, b"\x01" * 32)) == SecretKey(b"\x01" * 32)
