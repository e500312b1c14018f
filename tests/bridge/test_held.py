"""Live answers in memory: bounded, and never silently gone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.held import HeldRows
from storage.interface import HERE, OutboxRow

NOW = 1_800_000_000


def a_row(number: int, recipient: str = "alice", expires_at: int = NOW + 60) -> OutboxRow:
    return OutboxRow(number, HERE, recipient, 21059, "{}", expires_at, attempts=0, next_attempt_at=NOW)


def numbers(rows: list[OutboxRow]) -> list[int]:
    return [row.number for row in rows]


def test_a_recipient_takes_its_own_in_their_order() -> None:
    held = HeldRows(most=10, most_each=10)
    for number, recipient in enumerate(["alice", "bob", "alice"]):
        held.hold(a_row(number, recipient), NOW)
    assert numbers(held.take("alice")) == [0, 2]
    assert held.take("alice") == []
    assert (len(held), held.recipients, 1 in held, 0 in held) == (1, frozenset({"bob"}), True, False)


def test_one_recipient_cannot_fill_the_room_of_others() -> None:
    held = HeldRows(most=10, most_each=2)
    held.hold(a_row(0, "bob"), NOW)
    for number in range(1, 9):
        held.hold(a_row(number), NOW)
    assert numbers(held.take("alice")) == [7, 8]
    assert numbers(held.take("bob")) == [0]


def test_the_oldest_of_all_is_left_out_when_there_is_no_room_and_that_is_remembered() -> None:
    held = HeldRows(most=2, most_each=2)
    held.hold(a_row(0, "bob", NOW + 30), NOW)
    assert held.left_out_until == 0
    for number in (1, 2):
        held.hold(a_row(number), NOW)
    assert held.take("bob") == []
    assert held.left_out_until == NOW + 30


def test_rows_whose_time_is_over_make_room() -> None:
    held = HeldRows(most=2, most_each=2)
    held.hold(a_row(0, "bob", NOW + 1), NOW)
    held.hold(a_row(1), NOW + 1)
    assert held.recipients == {"alice"}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 5)), max_size=60))
def test_bounds_hold_and_what_is_missing_was_taken_or_left_out(steps: list[tuple[str, bool, int]]) -> None:
    held = HeldRows(most=5, most_each=3)
    expected: set[int] = set()
    for number, (recipient, takes, life) in enumerate(steps):
        if takes:
            expected -= {row.number for row in held.take(recipient)}
            continue
        held.hold(a_row(number, recipient, NOW + life), NOW)
        expected.add(number)
        assert len(held) <= 5
        missing = {left for left in expected if left not in held}
        assert all(NOW + steps[left][2] <= held.left_out_until for left in missing)
        expected -= missing
