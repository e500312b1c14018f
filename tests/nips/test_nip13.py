"""Proof of work: what an id has, and what its event committed to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nips.event import Event
from nips.keys import PublicKey
from nips.nip13 import committed_work, difficulty

# The example of NIP-13.
MINED = "000006d8c378af1779d2feebc7603a125d99eca0ccf1085959b307f64e5dd358"


@pytest.mark.parametrize(
    ("event_id", "bits"),
    [
        ("000000000e9d97a1ab09fc381030b346cdd7a142ad57e6df0b46dc9bef6c7e2d", 36),
        (MINED, 21),
        ("f" * 64, 0),
        ("7" + "f" * 63, 1),
        ("0f" + "f" * 62, 4),
        ("0" * 63 + "1", 255),
        ("0" * 64, 256),
    ],
)
def test_difficulty_is_the_number_of_leading_zero_bits(event_id: str, bits: int) -> None:
    assert difficulty(event_id) == bits


@pytest.mark.parametrize(
    ("tags", "bits"),
    [
        ([("nonce", "776797", "20")], 20),
        ([("nonce", "776797", "21")], 21),
        ([("nonce", "776797", "22")], 21),
        ([("nonce", "776797", "3")], 3),
        ([("nonce", "776797", "999")], 21),
        ([("nonce", "776797")], 0),
        ([("nonce", "776797", "")], 0),
        ([("nonce", "776797", "-1")], 0),
        ([("nonce", "776797", "020")], 0),
        ([("nonce", "776797", "20.0")], 0),
        ([("nonce", "776797", "1" * 5000)], 0),
        ([("nonce", "1", "20"), ("nonce", "2", "10")], 0),
        ([("x", "776797", "20")], 0),
        ([], 0),
    ],
)
def test_work_counts_as_far_as_it_was_committed_to(tags: Sequence[tuple[str, ...]], bits: int) -> None:
    assert committed_work(Event(MINED, PublicKey("a" * 64), 1, 1, tuple(tags), "", "f" * 128)) == bits
