"""Names that mean nothing outside."""

from __future__ import annotations

import pytest

from bridge.pseudonyms import Pseudonyms

KEY = bytes(range(32))
ALICE, BOB = "a1" * 32, "b0" * 32
NAMES = Pseudonyms(KEY)


def test_an_account_keeps_its_name() -> None:
    assert NAMES.of_account(ALICE) == Pseudonyms(KEY).of_account(ALICE)
    assert len(NAMES.of_account(ALICE)) == 16


def test_accounts_have_different_names() -> None:
    assert NAMES.of_account(ALICE) != NAMES.of_account(BOB)
    assert NAMES.of_turn_user(ALICE, 1) != NAMES.of_turn_user(BOB, 1)


def test_another_key_gives_other_names() -> None:
    other = Pseudonyms(bytes(32))
    assert other.of_account(ALICE) != NAMES.of_account(ALICE)
    assert other.of_turn_user(ALICE, 1) != NAMES.of_turn_user(ALICE, 1)


def test_a_turn_user_is_the_same_all_day_and_another_the_next() -> None:
    assert NAMES.of_turn_user(ALICE, 20_000) == NAMES.of_turn_user(ALICE, 20_000)
    assert NAMES.of_turn_user(ALICE, 20_000) != NAMES.of_turn_user(ALICE, 20_001)


def test_a_name_for_logs_cannot_be_matched_with_one_for_turn() -> None:
    turn = NAMES.of_turn_user(ALICE, 20_000)
    assert NAMES.of_account(ALICE) not in turn
    assert turn[:16] != NAMES.of_account(ALICE)


def test_a_turn_user_has_the_shape_that_coturn_is_given() -> None:
    turn = NAMES.of_turn_user(ALICE, 20_000)
    assert len(turn) == 32
    assert set(turn) <= set("0123456789abcdef")


def test_no_part_of_a_key_shows() -> None:
    assert "hidden" in repr(NAMES)
    assert KEY.hex() not in repr(NAMES)
    assert ALICE[:8] not in NAMES.of_turn_user(ALICE, 1)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Pseudonyms(bytes(size))
