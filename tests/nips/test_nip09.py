"""Deletion requests: what they name, and what they cannot."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nips.errors import InvalidEvent
from nips.event import Event
from nips.keys import PublicKey
from nips.nip09 import Address, Deletion, address_of, parse_deletion

AUTHOR, OTHER, ID, ID_2 = (digit * 64 for digit in "abcd")


def an_event(kind: int, tags: Sequence[Sequence[str]] = ()) -> Event:
    return Event("e" * 64, PublicKey(AUTHOR), 1, kind, tuple(tuple(tag) for tag in tags), "", "f" * 128)


def named(*tags: Sequence[str], max_targets: int = 10) -> Deletion:
    return parse_deletion(an_event(5, tags), max_targets=max_targets)


@pytest.mark.parametrize(
    ("kind", "tags", "address"),
    [
        (0, [("d", "x")], Address(0)),
        (3, [], Address(3)),
        (10002, [], Address(10002)),
        (30000, [("d", "x"), ("d", "y")], Address(30000, "x")),
        (30000, [("d",)], Address(30000)),
        (30000, [], Address(30000)),
        (1, [("d", "x")], None),
        (5, [], None),
        (62, [], None),
        (1059, [], None),
        (21059, [], None),
    ],
)
def test_address_is_kind_and_d_of_what_can_be_replaced(
    kind: int, tags: Sequence[Sequence[str]], address: Address | None
) -> None:
    assert address_of(an_event(kind, tags)) == address


def test_ids_and_addresses_are_named() -> None:
    found = named(("e", ID), ("e", ID_2, "wss://relay.example"), ("e", ID), ("a", f"30000:{AUTHOR}:x"), ("p", OTHER))
    assert found == Deletion(frozenset({ID, ID_2}), frozenset({Address(30000, "x")}), of_wraps=True)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (f"30000:{AUTHOR}:x", Address(30000, "x")),
        (f"30000:{AUTHOR}:", Address(30000)),
        (f"30000:{AUTHOR}:a:b", Address(30000, "a:b")),
        (f"10002:{AUTHOR}:", Address(10002)),
        (f"10002:{AUTHOR}:ignored", Address(10002)),
        (f"0:{AUTHOR}:", Address(0)),
        (f"30000:{OTHER}:x", None),
        (f"30000:{AUTHOR}", None),
        (f"030000:{AUTHOR}:x", None),
        (f"300000:{AUTHOR}:x", None),
        (f"٣0000:{AUTHOR}:x", None),
        (f"1:{AUTHOR}:x", None),
        (f"5:{AUTHOR}:{ID}", None),
        (f"1059:{AUTHOR}:", None),
        ("", None),
        ("::", None),
        (f" 30000:{AUTHOR}:x", None),
    ],
)
def test_address_counts_if_it_is_the_requesters_own(value: str, address: Address | None) -> None:
    assert named(("a", value)).addresses == ({address} if address else set())


@pytest.mark.parametrize("value", ["", ID[:-1], ID + "a", ID.upper(), ID[:-1] + "g", " " + ID[1:]])
def test_what_is_no_id_names_nothing(value: str) -> None:
    assert named(("e", value)).ids == set()


@pytest.mark.parametrize("tags", [[], [("p", OTHER)], [("k", "1")], [("E", ID)]])
def test_request_that_names_nothing_is_invalid(tags: Sequence[Sequence[str]]) -> None:
    with pytest.raises(InvalidEvent, match="e or an a tag"):
        named(*tags)


def test_request_names_no_more_than_allowed() -> None:
    tags = [("e", ID), ("e", ID_2), ("a", f"0:{AUTHOR}:")]
    assert len(named(*tags, max_targets=3).ids) == 2
    with pytest.raises(InvalidEvent, match="at most 2"):
        named(*tags, max_targets=2)


@pytest.mark.parametrize(
    ("kinds", "of_wraps"),
    [
        ([], True),
        (["1059"], True),
        (["21059"], True),
        (["1", "1059"], True),
        (["1"], False),
        (["1059 "], False),
        (["x"], False),
        (["01059"], False),
    ],
)
def test_wraps_are_meant_unless_other_kinds_are_named(kinds: Sequence[str], of_wraps: bool) -> None:
    assert named(("e", ID), *(("k", kind) for kind in kinds)).of_wraps is of_wraps
