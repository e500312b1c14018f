"""Ranges of NIP-01, at their edges."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nips import kinds

RANGES: dict[Callable[[int], bool], set[int]] = {
    kinds.is_replaceable: {0, 3, *range(10000, 20000)},
    kinds.is_ephemeral: set(range(20000, 30000)),
    kinds.is_addressable: set(range(30000, 40000)),
    kinds.is_wrap: {1059, 21059},
}


@pytest.mark.parametrize("is_of_range", RANGES)
def test_range_holds_exactly_its_kinds(is_of_range: Callable[[int], bool]) -> None:
    assert {kind for kind in range(kinds.MAX_KIND + 1) if is_of_range(kind)} == RANGES[is_of_range]


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (kinds.PROFILE, 0),
        (kinds.CONTACTS, 3),
        (kinds.DELETION, 5),
        (kinds.SEAL, 13),
        (kinds.VANISH, 62),
        (kinds.GIFT_WRAP, 1059),
        (kinds.RELAY_LIST, 10002),
        (kinds.INBOX_RELAYS, 10050),
        (kinds.EPHEMERAL_GIFT_WRAP, 21059),
        (kinds.AUTH, 22242),
        (kinds.BRIDGE_REQUEST, 24390),
        (kinds.BRIDGE_RESPONSE, 24391),
        (kinds.DEVICE_PROOF, 24393),
        (kinds.REMOTE_SIGNING, 24133),
        (kinds.HANDLER, 31990),
        (kinds.MAX_KIND, 65535),
    ],
)
def test_kinds_have_the_numbers_that_others_use(kind: int, number: int) -> None:
    assert kind == number


def test_what_is_for_two_only_is_never_stored_should_it_ever_be_published() -> None:
    private = (kinds.BRIDGE_REQUEST, kinds.BRIDGE_RESPONSE, kinds.DEVICE_PROOF, kinds.REMOTE_SIGNING)
    assert all(map(kinds.is_ephemeral, private))
